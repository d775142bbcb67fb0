// A command that waits for the test between its calls, and the binding that it runs in.
#pragma once
#include <string>
#include <vector>

#include "calls.h"
#include "runtime/loader/loader.h"
#include "world.h"

namespace kerf::test {

// The binding whose bundle is ours: other bindings may run on this machine.
inline std::string binding_of(const std::string& bundle) {
  auto all = loader::status();
  if (!all) return "";
  for (const auto& binding : *all) {
    if (binding.bundle_dir == bundle) return binding.name;
  }
  return "";
}

inline std::string code_of(const loader::LoaderResult<Unit>& result) { return result ? "" : result.error().code; }

inline std::string tcp_to(int port) { return "tcp 127.0.0.1 " + std::to_string(port); }

// Steps of a command that waits for the test between its calls.
class Dialogue {
 public:
  void ask(const std::string& call) { calls_.push_back(call); }
  void pause(const std::string& name) {
    calls_.push_back("touch " + (dir_ / (name + ".reached")));
    calls_.push_back("wait " + (dir_ / (name + ".go")));
  }
  const std::vector<std::string>& calls() const { return calls_; }
  bool reached(const std::string& name) const { return wait_until_exists(dir_ / (name + ".reached")); }
  void go(const std::string& name) const { perform("touch " + (dir_ / (name + ".go"))); }
  // Errors of the calls that ask() added.
  static std::vector<int> answers(const std::vector<std::string>& calls, const std::vector<int>& errors) {
    std::vector<int> list;
    for (std::size_t i = 0; i < calls.size() && i < errors.size(); ++i) {
      if (!calls[i].starts_with("touch") && !calls[i].starts_with("wait")) list.push_back(errors[i]);
    }
    return list;
  }
  const TempDir& dir() const { return dir_; }

 private:
  TempDir dir_;
  std::vector<std::string> calls_;
};

}  // namespace kerf::test
