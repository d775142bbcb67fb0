// A case from its seed: half of them right in every part, the others wrong in one or more.
#include "tests/differential/case.h"

#include <fmt/core.h>

#include "tests/differential/data.h"
#include "tests/differential/text.h"

namespace kerf::test {
namespace {

class CaseMaker {
 public:
  explicit CaseMaker(std::uint64_t seed) : random_(seed), model_(make_model(random_)), situation_(some_situation(random_, model_)) {}
  Case make();

 private:
  bool wrong(unsigned percent) { return !right_ && random_.chance(percent); }
  void make_schema(Case& out);
  void make_policies(Case& out);
  void make_links(Case& out);
  void make_data(Case& out);
  std::string broken_json(Json json);

  Random random_;
  Model model_;
  Situation situation_;
  bool right_ = false;
};

std::string CaseMaker::broken_json(Json json) {
  if (random_.chance(60)) mutate_json(random_, json, true);
  std::string text = json.dump();
  if (random_.chance(30)) mutate_json_text(random_, text);
  return text;
}

void CaseMaker::make_schema(Case& out) {
  out.schema_json = random_.chance(35);
  out.schema = out.schema_json ? schema_json(random_, model_) : schema_text(random_, model_);
  if (!wrong(15)) return;
  for (std::size_t n = random_.between(1, 2); n > 0; --n) {
    if (!out.schema_json) mutate_cedar_text(random_, out.schema);
    else if (random_.chance(80)) out.schema = broken_json(Json::parse(out.schema, nullptr, false));
  }
}

void CaseMaker::make_policies(Case& out) {
  out.policies_json = random_.chance(25);
  bool templates = random_.chance(20);
  out.one_file = !templates && !out.policies_json;
  std::size_t count = random_.between(1, 5);
  for (std::size_t i = 0; i < count; ++i) {
    Situation situation = random_.chance(70) ? situation_ : some_situation(random_, model_);
    PolicyParts made = make_policy(random_, model_, situation, templates);
    if (wrong(25)) mutate_policy(random_, model_, made.policy);
    if (out.policies_json) vary_json(random_, made.policy);
    std::string text = out.policies_json ? made.policy.dump() : policy_text(random_, made.policy);
    if (wrong(7)) {
      if (!out.policies_json) mutate_cedar_text(random_, text);
      else text = broken_json(made.policy);
    }
    std::string id = out.one_file ? fmt::format("policy{}", i) : fmt::format("{}{}", made.is_template ? "t" : "p", i);
    out.policies.push_back({id, text, made.is_template});
  }
}

void CaseMaker::make_links(Case& out) {
  for (const PolicyInput& one : std::vector<PolicyInput>(out.policies)) {
    if (!one.is_template) continue;
    for (std::size_t n = random_.below(3); n > 0; --n) {
      LinkInput link{fmt::format("l{}", out.links.size()), one.id, {}};
      for (const char* slot : {"?principal", "?resource"}) {
        bool asked = one.text.find(slot) != std::string::npos;
        if (asked == wrong(3)) continue;
        std::size_t type = slot[1] == 'p' ? situation_.principal : situation_.resource;
        if (random_.chance(30)) type = random_.below(model_.entities.size());
        std::string name = wrong(4) ? "Nope" : model_.entities[type].full();
        link.values[slot] = {{"type", name}, {"id", some_id(random_, model_.entities[type])}};
      }
      if (wrong(3)) link.id = "p0";
      if (wrong(2)) link.template_id = "t9";
      out.links.push_back(std::move(link));
    }
  }
}

void CaseMaker::make_data(Case& out) {
  bool explicit_forms = random_.chance(60);
  Json entities = make_entities(random_, model_, explicit_forms);
  bool broken = wrong(30);
  if (broken) mutate_entities(random_, model_, entities);
  out.entities = entities.dump();
  if (broken && random_.chance(15)) mutate_json_text(random_, out.entities);
  for (std::size_t n = 3; n > 0; --n) {
    RequestParts request = make_request(random_, model_, random_.chance(70) ? situation_ : some_situation(random_, model_), explicit_forms);
    if (wrong(25)) mutate_request(random_, model_, request);
    if (wrong(3)) mutate_json_text(random_, request.context);
    out.requests.push_back({request.principal, request.action, request.resource, request.context});
  }
}

Case CaseMaker::make() {
  right_ = random_.chance(50);
  Case out;
  make_schema(out);
  make_policies(out);
  make_links(out);
  make_data(out);
  return out;
}

}  // namespace

std::string Case::joined() const {
  std::string out;
  for (const PolicyInput& one : policies) out += one.text + "\n";
  return out;
}

Case make_case(std::uint64_t seed) { return CaseMaker(seed).make(); }

std::string show(const Case& c) {
  std::string out = fmt::format("--- schema ({})\n{}\n", c.schema_json ? "JSON" : "Cedar", c.schema);
  for (const PolicyInput& one : c.policies) out += fmt::format("--- {} {}{}\n{}\n", one.is_template ? "template" : "policy", one.id, c.one_file ? " (one file)" : "", one.text);
  for (const LinkInput& link : c.links) out += fmt::format("--- link {} of {}: {}\n", link.id, link.template_id, Json(link.values).dump());
  out += fmt::format("--- entities\n{}\n", c.entities);
  for (const RequestInput& r : c.requests) {
    out += fmt::format("--- request {} {} {} {}\n", r.principal.dump(), r.action.dump(), r.resource.dump(), r.context);
  }
  return out;
}

}  // namespace kerf::test
