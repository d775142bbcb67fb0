// The official engine as a child process that is asked in batches (judge.mjs).
#pragma once
#include <string>
#include <vector>

#include "ir/values/json.h"
#include "tests/support/engine_process.h"

namespace kerf::test {

struct Call {
  std::string function;
  std::vector<std::string> arguments;   // JSON texts on one line
};

class Judge {
 public:
  Judge();   // running() says whether that worked
  bool running() const { return why_.empty(); }
  const std::string& why() const { return why_; }
  void send(const std::vector<Call>& calls);
  // As many answers as calls were sent; fewer if the engine's process ended.
  std::vector<Json> receive(std::size_t count);

 private:
  EngineProcess engine_;
  std::string why_;
};

}  // namespace kerf::test
