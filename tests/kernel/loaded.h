// Bundles that stay loaded, and cgroups of the test's own that are bound to them.
#pragma once
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "calls.h"
#include "runtime/loader/cgroup.h"
#include "runtime/loader/host.h"
#include "runtime/loader/process.h"
#include "world.h"

namespace kerf::test {

template <class T>
std::string failure(const loader::LoaderResult<T>& result) {
  return result ? "" : result.error().code;
}

// A cgroup that is not kerf's.
class Cgroup {
 public:
  explicit Cgroup(const std::string& path) : path_(path) {
    auto made = loader::create_cgroup(path);
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().message));
    fd_ = std::move(*made);
  }
  ~Cgroup() {
    auto removed = loader::remove_cgroup(path_);
    for (int i = 0; !removed && i < 100; ++i) {
      ::usleep(10'000);
      removed = loader::remove_cgroup(path_);
    }
    CHECK(removed.ok());
  }
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  std::vector<int> call(const std::vector<std::string>& calls) const {
    TempDir dir;
    std::string out = dir / "calls";
    auto child = loader::clone_into(fd_.get(), [&] { return perform_all(out, calls); });
    REQUIRE(child.ok());
    CHECK(loader::wait_status(*child) == 0);
    std::ifstream file(out);
    std::vector<int> errors;
    for (int error; file >> error;) errors.push_back(error);
    return errors;
  }

 private:
  std::string path_;
  loader::Fd fd_;
};

inline std::string cgroup_path(const char* name) { return cgroup_mount() + "/kerf-test-" + std::to_string(::getpid()) + "-" + name; }

// A bundle loaded under a name of this process, unloaded at the end.
class Loaded {
 public:
  explicit Loaded(const std::string& bundle) : bundle_(bundle) {
    auto report = loader::load({.bundle_dir = bundle, .name = name(), .allow_degraded = degraded_here(bundle)});
    REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().message));
  }
  ~Loaded() {
    CHECK(loader::unload(name(), true).ok());
    auto host = loader::find_host();
    CHECK(!std::filesystem::exists(host->pins + "/" + name()));
    CHECK(!std::filesystem::exists(host->states + "/" + name()));
  }
  static const std::string& name() {
    static const std::string made = "test-" + std::to_string(::getpid());   // of the parent, also in a fork
    return made;
  }
  std::string bind(const std::string& cgroup, const std::string& principal = kAgent, loader::FactTexts facts = {}) {
    auto report = loader::bind({.name = name(), .principal = principal, .cgroup = cgroup, .facts = std::move(facts)});
    CHECK_MESSAGE(report.ok(), (report.ok() ? "" : report.error().message));
    return report ? report->name + "/" + std::to_string(report->id) : "";
  }
  loader::LoaderResult<loader::LoadReport> replace(const std::string& bundle) {
    return loader::load({.bundle_dir = bundle, .name = name(), .replace = true, .allow_degraded = degraded_here(bundle)});
  }
  std::vector<loader::BindingStatus> rows() const {
    auto all = loader::status();
    REQUIRE(all.ok());
    std::erase_if(*all, [](const auto& row) { return row.name != name(); });
    return *all;
  }

 private:
  std::string bundle_;
};

inline std::string tcp_to(int port) { return "tcp 127.0.0.1 " + std::to_string(port); }

// Listeners, and the bundle `bundle` with the policies of most cases.
struct Scene {
  Listeners listeners;
  TempDir dir;
  Scene() {
    std::string problem = compile_sample(listeners, dir / "bundle");
    REQUIRE_MESSAGE(problem.empty(), problem);
  }
  std::vector<std::string> calls() const { return {tcp_to(listeners.tcp_allowed), tcp_to(listeners.tcp_refused), tcp_to(listeners.tcp_fact)}; }
};

}  // namespace kerf::test
