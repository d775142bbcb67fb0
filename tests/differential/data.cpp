// Values follow the shapes of the model; mutations follow nothing.
#include "tests/differential/data.h"

#include <algorithm>
#include <limits>

namespace kerf::test {
namespace {

class DataMaker {
 public:
  DataMaker(Random& random, const Model& model, bool explicit_forms) : random_(random), model_(model), explicit_(explicit_forms) {}

  Json value(const Shape& shape) {
    switch (shape.kind) {
      case Shape::Kind::boolean: return random_.chance(50);
      case Shape::Kind::long_: return number();
      case Shape::Kind::string: return some_text(random_);
      case Shape::Kind::entity: return reference(shape.name);
      case Shape::Kind::extension: return of_extension(shape.name);
      case Shape::Kind::record: return record(shape);
      case Shape::Kind::set: {
        Json out = Json::array();
        for (std::size_t n = random_.below(4); n > 0; --n) out.push_back(value(*shape.element));
        return out;
      }
    }
    return nullptr;
  }
  Json record(const Shape& shape) {
    Json out = Json::object();
    for (const auto& [name, field] : shape.fields) {
      if (field.required || random_.chance(60)) out[name] = value(*field.type);
    }
    return out;
  }
  Json uid(const std::string& type) {
    const ModelEntity* entity = model_.find(type);
    return {{"type", type}, {"id", entity ? some_id(random_, *entity) : "a"}};
  }

 private:
  Json number() {
    if (random_.chance(85)) return static_cast<std::int64_t>(random_.below(7)) - 2;
    static const std::vector<std::int64_t> kEdges = {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(),
                                                     std::numeric_limits<std::int64_t>::max() - 1, 9007199254740993, 4611686018427387904};
    return random_.of(kEdges);
  }
  Json reference(const std::string& type) {
    Json plain = uid(type);
    if (explicit_ || random_.chance(30)) return {{"__entity", std::move(plain)}};
    return plain;
  }
  Json of_extension(const std::string& type) {
    std::string text = some_extension_text(random_, type);
    if (!explicit_ && random_.chance(40)) return text;
    Json call = {{"fn", constructor_of(type)}, {"arg", text}};
    if (random_.chance(8)) call = {{"fn", constructor_of(type)}, {"args", Json::array({text})}};
    if (type == "datetime" && random_.chance(10)) {
      Json day = {{"__extn", {{"fn", "datetime"}, {"arg", text}}}}, shift = {{"__extn", {{"fn", "duration"}, {"arg", "1h"}}}};
      call = {{"fn", "offset"}, {"args", Json::array({day, shift})}};
    }
    if (explicit_ || random_.chance(60)) return {{"__extn", std::move(call)}};
    return call;
  }

