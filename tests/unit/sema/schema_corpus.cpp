// Verdicts and resolved forms of schemas against data made with the official engine.
#include <doctest/doctest.h>

#include "schema_support.h"

using namespace kerf;
using namespace kerf::test;
using nlohmann::json;

namespace {

std::string full_name(const std::string& space, const std::string& name) {
  return space.empty() ? name : space + "::" + name;
}

// The official resolved JSON keeps common types by name; here they are expanded, as in our schema.
class Official {
 public:
  explicit Official(const json& resolved) {
    for (const auto& [space, body] : resolved.items()) {
      if (!body.contains("commonTypes")) continue;
      for (const auto& [name, type] : body["commonTypes"].items()) common_[full_name(space, name)] = type;
    }
  }

  std::string text(const json& type) const {
    const std::string name = type.at("type");
    if (name == "Record") {
      std::string out = "{";
      if (type.contains("attributes")) {
        for (const auto& [attr, declared] : type["attributes"].items()) {
          out += attr + (declared.value("required", true) ? ":" : "?:") + text(declared) + ";";
        }
      }
      return out + "}";
    }
    if (name == "Set") return "Set<" + text(type.at("element")) + ">";
    if (name == "Entity") return "entity " + type.at("name").get<std::string>();
    if (name == "Extension") return type.at("name");
    if (auto found = common_.find(name); found != common_.end()) return text(found->second);
    return name.starts_with("__cedar::") ? name.substr(9) : name;
  }

 private:
  std::map<std::string, json> common_;
};

std::string ours(const Types& types, TypeId id) {
  const Type& type = types[id];
  if (type.kind == TypeKind::record) {
    std::string out = "{";
    for (const auto& [name, attr] : type.attrs) out += name + (attr.required ? ":" : "?:") + ours(types, attr.type) + ";";
    return out + "}";
  }
  if (type.kind == TypeKind::set) return "Set<" + ours(types, type.element) + ">";
  if (type.kind == TypeKind::entity) return "entity " + type.entity_types.at(0);
  return types.text(id);
}

std::set<std::string> names(const json& list) {
  std::set<std::string> out;
  for (const json& name : list) out.insert(name.get<std::string>());
  return out;
}

void compare_entity(const Schema& schema, const EntityType& type, const json& want, const Official& official) {
  INFO("entity type ", type.name);
  CHECK(type.parents == names(want.value("memberOfTypes", json::array())));
  const json empty = {{"type", "Record"}, {"attributes", json::object()}};
  CHECK(ours(schema.types, type.attrs) == official.text(want.value("shape", empty)));
  REQUIRE(type.tags.has_value() == want.contains("tags"));
  if (type.tags) CHECK(ours(schema.types, *type.tags) == official.text(want["tags"]));
  REQUIRE(type.enum_ids.has_value() == want.contains("enum"));
  if (type.enum_ids) CHECK(std::set(type.enum_ids->begin(), type.enum_ids->end()) == names(want["enum"]));
}

void compare_action(const Schema& schema, const Action& action, const json& want, const Official& official) {
  INFO("action ", to_text(action.uid));
  const json applies = want.contains("appliesTo") ? want["appliesTo"] : json::object();
  CHECK(std::set(action.principals.begin(), action.principals.end()) ==
        names(applies.value("principalTypes", json::array())));
  CHECK(std::set(action.resources.begin(), action.resources.end()) ==
        names(applies.value("resourceTypes", json::array())));
  const json empty = {{"type", "Record"}, {"attributes", json::object()}};
  CHECK(ours(schema.types, action.context) == official.text(applies.value("context", empty)));
  std::set<EntityUid> parents;
  for (const json& parent : want.value("memberOf", json::array())) parents.insert({parent["type"], parent["id"]});
  CHECK(action.parents == parents);
}

void compare(const Schema& schema, const json& resolved) {
  const Official official(resolved);
  std::size_t types = 0, actions = 0;
  for (const auto& [space, body] : resolved.items()) {
    for (const auto& [name, want] : body["entityTypes"].items()) {
      ++types;
      const EntityType* type = schema.find_type(full_name(space, name));
      REQUIRE(type != nullptr);
      compare_entity(schema, *type, want, official);
    }
    for (const auto& [id, want] : body["actions"].items()) {
      ++actions;
      const Action* action = schema.find_action({full_name(space, "Action"), id});
      REQUIRE(action != nullptr);
      compare_action(schema, *action, want, official);
    }
  }
  CHECK(schema.entity_types.size() == types);
  CHECK(schema.actions.size() == actions);
}

std::size_t warnings(const Diagnostics& diagnostics, std::initializer_list<Code> wanted) {
  return static_cast<std::size_t>(std::count_if(diagnostics.all().begin(), diagnostics.all().end(), [&](const auto& d) {
    return std::find(wanted.begin(), wanted.end(), d.code) != wanted.end();
  }));
}

void judge(const json& record) {
  const std::string text = record["text"];
  INFO(text);
  Loaded t(text);
  INFO(messages(t.diagnostics));
  CHECK(t.diagnostics.has_errors() == !record["ok"].get<bool>());
  if (!record["ok"].get<bool>() || t.diagnostics.has_errors()) return;
  if (record.contains("resolved") && record["resolved"].is_object()) compare(t.schema, record["resolved"]);
  if (record.contains("warnings")) {
    CHECK(warnings(t.diagnostics, {Code::K2004, Code::K2007}) == record["warnings"].size());
  }
}

}  // namespace

TEST_CASE("corpus: mined schemas") {
  auto records = corpus_json("derived/schemas.json");
  if (!records) return;
  CHECK(records->size() == 877);
  for (const json& record : *records) judge(record);
}

TEST_CASE("corpus: edge schemas") {
  auto records = corpus_json("derived/edge/schemas.json");
  if (!records) return;
  for (const json& record : *records) judge(record);
}

TEST_CASE("corpus: upstream's resolution samples") {
  const std::filesystem::path folder = std::filesystem::path(KERF_CORPUS_DIR) / "cedar/schemas";
  if (!std::filesystem::exists(folder)) {
    MESSAGE("SKIPPED: no corpus folder cedar/schemas");
    return;
  }
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".cedarschema")) continue;
    Loaded t(read_text(path));
    INFO(path, "\n", messages(t.diagnostics));
    CHECK(!t.diagnostics.has_errors());
    if (path.ends_with(".roundtrip.cedarschema")) continue;
    const std::string resolved = path.substr(0, path.size() - 12) + ".resolved.json";
    compare(t.schema, json::parse(read_text(resolved)));
    ++compared;
  }
  CHECK(compared >= 30);
}
