// Scopes, conditions and annotations around expressions; mutations of their JSON.
#include "tests/differential/policies.h"

#include "tests/differential/expressions.h"
#include "tests/differential/text.h"

namespace kerf::test {
namespace {

Json entity_json(const std::string& type, const std::string& id) { return {{"type", type}, {"id", id}}; }
Json literal(const EntityUid& uid) { return value({{"__entity", entity_json(uid.type, uid.id)}}); }

class PolicyMaker {
 public:
  PolicyMaker(Random& random, const Model& model, const Situation& situation, bool templates)
      : random_(random), model_(model), situation_(situation), templates_(templates) {}
  PolicyParts make();

 private:
  Json scope(std::size_t type, const char* slot, bool& known);
  Json action_scope(bool& known);
  Json target(std::size_t type, const char* slot, bool ancestor);
  Json conditions(const ExpressionMaker::Known& known, bool principal_free, bool resource_free);
  Json annotations();

  Random& random_;
  const Model& model_;
  Situation situation_;
  bool templates_, slots_ = false;
};

Json PolicyMaker::target(std::size_t type, const char* slot, bool ancestor) {
  if (templates_ && random_.chance(70)) {
    slots_ = true;
    return {{"slot", slot}};
  }
  if (ancestor) {
    std::vector<std::size_t> above;
    for (std::size_t e = 0; e < model_.entities.size(); ++e) {
      if (model_.may_be_in(type, e)) above.push_back(e);
    }
    type = random_.of(above);
  }
  const ModelEntity& entity = model_.entities[type];
  Json uid = entity_json(entity.full(), some_id(random_, entity));
  return {{"entity", std::move(uid)}};
}

Json PolicyMaker::scope(std::size_t type, const char* slot, bool& known) {
  auto with = [&](const char* op, Json rest) {
    rest["op"] = op;
    return rest;
  };
  known = true;
  switch (random_.below(6)) {
    case 0: case 1: return with("is", {{"entity_type", model_.entities[type].full()}});
    case 2: return with("is", {{"entity_type", model_.entities[type].full()}, {"in", target(type, slot, true)}});
    case 3: {
      Json there = target(type, slot, false);
      known = there.contains("entity");
      return with("==", there);
    }
    case 4: known = false; return with("in", target(type, slot, true));
    default: known = false; return {{"op", "All"}};
  }
}

Json PolicyMaker::action_scope(bool& known) {
  EntityUid uid = model_.actions[situation_.action].uid();
  known = true;
  switch (random_.below(6)) {
    case 0: case 1: case 2: return {{"op", "=="}, {"entity", entity_json(uid.type, uid.id)}};
    case 3: {
      Json list = Json::array({entity_json(uid.type, uid.id)});
      for (std::size_t n = random_.below(3); n > 0; --n) {
        EntityUid other = random_.of(model_.actions).uid();
        list.push_back(entity_json(other.type, other.id));
        known = false;
      }
      return {{"op", "in"}, {"entities", std::move(list)}};
    }
    case 4: {
      known = false;
      EntityUid group = random_.of(model_.actions).uid();
      return {{"op", "in"}, {"entity", entity_json(group.type, group.id)}};
    }
    default: known = false; return {{"op", "All"}};
  }
}

Json PolicyMaker::annotations() {
  Json out = Json::object();
  for (std::size_t n = random_.between(1, 2); n > 0; --n) {
    Json text = random_.chance(85) ? Json(some_text(random_)) : Json(nullptr);
    out[random_.of({"id", "doc", "advice", "if", "permit", "x1"})] = std::move(text);
  }
  return out;
}

// A variable whose type the scope leaves open may be narrowed by the conditions, and then its attributes are known.
Json PolicyMaker::conditions(const ExpressionMaker::Known& scope_known, bool principal_free, bool resource_free) {
  ExpressionMaker::Known known = scope_known;
  Json guard;
  auto narrow = [&](const char* var, std::size_t type, bool& is_known) {
    if (is_known || !random_.chance(50)) return;
    Json test = {{"is", {{"left", {{"Var", var}}}, {"entity_type", model_.entities[type].full()}}}};
    guard = guard.is_null() ? std::move(test) : call("&&", std::move(guard), std::move(test));
    is_known = true;
  };
  if (principal_free) narrow("principal", situation_.principal, known.principal);
  if (resource_free) narrow("resource", situation_.resource, known.resource);
  if (!known.context && random_.chance(50)) {
    Json test = call("==", {{"Var", "action"}}, literal(model_.actions[situation_.action].uid()));
    guard = guard.is_null() ? std::move(test) : call("&&", std::move(guard), std::move(test));
    known.context = true;
  }
  ExpressionMaker maker(random_, model_, situation_, known);
  Json out = Json::array();
  for (std::size_t n = random_.chance(15) ? 0 : random_.between(1, 2); n > 0; --n) {
    bool unless = random_.chance(25);
    Json body = maker.boolean(static_cast<int>(random_.between(1, 3)));
    if (!guard.is_null()) body = call("&&", guard, std::move(body));
    out.push_back({{"kind", unless ? "unless" : "when"}, {"body", std::move(body)}});
  }
  return out;
}

PolicyParts PolicyMaker::make() {
  bool principal = false, action = false, resource = false;
  Json policy = {{"effect", random_.chance(70) ? "permit" : "forbid"}};
  policy["principal"] = scope(situation_.principal, "?principal", principal);
  policy["action"] = action_scope(action);
  policy["resource"] = scope(situation_.resource, "?resource", resource);
  policy["conditions"] = conditions({principal, resource, action}, !principal, !resource);
  if (random_.chance(15)) policy["annotations"] = annotations();
  return {std::move(policy), slots_};
}

// --- mutations

void collect(Json& at, std::vector<Json*>& out) {
  static const std::vector<std::string> kOps = {"Value", "Var", "!", "neg", "==", "!=", "in", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*",
                                                "contains", "containsAll", "containsAny", "isEmpty", "getTag", "hasTag", ".", "has", "like",
                                                "is", "if-then-else", "Set", "Record"};
  if (at.is_object() && at.size() == 1) {
    const std::string& op = at.begin().key();
    for (const std::string& known : kOps) {
      if (op == known) out.push_back(&at);
    }
    if (op == "Value") return;
  }
  if (!at.is_structured()) return;
  for (Json& child : at) collect(child, out);
}

std::vector<Json*> expressions(Json& policy) {
  std::vector<Json*> out;
  for (Json& c : policy["conditions"]) collect(c["body"], out);
  return out;
}

Json wrong_call(Random& random, Json inner, ExpressionMaker& maker) {
  switch (random.below(5)) {
    case 0: return Json{{random.of({"ip", "decimal", "datetime", "duration"}), Json::array({std::move(inner)})}};
    case 1: return Json{{random.of({"ip", "decimal", "isIpv4", "toDate"}), Json::array({inner, inner})}};
    case 2: return Json{{random.of({"lessThan", "isInRange", "offset"}), Json::array({std::move(inner)})}};
    case 3: return Json{{"Set", random.chance(50) ? Json::array() : Json::array({std::move(inner), maker.any(1)})}};
    default: return call(random.of({"+", "<", "in", "contains", "getTag", "hasTag", "==", "&&", "containsAll"}), std::move(inner), maker.any(1));
  }
}

void mutate_scope(Random& random, const Model& model, Json& policy) {
  Json& scope = policy[random.of({"principal", "action", "resource"})];
  auto rename = [&](Json& uid) {
    if (random.chance(50)) uid["id"] = some_text(random);
    else uid["type"] = random.chance(50) ? random.of({"Nope", "A::U", "A::Action", "Action", "U", "N::V"}) : random.of(model.entities).full();
  };
  if (scope.contains("entity")) rename(scope["entity"]);
  else if (scope.contains("entities") && !scope["entities"].empty()) rename(scope["entities"][random.below(scope["entities"].size())]);
  else if (scope.contains("entity_type")) scope["entity_type"] = random.chance(50) ? "Nope" : random.of(model.entities).full();
}

void vary(Random& random, Json& at);

Json constant_of(const Json& expr) {   // as one JSON value, or null
  if (expr.contains("Value")) return expr["Value"];
  if (expr.contains("Set")) {
    Json out = Json::array();
    for (const Json& one : expr["Set"]) out.push_back(constant_of(one));
    for (const Json& one : out) if (one.is_null()) return nullptr;
    return out;
  }
  if (expr.contains("Record")) {
    Json out = Json::object();
    for (const auto& [name, one] : expr["Record"].items()) {
      out[name] = constant_of(one);
      if (out[name].is_null()) return nullptr;
    }
    return out;
  }
  for (const char* fn : {"ip", "decimal", "datetime", "duration"}) {
    if (expr.contains(fn) && expr[fn].size() == 1 && expr[fn][0].contains("Value")) return {{"__extn", {{"fn", fn}, {"arg", expr[fn][0]["Value"]}}}};
  }
  return nullptr;
}

void vary(Random& random, Json& at) {
  if (!at.is_structured()) return;
  if (at.is_object() && at.size() == 1 && !at.contains("Value") && random.chance(40)) {
    if (Json constant = constant_of(at); !constant.is_null()) {
      at = value(std::move(constant));
      return;
    }
  }
  // Of words only: the engine prints paths of others as text that nobody can read.
  if (at.is_object() && at.size() == 1 && at.contains("has") && at["has"]["attr"].is_string() && is_identifier(at["has"]["attr"]) && random.chance(30)) {
    at["has"]["attr"] = Json::array({at["has"]["attr"]});
    if (random.chance(40)) at["has"]["attr"].push_back(random.of({"a", "b", "n"}));
  }
  if (at.is_object() && at.contains("Value")) return;
  for (Json& child : at) vary(random, child);
}

}  // namespace

Situation some_situation(Random& random, const Model& model) {
  std::vector<std::size_t> applying;
  for (std::size_t a = 0; a < model.actions.size(); ++a) {
    if (model.actions[a].applies) applying.push_back(a);
  }
  std::size_t action = random.of(applying);
  return {action, random.of(model.actions[action].principals), random.of(model.actions[action].resources)};
}

PolicyParts make_policy(Random& random, const Model& model, const Situation& situation, bool templates) {
  return PolicyMaker(random, model, situation, templates).make();
}

void mutate_policy(Random& random, const Model& model, Json& policy) {
  if (random.chance(20)) return mutate_scope(random, model, policy);
  std::vector<Json*> all = expressions(policy);
  if (all.empty()) return mutate_scope(random, model, policy);
  ExpressionMaker maker(random, model, some_situation(random, model), {true, true, true});
  Json& at = *random.of(all);
  switch (random.below(8)) {
    case 0: case 1: at = maker.any(1); break;
    case 2: {
      Json other = *random.of(all);
      at = std::move(other);
      break;
    }
    case 3: case 4: {
      Json inner = at;
      at = wrong_call(random, std::move(inner), maker);
      break;
    }
    case 5: {   // a test goes away
      for (Json* e : all) {
        if (!e->contains("&&") || !random.chance(50)) continue;
        Json right = (*e)["&&"]["right"];
        *e = std::move(right);
        return;
      }
      break;
    }
    case 6: {
      Json inner = at;
      at = {{random.of({".", "has"}), {{"left", std::move(inner)}, {"attr", random.of({"a", "b", "n", "owner", "nope", "a b"})}}}};
      break;
    }
    default: at = unary(random.of({"!", "neg", "isEmpty"}), Json(at));
  }
}

void vary_json(Random& random, Json& policy) {
  for (Json& c : policy["conditions"]) vary(random, c["body"]);
}

}  // namespace kerf::test