  Random& random_;
  const Model& model_;
  bool explicit_;
};

// Every structured or plain value below, with the ones that hold it.
void collect(Json& at, std::vector<Json*>& out) {
  out.push_back(&at);
  if (!at.is_structured()) return;
  for (Json& child : at) collect(child, out);
}

// What no reader looks at is an empty array: in such a place the engine passes over numbers that kerf refuses (docs/cedar.md).
Json odd_value(Random& random) {
  static const std::vector<Json> kOdd = {
      nullptr, true, 1, "a", "1.0", "U::\"a\"", Json::array(), Json::object(), -1, Json::array({1, "a"}),
      {{"type", "U"}, {"id", "a"}}, {{"__entity", {{"type", "U"}, {"id", "a"}}}}, {{"__entity", {{"type", "U"}}}},
      {{"__entity", {{"type", "not a name"}, {"id", "a"}}}}, {{"__entity", {{"type", "A :: U"}, {"id", "a"}}}},
      {{"__extn", {{"fn", "ip"}, {"arg", "10.0.0.1"}}}}, {{"__extn", {{"fn", "decimal"}, {"arg", "x"}}}}, {{"__extn", {{"fn", "nope"}, {"arg", "x"}}}},
      {{"fn", "decimal"}, {"arg", "1.0"}}, {{"__expr", "1"}}, {{"__extn", "ip"}}, {{"__entity", "U"}}, {{"__extn", {{"fn", "ip"}}}},
      {{"__extn", {{"fn", "duration"}, {"args", Json::array({"1h"})}}}}, {{"__extn", {{"fn", "ip"}, {"arg", "1.1.1.1"}}}, {"x", Json::array()}},
      {{"__entity", {{"type", "U"}, {"id", "a"}}}, {"x", Json::array()}}, {{"__extn", {{"fn", "ip"}, {"args", Json::array({"1.1.1.1", "1.1.1.1"})}}}},
      {{"__extn", {{"fn", "isIpv4"}, {"arg", {{"__extn", {{"fn", "ip"}, {"arg", "1.1.1.1"}}}}}}}}, {{"type", "Action"}, {"id", "read"}},
      {{"fn", "ip"}, {"arg", "::1"}, {"y", Json::array()}}, {{"__extn", {{"fn", "datetime"}, {"arg", 1}}}}, {{"type", "U"}, {"id", "a"}, {"z", Json::array()}}};
  return random.of(kOdd);
}

}  // namespace

Json make_entities(Random& random, const Model& model, bool explicit_forms) {
  DataMaker maker(random, model, explicit_forms);
  std::vector<EntityUid> order;
  for (const ModelEntity& e : model.entities) {
    for (std::size_t n = random.between(1, 3); n > 0; --n) order.push_back({e.full(), some_id(random, e)});
  }
  std::sort(order.begin(), order.end());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  Json out = Json::array();
  for (std::size_t i = 0; i < order.size(); ++i) {
    const ModelEntity& type = *model.find(order[i].type);
    std::size_t index = static_cast<std::size_t>(&type - model.entities.data());
    Json one = {{"uid", {{"type", order[i].type}, {"id", order[i].id}}}, {"attrs", maker.record(*type.attrs)}, {"parents", Json::array()}};
    if (random.chance(10)) one["uid"] = Json{{"__entity", one["uid"]}};
    for (std::size_t j = 0; j < i; ++j) {   // only earlier ones: no cycles
      std::size_t other = static_cast<std::size_t>(model.find(order[j].type) - model.entities.data());
      bool direct = std::find(type.parents.begin(), type.parents.end(), other) != type.parents.end();
      if ((direct || (index != other && model.may_be_in(index, other))) && random.chance(50)) {
        one["parents"].push_back({{"type", order[j].type}, {"id", order[j].id}});
      }
    }
    if (type.tags && random.chance(70)) {
      one["tags"] = Json::object();
      for (std::size_t n = random.between(1, 2); n > 0; --n) one["tags"][some_text(random)] = maker.value(*type.tags);
    }
    if (random.chance(85)) out.push_back(std::move(one));
  }
  if (!random.chance(25)) return out;
  for (const ModelAction& action : model.actions) {   // as the schema has them
    Json one = {{"uid", {{"type", action.uid().type}, {"id", action.uid().id}}}, {"attrs", Json::object()}, {"parents", Json::array()}};
    for (std::size_t g : action.groups) one["parents"].push_back({{"type", model.actions[g].uid().type}, {"id", model.actions[g].uid().id}});
    out.push_back(std::move(one));
  }
  return out;
}

RequestParts make_request(Random& random, const Model& model, const Situation& situation, bool explicit_forms) {
  DataMaker maker(random, model, explicit_forms);
  const ModelAction& action = model.actions[situation.action];
  RequestParts out;
  out.principal = maker.uid(model.entities[situation.principal].full());
  out.resource = maker.uid(model.entities[situation.resource].full());
  out.action = {{"type", action.uid().type}, {"id", action.uid().id}};
  out.context = action.context ? maker.record(*action.context).dump() : "{}";
  return out;
}

void mutate_json(Random& random, Json& json, bool forms) {
  std::vector<Json*> all;
  collect(json, all);
  Json& at = *random.of(all);
  if (at.is_object() && !at.empty() && random.chance(50)) {
    auto member = at.begin();
    std::advance(member, random.below(at.size()));
    std::string key = member.key();
    if (random.chance(50)) {
      at.erase(key);
    } else {
      Json moved = *member;
      if (random.chance(60)) at.erase(key);
      at[random.of({"a", "b", "n", "nope", "type", "id", "attrs", "__entity", "__extn", "fn", "arg", "args", "", "op", "Value"})] = std::move(moved);
    }
    return;
  }
  if (at.is_array() && !at.empty() && random.chance(50)) {
    Json one = at[random.below(at.size())];
    if (random.chance(50)) at.push_back(std::move(one));
    else at.erase(random.below(at.size()));
    return;
  }
  if (random.chance(25)) {
    Json other = *random.of(all);
    if (other.size() < 20 && !(forms && at.is_object() && other.is_array())) at = std::move(other);
    return;
  }
  Json odd = odd_value(random);
  if (!(forms && at.is_object() && odd.is_array())) at = std::move(odd);
}

void mutate_entities(Random& random, const Model& model, Json& entities) {
  if (entities.empty() || random.chance(40)) return mutate_json(random, entities);
  Json& one = entities[random.below(entities.size())];
  if (!one.is_object()) return;
  switch (random.below(6)) {
    case 0: {
      Json twice = one;
      if (random.chance(50)) twice["attrs"]["n"] = 1;
      entities.push_back(std::move(twice));
      break;
    }
    case 1: one["parents"].push_back(one["uid"]); break;
    case 2: one["parents"].push_back(entities[random.below(entities.size())]["uid"]); break;
    case 3: one["uid"] = Json{{"type", random.chance(50) ? "Nope" : random.of(model.entities).full()}, {"id", some_text(random)}}; break;
    case 4: one["tags"] = Json{{some_text(random), odd_value(random)}}; break;
    default: {
      Json& attrs = one["attrs"];
      if (attrs.is_object() && !attrs.empty() && random.chance(70)) mutate_json(random, attrs);
      else if (attrs.is_object()) attrs[random.of({"a", "b", "n", "nope"})] = odd_value(random);
    }
  }
}

void mutate_request(Random& random, const Model& model, RequestParts& request) {
  if (random.chance(50)) {
    Json context = Json::parse(request.context);
    if (random.chance(30)) context[random.of({"a", "b", "n", "nope"})] = odd_value(random);
    else mutate_json(random, context);
    request.context = context.dump();
    return;
  }
  Json& uid = random.chance(35) ? request.principal : random.chance(50) ? request.action : request.resource;
  if (random.chance(50)) uid["id"] = some_text(random);
  else uid["type"] = random.chance(40) ? random.of({"Nope", "Action", "A::Action", "A::U", "N::V"}) : random.of(model.entities).full();
}

void mutate_json_text(Random& random, std::string& text) {
  auto replace = [&](const std::string& what, const std::string& by) {
    std::vector<std::size_t> places;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) places.push_back(at);
    if (!places.empty()) text.replace(random.of(places), what.size(), by);
  };
  switch (random.below(9)) {
    case 0: replace("{", "{\"a\":1,\"a\":1,"); break;
    case 1: replace(":1", ":1.0"); break;
    case 2: replace(":2", ":9223372036854775808"); break;
    case 3: replace("}", ",}"); break;
    case 4: replace("\"a\"", random.of({"\"\\u0061\"", "\"\\ud83d\"", "'a'", "\"a", "\"\\x61\""})); break;
    case 5: replace(":1", random.of({":1e2", ":01", ":+1", ":-0", ":1E0", ":NaN", ": 1 "})); break;
    case 6: replace("true", random.of({"True", "null", "1"})); break;
    case 7: text += random.of({" ", "x", "[]", "\r"}); break;
    default:
      text.resize(random.below(text.size() + 1));
      while (!text.empty() && static_cast<unsigned char>(text.back()) >= 0x80) text.pop_back();
  }
}

