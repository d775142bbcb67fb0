// Entities, contexts and values as JSON, with the world's schema and without one.
#include "frontend/sema/data.h"
#include "ir/expr_json.h"
#include "ir/values/json.h"
#include "tests/fuzz/target.h"

namespace kerf::fuzz {
namespace {

void check_entities(const Entities& entities) {
  std::string text = entities_to_json(entities.all()).dump();
  Result<Json> json = parse_json(text);
  require(json.ok(), "written entities are no JSON", text);
  Result<std::vector<Entity>> list = entities_from_json(*json);
  require(list.ok(), "written entities do not read", text, list.ok() ? "" : list.error().message);
  Result<Entities> built = Entities::build(*list);
  require(built.ok(), "written entities do not build", text, built.ok() ? "" : built.error().message);
  require_equal("entities, read and written", text, entities_to_json(built->all()).dump());
}

// One walk answers as the list of ancestors does.
void check_hierarchy(const Entities& entities) {
  if (entities.all().size() > 64) return;
  for (const Entity& lower : entities.all()) {
    std::vector<EntityUid> above = entities.ancestors(lower.uid);
    for (const EntityUid& upper : above) require(entities.is_in(lower.uid, upper), "an ancestor is not above", to_text(upper));
    for (const Entity& upper : entities.all()) {
      bool listed = upper.uid == lower.uid || std::find(above.begin(), above.end(), upper.uid) != above.end();
      require(entities.is_in(lower.uid, upper.uid) == listed, "`in` differs from the list of ancestors", to_text(lower.uid), to_text(upper.uid));
    }
  }
}

void typed_entities(std::string_view input) {
  Read read;
  Entities entities = read_entities(read.sources, read.add(input), world().module.schema, read.diagnostics);
  if (!read.render_all()) return;
  check_entities(entities);
  check_hierarchy(entities);
  std::string text = entities_to_json(entities.all()).dump();
  Read again;
  Entities reread = read_entities(again.sources, again.add(text), world().module.schema, again.diagnostics);
  require(again.good(), "written entities do not conform to their schema", text, again.first());
  require_equal("entities by schema, read and written", text, entities_to_json(reread.all()).dump());
}

}  // namespace

void entities_json(std::string_view input) {
  typed_entities(input);
  Read read;
  std::optional<Entities> entities = read_untyped_entities(read.sources, read.add(input), read.diagnostics);
  require(entities.has_value() == read.render_all(), "entities and errors");
  if (!entities) return;
  check_entities(*entities);
  check_hierarchy(*entities);
}

// The first byte picks the request that the rest is the context of.
void request_json(std::string_view input) {
  if (input.empty()) return;
  const Request& of = world().requests[static_cast<unsigned char>(input[0]) % world().requests.size()];
  for (bool typed : {true, false}) {
    Read read;
    SourceId source = read.add(input.substr(1));
    RequestText text{to_text(of.principal), to_text(of.action), to_text(of.resource), source};
    std::optional<Request> request = typed ? read_request(read.sources, text, world().module.schema, true, read.diagnostics)
                                           : read_untyped_request(read.sources, text, read.diagnostics);
    require(request.has_value() == read.render_all(), "a request and errors");
    if (!request) continue;
    Json context = value_to_json(Value(request->context));
    Result<Value> again = value_from_json(context);
    require(again.ok() && *again == Value(request->context), "a context, written and read", context.dump());
    Result<Value> literal = literal_from_json(literal_to_json(Value(request->context)));
    require(!literal.ok() || *literal == Value(request->context), "a literal, written and read", context.dump());
  }
  // An entity literal of a command line.
  if (std::optional<EntityUid> uid = parse_uid(input.substr(1))) {
    std::optional<EntityUid> again = parse_uid(to_text(*uid));
    require(again == uid, "an entity literal, written and read", to_text(*uid));
  }
}

}  // namespace kerf::fuzz
