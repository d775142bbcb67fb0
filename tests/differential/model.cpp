// Random schemas: few names, so that namespaces, common types, entity types and builtins hide each other now and then.
#include "tests/differential/model.h"

#include <algorithm>
#include <set>

namespace kerf::test {

namespace {

ShapePtr make(Shape shape) { return std::make_shared<const Shape>(std::move(shape)); }

std::string attribute_name(Random& random) {
  if (random.chance(88)) return random.of({"a", "b", "c", "n", "s", "owner", "flag", "tags"});
  return random.of({"a b", "", "if", "like", "principal", "x.y", "é", "\n\"q\"", "type", "__x", "has", "Set", "\\"});
}

ShapePtr some_shape(Random& random, const Model& model, int depth);

ShapePtr some_record(Random& random, const Model& model, int depth, std::size_t most) {
  std::map<std::string, Field> fields;
  for (std::size_t n = random.below(most + 1); n > 0; --n) {
    fields[attribute_name(random)] = {some_shape(random, model, depth), random.chance(60)};
  }
  return record_of(std::move(fields));
}

ShapePtr some_shape(Random& random, const Model& model, int depth) {
  if (!model.commons.empty() && random.chance(20)) {
    std::size_t common = random.below(model.commons.size());
    Shape shape = *model.commons[common].type;
    shape.common = common;
    return make(std::move(shape));
  }
  switch (random.below(depth > 0 ? 10 : 7)) {
    case 0: return primitive(Shape::Kind::boolean);
    case 1: case 2: return primitive(Shape::Kind::long_);
    case 3: return primitive(Shape::Kind::string);
    case 4: return extension(random.of({"decimal", "ipaddr", "datetime", "duration"}));
    case 5: case 6: return model.entities.empty() ? primitive(Shape::Kind::string) : entity_shape(random.of(model.entities).full());
    case 7: case 8: return set_of(some_shape(random, model, depth - 1));
    default: return some_record(random, model, depth - 1, 3);
  }
}

std::string entity_name(Random& random) {
  if (random.chance(92)) return random.of({"U", "V", "W", "G", "R", "User", "Doc", "T"});
  return random.of({"Set", "decimal", "Long", "type", "entity", "action", "principal", "Bool", "in1", "_", "Record", "ipaddr"});
}

std::string common_name(Random& random) {
  if (random.chance(88)) return random.of({"C0", "C1", "C2", "Rec", "Num", "Name"});
  return random.of({"U", "V", "decimal", "ipaddr", "duration", "T", "appliesTo"});
}

void make_spaces(Random& random, Model& model) {
  model.spaces = {""};
  for (const char* name : {"A", "A::B", "N"}) {
    if (random.chance(35)) model.spaces.emplace_back(name);
  }
}

// A name that is not taken in its space, and mostly not outside of all spaces either: that would be shadowing.
template <class Taken>
std::pair<std::string, std::string> new_name(Random& random, const Model& model, Taken& taken, std::string (*name)(Random&)) {
  for (;;) {
    const std::string& space = random.of(model.spaces);
    std::string base = name(random), full = space.empty() ? base : space + "::" + base;
    if (taken.contains(full)) continue;
    bool shadows = false;
    for (const std::string& other : taken) {
      if (other == base && !space.empty()) shadows = true;
      if (space.empty() && other.ends_with("::" + base)) shadows = true;
    }
    if (shadows && !random.chance(2)) continue;
    taken.insert(full);
    return {space, base};
  }
}

void make_entities(Random& random, Model& model) {
  std::set<std::string> taken;
  std::size_t count = random.between(2, 5);
  for (std::size_t i = 0; i < count; ++i) {
    auto [space, base] = new_name(random, model, taken, entity_name);
    model.entities.push_back({space, base, {}, record_of({}), nullptr, {}});
  }
  // Common types hide entity types of their name; such an entity type can hardly be named any more.
  std::set<std::string> commons;
  if (!random.chance(10)) commons = taken;
  for (std::size_t n = random.below(4); n > 0; --n) {
    auto [space, base] = new_name(random, model, commons, common_name);
    ShapePtr type = random.chance(40) ? some_record(random, model, 1, 3) : some_shape(random, model, 2);
    model.commons.push_back({space, base, type});
  }
  for (std::size_t i = 0; i < count; ++i) {
    ModelEntity& entity = model.entities[i];
    if (random.chance(15)) {
      for (std::size_t n = random.between(1, 3); n > 0; --n) entity.enum_ids.push_back(some_id(random, entity));
      continue;
    }
    entity.attrs = some_record(random, model, 2, 5);
    if (random.chance(30)) entity.tags = some_shape(random, model, 1);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!model.entities[i].enum_ids.empty()) continue;
    for (std::size_t p = 0; p < count; ++p) {
      if (model.entities[p].enum_ids.empty() && random.chance(25)) model.entities[i].parents.push_back(p);
      else if (!model.entities[p].enum_ids.empty() && random.chance(4)) model.entities[i].parents.push_back(p);
    }
  }
}

void make_actions(Random& random, Model& model) {
  std::set<std::pair<std::string, std::string>> taken;
  for (std::size_t n = random.between(1, 5); n > 0; --n) {
    std::string space = random.of(model.spaces);
    std::string id = random.chance(85) ? random.of({"read", "write", "go", "all"}) : random.of({"x y", "if", "é", "\"", ""});
    if (!taken.emplace(space, id).second) continue;
    bool shadows = false;
    for (const auto& [s, i] : taken) shadows = shadows || (i == id && s != space && (s.empty() || space.empty()));
    if (shadows && !random.chance(2)) continue;
    ModelAction action{space, id, {}, random.chance(80), {}, {}, nullptr};
    for (std::size_t g = 0; g < model.actions.size(); ++g) {
      if (random.chance(35)) action.groups.push_back(g);
    }
    for (std::size_t e = 0; e < model.entities.size(); ++e) {
      if (random.chance(30)) action.principals.push_back(e);
      if (random.chance(30)) action.resources.push_back(e);
    }
    if (action.principals.empty()) action.principals.push_back(random.below(model.entities.size()));
    if (action.resources.empty()) action.resources.push_back(random.below(model.entities.size()));
    if (random.chance(70)) action.context = some_record(random, model, 2, 4);
    model.actions.push_back(std::move(action));
  }
  model.actions[0].applies = true;
}

}  // namespace

