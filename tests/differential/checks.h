// What is asked about a case, and where the answers differ.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "tests/differential/case.h"
#include "tests/differential/judge.h"

namespace kerf::test {

struct Difference {
  std::string check, ours, theirs;
};

// How often something came up: a test of what never happens says nothing.
using Tally = std::map<std::string, std::size_t>;

// Calls by name, so that an answer is found again.
class Questions {
 public:
  explicit Questions(const Case& c);
  const std::vector<Call>& calls() const { return calls_; }
  const std::map<std::string, std::size_t>& index() const { return index_; }

 private:
  void add(const std::string& name, const std::string& function, std::vector<std::string> arguments);
  std::vector<Call> calls_;
  std::map<std::string, std::size_t> index_;
};

class Answers {
 public:
  Answers(const Questions& questions, std::vector<Json> answers) : index_(questions.index()), answers_(std::move(answers)) {}
  bool complete() const { return answers_.size() == index_.size(); }
  const Json& of(const std::string& name) const { return answers_.at(index_.at(name)); }

 private:
  std::map<std::string, std::size_t> index_;
  std::vector<Json> answers_;
};

std::vector<Difference> compare(const Case& c, const Answers& answers, Tally& tally);
// The same, asking first.
std::vector<Difference> judge_case(Judge& judge, const Case& c, Tally& tally);

}  // namespace kerf::test
