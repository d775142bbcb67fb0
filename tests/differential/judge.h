// The official engine as a child process that is asked in batches (judge.mjs).
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "ir/values/json.h"

namespace kerf::test {

struct Call {
  std::string function;
  std::vector<std::string> arguments;   // JSON texts on one line
};

class Judge {
 public:
  Judge();   // running() says whether that worked
  ~Judge();
  Judge(const Judge&) = delete;
  bool running() const { return why_.empty(); }
  const std::string& why() const { return why_; }
  void send(const std::vector<Call>& calls);
  // As many answers as calls were sent; fewer if the engine's process ended.
  std::vector<Json> receive(std::size_t count);

 private:
  std::string why_;
  int pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

}  // namespace kerf::test