ShapePtr primitive(Shape::Kind kind) {
  const char* key = kind == Shape::Kind::boolean ? "b" : kind == Shape::Kind::long_ ? "l" : "s";
  return make({kind, "", nullptr, {}, key, std::nullopt});
}
ShapePtr extension(const std::string& name) { return make({Shape::Kind::extension, name, nullptr, {}, "x" + name, std::nullopt}); }
ShapePtr entity_shape(const std::string& type) { return make({Shape::Kind::entity, type, nullptr, {}, "e" + type, std::nullopt}); }
ShapePtr set_of(ShapePtr element) {
  std::string key = "S(" + element->key + ")";
  return make({Shape::Kind::set, "", std::move(element), {}, key, std::nullopt});
}
ShapePtr record_of(std::map<std::string, Field> fields) {
  std::string key = "{";
  for (const auto& [name, field] : fields) key += quote(name) + (field.required ? ":" : "?") + field.type->key + ",";
  return make({Shape::Kind::record, "", nullptr, std::move(fields), key + "}", std::nullopt});
}

const ModelEntity* Model::find(const std::string& full) const {
  for (const ModelEntity& entity : entities) {
    if (entity.full() == full) return &entity;
  }
  return nullptr;
}

bool Model::may_be_in(std::size_t entity, std::size_t ancestor) const {
  std::vector<std::size_t> todo = {entity};
  std::set<std::size_t> seen;
  while (!todo.empty()) {
    std::size_t at = todo.back();
    todo.pop_back();
    if (at == ancestor) return true;
    if (!seen.insert(at).second) continue;
    todo.insert(todo.end(), entities[at].parents.begin(), entities[at].parents.end());
  }
  return false;
}

std::string some_id(Random& random, const ModelEntity& type) {
  if (!type.enum_ids.empty() && random.chance(97)) return random.of(type.enum_ids);
  if (random.chance(92)) return random.of({"a", "b", "c"});
  return random.of({"", "x y", "\"", "é", "\n", "a::b", "*", "\\"});
}

std::string some_text(Random& random) {
  if (random.chance(80)) return random.of({"a", "b", "ab", "aab", "x", "", "abc"});
  return random.of({"*", "a*b", "\\", "é", "\"", "\n", "日本", "1", "'", "\t", "e\u0301", "10.0.0.1", "\U0001F600", "a\u2028b"});
}

std::string some_extension_text(Random& random, const std::string& type) {
  if (type == "decimal") {
    if (random.chance(15)) return random.of({"922337203685477.5807", "-922337203685477.5808", "0001.10", "-0.0"});
    return random.of({"0.0", "1.0", "1.5", "-1.25", "1.50", "0.0001", "12.3456"});
  }
  if (type == "ipaddr") {
    return random.of({"10.0.0.1", "10.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "10.1.2.3/8", "::1", "fe80::1/10", "224.0.0.1", "ff00::/8",
                      "::ffff:102:304", "10.0.0.1/32", "127.0.0.0/7", "::/0", "224.0.0.0/3"});
  }
  if (type == "datetime") {
    if (random.chance(10)) return random.of({"0000-01-01", "9999-12-31T23:59:59.999-2359", "0000-01-01T00:00:00+2359"});
    return random.of({"1970-01-01", "2024-02-29", "2024-10-15T11:35:00Z", "1969-12-31T23:59:59.999Z", "2024-10-15T11:35:00.000+0100"});
  }
  if (random.chance(15)) return random.of({"9223372036854775807ms", "-9223372036854775808ms", "106751991167d"});
  return random.of({"0ms", "1h", "-1h", "1d2h3m4s5ms", "60m", "-1d", "90s"});
}

std::string constructor_of(const std::string& type) { return type == "ipaddr" ? "ip" : type; }

Model make_model(Random& random) {
  Model model;
  make_spaces(random, model);
  make_entities(random, model);
  make_actions(random, model);
  return model;
}

}  // namespace kerf::test
