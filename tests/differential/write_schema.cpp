// A model as schema text and as schema JSON. Names are written short where they then mean the same.
#include <fmt/core.h>

#include <algorithm>

#include "ir/values/json.h"
#include "tests/differential/model.h"
#include "tests/differential/text.h"

namespace kerf::test {
namespace {

std::string join(const std::string& space, const std::string& base) { return space.empty() ? base : space + "::" + base; }

class SchemaWriter {
 public:
  SchemaWriter(Random& random, const Model& model) : random_(random), model_(model) {}
  std::string text();
  std::string json();

 private:
  // What a short name means in a space: common types before entity types, the space's own before those of none.
  std::string meaning(const std::string& base, const std::string& space) const {
    for (const std::string& s : {space, std::string()}) {
      for (const ModelCommon& c : model_.commons) {
        if (c.space == s && c.base == base) return "common " + c.full();
      }
      for (const ModelEntity& e : model_.entities) {
        if (e.space == s && e.base == base) return "entity " + e.full();
      }
    }
    return "builtin " + base;
  }
  std::string short_name(const std::string& kind, const std::string& full, const std::string& space) {
    std::size_t colon = full.rfind("::");
    std::string base = colon == std::string::npos ? full : full.substr(colon + 2);
    if (meaning(base, space) == kind + " " + full && random_.chance(70)) return base;
    return full;
  }
  std::string builtin(const std::string& base) {
    return (meaning(base, space_) == "builtin " + base && !random_.chance(3)) ? base : "__cedar::" + base;
  }
  std::string builtin_name(const Shape& shape, bool json);
  std::string type(const Shape& shape);
  std::string record(const Shape& shape);
  Json type_json(const Shape& shape);
  Json record_json(const Shape& shape);
  // Entity types where only those can stand: common types hide nothing.
  std::string entity_name(std::size_t index) {
    const ModelEntity& e = model_.entities[index];
    bool own = e.space == space_, nothing_own = true;
    for (const ModelEntity& other : model_.entities) nothing_own = nothing_own && !(other.space == space_ && other.base == e.base);
    return (own || (e.space.empty() && nothing_own)) && random_.chance(70) ? e.base : e.full();
  }
  std::string entity_list(const std::vector<std::size_t>& list);
  std::string annotations();
  Json annotations_json();
  std::string attribute(const std::string& name) {
    return is_identifier(name) && random_.chance(85) ? name : string_literal(random_, name);
  }
  std::string entity_text(const ModelEntity& entity);
  std::string action_text(const ModelAction& action);
  Json entity_json(const ModelEntity& entity);
  Json action_json(const ModelAction& action);