void mutate_cedar_text(Random& random, std::string& text) {
  std::vector<std::pair<std::size_t, std::size_t>> tokens;   // rough ones: words, numbers, single signs
  auto word = [](char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    while (word(text[at]) && end < text.size() && word(text[end])) ++end;
    if (static_cast<unsigned char>(text[at]) > ' ' && static_cast<unsigned char>(text[at]) < 0x80) tokens.emplace_back(at, end);
    at = end;
  }
  if (tokens.empty()) return;
  auto [begin, end] = random.of(tokens);
  auto [other_begin, other_end] = random.of(tokens);
  std::string token = text.substr(begin, end - begin), other = text.substr(other_begin, other_end - other_begin);
  switch (random.below(5)) {
    case 0: text.erase(begin, end - begin); break;
    case 1: text.insert(begin, token + (random.chance(50) ? " " : "")); break;
    case 2: text.replace(begin, end - begin, other); break;
    case 3: text.insert(begin, other); break;
    default:
      text.insert(begin, random.of({"=", "==", "%", "/", "!", "-", "(", ")", "[", "]", "{", "}", ",", ";", "::", ":", ".", "?", "?principal", "?x", "@",
                                    "\"", "\\", "'", "if ", "in ", "is ", "has ", "like ", "principal", "__cedar", "1", "99999999999999999999",
                                    "9223372036854775808", "&&", "||", "&", "|", "<", ">", "\\0", "*", "+", "#", "$", "//", "/*", "\v",
                                    "\ufeff", "\u200b", "é", "\f", "permit", "when", "unless", "type ", "entity ", "in [", "Set<", "true", "else "}));
  }
}

}  // namespace kerf::test
