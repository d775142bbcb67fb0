// The official Cedar engine as a child process (tests/oracle/oracle.mjs).
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ir/module.h"
#include "ir/values/entities.h"
#include "tests/support/engine_process.h"

namespace kerf::test {

// A template's id is its annotation in the text; links name it.
struct TemplateText {
  std::string id, text;
};
struct TemplateLink {
  std::string template_id, id;
  std::map<std::string, EntityUid> values;   // by slot
};

struct Answer {
  bool allow = false;
  std::vector<std::string> determining, errors;   // policy ids, sorted
  void sort();
  friend bool operator==(const Answer&, const Answer&) = default;
};

struct Question {
  Request request;
  std::vector<Entity> entities;   // without action entities: the engine takes those from the schema
};

std::vector<Entity> entities_without_actions(const Module& module, const Entities& entities);

class Oracle {
 public:
  Oracle();   // starts node; running() says whether that worked
  bool running() const { return why_.empty(); }
  const std::string& why() const { return why_; }
  // Fails if the engine refuses the program (also by strict validation) or any request.
  Result<std::vector<Answer>> ask(const std::string& policies, const std::string& schema, const std::vector<Question>& questions,
                                  const std::vector<TemplateText>& templates = {}, const std::vector<TemplateLink>& links = {});

 private:
  EngineProcess engine_;
  std::string why_;
};

}  // namespace kerf::test
