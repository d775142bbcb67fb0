#include "tests/semantics/oracle.h"

#include <algorithm>

#include "ir/values/json.h"

namespace kerf::test {

void Answer::sort() {
  std::sort(determining.begin(), determining.end());
  std::sort(errors.begin(), errors.end());
}

std::vector<Entity> entities_without_actions(const Module& module, const Entities& entities) {
  std::vector<Entity> out;
  for (const Entity& entity : entities.all()) {
    if (!module.schema.actions.contains(entity.uid)) out.push_back(entity);
  }
  return out;
}

Oracle::Oracle() : engine_("oracle", "oracle.mjs"), why_(engine_.why()) {
  if (!running()) return;
  if (!ask("", "entity U; action a appliesTo { principal: U, resource: U };", {})) why_ = "node does not run tests/oracle/oracle.mjs";
}

Result<std::vector<Answer>> Oracle::ask(const std::string& policies, const std::string& schema, const std::vector<Question>& questions,
                                        const std::vector<TemplateText>& templates, const std::vector<TemplateLink>& links) {
  Json texts = Json::object(), linked = Json::array();
  for (const TemplateText& one : templates) texts[one.id] = one.text;
  for (const TemplateLink& link : links) {
    Json values = Json::object();
    for (const auto& [slot, uid] : link.values) values[slot] = uid_to_json(uid);
    linked.push_back({{"templateId", link.template_id}, {"newId", link.id}, {"values", std::move(values)}});
  }
  Json requests = Json::array();
  for (const Question& q : questions) {
    Json context = Json::object();
    for (const auto& [name, value] : q.request.context) context[name] = value_to_json(value);
    requests.push_back({{"principal", uid_to_json(q.request.principal)}, {"action", uid_to_json(q.request.action)},
                        {"resource", uid_to_json(q.request.resource)}, {"context", std::move(context)},
                        {"entities", entities_to_json(q.entities)}});
  }
  engine_.send(Json({{"policies", policies}, {"templates", std::move(texts)}, {"links", std::move(linked)}, {"schema", schema}, {"requests", std::move(requests)}}).dump() + "\n");
  Result<Json> json = parse_json(engine_.receive());
  if (!json) return Error{"no answer: " + json.error().message};
  if (json->contains("failure")) return Error{(*json)["failure"].get<std::string>()};
  if (!(*json)["valid"].get<bool>()) return Error{"not valid: " + (*json)["why"].dump()};
  std::vector<Answer> answers;
  for (const Json& row : (*json)["answers"]) {
    if (row.contains("failure")) return Error{row["failure"].get<std::string>()};
    Answer answer{row["decision"] == "allow", row["determining"].get<std::vector<std::string>>(), row["errors"].get<std::vector<std::string>>()};
    answer.sort();
    answers.push_back(std::move(answer));
  }
  if (answers.size() != questions.size()) return Error{"wrong number of answers"};
  return answers;
}

}  // namespace kerf::test