  Random& random_;
  const Model& model_;
  std::string space_;
};

std::string SchemaWriter::builtin_name(const Shape& shape, bool json) {
  switch (shape.kind) {
    case Shape::Kind::boolean: return json && random_.chance(50) ? "Boolean" : "Bool";
    case Shape::Kind::long_: return "Long";
    case Shape::Kind::string: return "String";
    default: return shape.name;
  }
}

std::string SchemaWriter::type(const Shape& shape) {
  if (shape.common) return short_name("common", model_.commons[*shape.common].full(), space_);
  switch (shape.kind) {
    case Shape::Kind::entity: return short_name("entity", shape.name, space_);
    case Shape::Kind::set: return "Set<" + type(*shape.element) + ">";
    case Shape::Kind::record: return record(shape);
    default: return builtin(builtin_name(shape, false));
  }
}

std::string SchemaWriter::record(const Shape& shape) {
  std::string out = "{";
  std::size_t left = shape.fields.size();
  for (const auto& [name, field] : shape.fields) {
    out += fmt::format("{}{}{}: {}", annotations(), attribute(name), field.required ? "" : "?", type(*field.type));
    if (--left > 0 || random_.chance(30)) out += ", ";
  }
  return out + "}";
}

std::string SchemaWriter::annotations() {
  std::string out;
  if (random_.chance(6)) out += random_.of({"@doc(\"text\") ", "@a ", "@if(\"\") ", "@doc(\"x\") @id(\"\\n\") "});
  return out;
}

std::string SchemaWriter::entity_list(const std::vector<std::size_t>& list) {
  if (list.size() == 1 && random_.chance(50)) return entity_name(list[0]);
  std::string out = "[";
  for (std::size_t i = 0; i < list.size(); ++i) out += (i == 0 ? "" : ", ") + entity_name(list[i]);
  return out + "]";
}

std::string SchemaWriter::entity_text(const ModelEntity& entity) {
  std::string out = annotations() + "entity " + entity.base;
  if (!entity.enum_ids.empty()) {
    out += " enum [";
    for (std::size_t i = 0; i < entity.enum_ids.size(); ++i) out += (i == 0 ? "" : ", ") + string_literal(random_, entity.enum_ids[i]);
    return out + "];\n";
  }
  if (!entity.parents.empty()) out += " in " + entity_list(entity.parents);
  if (!entity.attrs->fields.empty() || random_.chance(20)) out += (random_.chance(50) ? " " : " = ") + record(*entity.attrs);
  if (entity.tags) out += " tags " + type(*entity.tags);
  return out + ";\n";
}

std::string SchemaWriter::action_text(const ModelAction& action) {
  std::string out = annotations() + "action " + attribute(action.id);
  std::string groups;
  for (std::size_t g : action.groups) {
    const ModelAction& group = model_.actions[g];
    if (!groups.empty()) groups += ", ";
    if (group.space == space_ && random_.chance(60)) groups += attribute(group.id);
    else groups += join(group.space, "Action") + "::" + string_literal(random_, group.id);
  }
  if (!groups.empty()) out += action.groups.size() == 1 && random_.chance(50) ? " in " + groups : " in [" + groups + "]";
  if (action.applies) {
    out += " appliesTo { principal: " + entity_list(action.principals) + ", resource: " + entity_list(action.resources);
    if (action.context) out += ", context: " + type(*action.context);
    out += random_.chance(20) ? ", }" : " }";
  }
  return out + ";\n";
}

std::string SchemaWriter::text() {
  std::string out;
  for (const std::string& space : model_.spaces) {
    space_ = space;
    std::vector<std::string> declarations;
    for (const ModelCommon& c : model_.commons) {
      if (c.space == space) declarations.push_back(annotations() + "type " + c.base + " = " + type(*c.type) + ";\n");
    }
    for (const ModelEntity& e : model_.entities) {
      if (e.space == space) declarations.push_back(entity_text(e));
    }
    for (const ModelAction& a : model_.actions) {
      if (a.space == space) declarations.push_back(action_text(a));
    }
    for (std::size_t i = declarations.size(); i > 1; --i) std::swap(declarations[i - 1], declarations[random_.below(i)]);
    if (declarations.empty() && (space.empty() || random_.chance(70))) continue;
    if (!space.empty()) out += annotations() + "namespace " + space + " {\n";
    for (const std::string& d : declarations) out += d;
    if (!space.empty()) out += "}\n";
    if (random_.chance(5)) out += "// a comment\n";
  }
  return out;
}

// --- JSON

Json SchemaWriter::type_json(const Shape& shape) {
  if (shape.common) {
    std::string name = short_name("common", model_.commons[*shape.common].full(), space_);
    if (random_.chance(50)) return {{"type", name}};
    return {{"type", "EntityOrCommon"}, {"name", name}};
  }
  switch (shape.kind) {
    case Shape::Kind::entity: {
      if (random_.chance(50)) return {{"type", "EntityOrCommon"}, {"name", short_name("entity", shape.name, space_)}};
      for (std::size_t e = 0; e < model_.entities.size(); ++e) {
        if (model_.entities[e].full() == shape.name) return {{"type", "Entity"}, {"name", entity_name(e)}};
      }
      return {{"type", "Entity"}, {"name", shape.name}};
    }
    case Shape::Kind::set: return {{"type", "Set"}, {"element", type_json(*shape.element)}};
    case Shape::Kind::record: return record_json(shape);
    case Shape::Kind::extension:
      if (random_.chance(50)) return {{"type", "Extension"}, {"name", shape.name}};
      return {{"type", "EntityOrCommon"}, {"name", builtin(shape.name)}};
    default:
      if (random_.chance(75)) return {{"type", builtin_name(shape, true)}};
      return {{"type", "EntityOrCommon"}, {"name", builtin(builtin_name(shape, false))}};
  }
}

Json SchemaWriter::record_json(const Shape& shape) {
  Json attributes = Json::object();
  for (const auto& [name, field] : shape.fields) {
    Json one = type_json(*field.type);
    if (!field.required) one["required"] = false;
    else if (random_.chance(10)) one["required"] = true;
    if (random_.chance(4)) one["annotations"] = annotations_json();
    attributes[name] = std::move(one);
  }
  Json out = {{"type", "Record"}, {"attributes", std::move(attributes)}};
  if (random_.chance(4)) out["additionalAttributes"] = false;
  return out;
}

Json SchemaWriter::annotations_json() { return {{random_.of({"doc", "a", "if"}), random_.of({"", "x", "\n"})}}; }

Json SchemaWriter::entity_json(const ModelEntity& entity) {
  Json out = Json::object();
  if (random_.chance(6)) out["annotations"] = annotations_json();
  if (!entity.enum_ids.empty()) {
    out["enum"] = entity.enum_ids;
    return out;
  }
  if (!entity.parents.empty() || random_.chance(20)) {
    out["memberOfTypes"] = Json::array();
    for (std::size_t p : entity.parents) out["memberOfTypes"].push_back(entity_name(p));
  }
  if (!entity.attrs->fields.empty() || random_.chance(20)) out["shape"] = record_json(*entity.attrs);
  if (entity.tags) out["tags"] = type_json(*entity.tags);
  return out;
}

Json SchemaWriter::action_json(const ModelAction& action) {
  Json out = Json::object();
  if (random_.chance(6)) out["annotations"] = annotations_json();
  if (!action.groups.empty() || random_.chance(10)) {
    out["memberOf"] = Json::array();
    for (std::size_t g : action.groups) {
      const ModelAction& group = model_.actions[g];
      if (group.space == space_ && random_.chance(60)) out["memberOf"].push_back({{"id", group.id}});
      else out["memberOf"].push_back({{"id", group.id}, {"type", join(group.space, "Action")}});
    }
  }
  if (action.applies) {
    Json applies = {{"principalTypes", Json::array()}, {"resourceTypes", Json::array()}};
    for (std::size_t p : action.principals) applies["principalTypes"].push_back(entity_name(p));
    for (std::size_t r : action.resources) applies["resourceTypes"].push_back(entity_name(r));
    if (action.context) applies["context"] = type_json(*action.context);
    out["appliesTo"] = std::move(applies);
  } else if (random_.chance(20)) {
    out["appliesTo"] = nullptr;
  }
  return out;
}

std::string SchemaWriter::json() {
  Json out = Json::object();
  for (const std::string& space : model_.spaces) {
    space_ = space;
    Json one = {{"entityTypes", Json::object()}, {"actions", Json::object()}};
    Json commons = Json::object();
    for (const ModelCommon& c : model_.commons) {
      if (c.space == space) commons[c.base] = type_json(*c.type);
    }
    if (!commons.empty() || random_.chance(10)) one["commonTypes"] = std::move(commons);
    for (const ModelEntity& e : model_.entities) {
      if (e.space == space) one["entityTypes"][e.base] = entity_json(e);
    }
    for (const ModelAction& a : model_.actions) {
      if (a.space == space) one["actions"][a.id] = action_json(a);
    }
    if (!space.empty() && random_.chance(5)) one["annotations"] = annotations_json();
    out[space] = std::move(one);
  }
  return out.dump();
}

}  // namespace

std::string schema_text(Random& random, const Model& model) { return SchemaWriter(random, model).text(); }
std::string schema_json(Random& random, const Model& model) { return SchemaWriter(random, model).json(); }

}  // namespace kerf::test
