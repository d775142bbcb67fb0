// What the targets share. A broken promise of kerf itself aborts here, so that the fuzzer keeps the input; elsewhere it
// exits (ir/base/check.cpp, which this definition replaces at link time).
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "frontend/parse/parse.h"
#include "frontend/sema/data.h"
#include "frontend/sema/schema.h"
#include "ir/base/check.h"
#include "tests/fuzz/target.h"

namespace kerf {

void internal_error(std::string_view what, std::source_location where) {
  fmt::print(stderr, "internal error: {} ({}:{})\n", what, where.file_name(), where.line());
  std::abort();
}

}  // namespace kerf

namespace kerf::fuzz {

void require(bool holds, std::string_view what, std::string_view one, std::string_view other) {
  if (holds) return;
  fmt::print(stderr, "fuzz: {}\n--- one\n{}\n--- other\n{}\n", what, one, other);
  std::abort();
}

void require_equal(std::string_view what, std::string_view one, std::string_view other) { require(one == other, what, one, other); }

bool Read::render_all() {
  diagnostics.sort();
  for (ErrorFormat format : {ErrorFormat::human, ErrorFormat::plain, ErrorFormat::json}) {
    std::string text = render(sources, diagnostics, format, format == ErrorFormat::human);
    require(good() || !text.empty(), "errors without a text");
  }
  return good();
}

bool Read::only(std::initializer_list<Code> codes) const {
  auto known = [&](const Diagnostic& d) { return d.severity != Severity::error || std::find(codes.begin(), codes.end(), d.code) != codes.end(); };
  return !good() && std::all_of(diagnostics.all().begin(), diagnostics.all().end(), known);
}

std::string read_world_file(const std::string& name) {
  std::ifstream in(std::string(KERF_SOURCE_DIR) + "/tests/fuzz/world/" + name, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  require(in.good() && !text.str().empty(), "a file of the world is missing", name);
  return text.str();
}

namespace {

Value plain_value(const Types& types, TypeId id) {
  const Type& type = types[id];
  switch (type.kind) {
    case TypeKind::never: case TypeKind::true_: case TypeKind::false_: case TypeKind::boolean: return Value(true);
    case TypeKind::long_: return Value(std::int64_t{1});
    case TypeKind::string: return Value(std::string("a"));
    case TypeKind::entity: return Value(EntityUid{type.entity_types.front(), "a"});
    case TypeKind::set: return Value::set({plain_value(types, type.element)});
    case TypeKind::empty_set: return Value::set({});
    case TypeKind::record: {
      ValueRecord record;
      for (const auto& [name, attr] : type.attrs) {
        if (attr.required) record.emplace(name, plain_value(types, attr.type));
      }
      return Value(std::move(record));
    }
    case TypeKind::decimal: return Value(Decimal{15000});
    case TypeKind::ip: return *op_call("ip", {Value(std::string("10.0.0.1"))});
    case TypeKind::datetime: return Value(Datetime{0});
    case TypeKind::duration: return Value(Duration{1});
  }
  std::abort();
}

// Stored ids first; the last is stored nowhere unless the type is enumerated.
std::vector<EntityUid> some_entities(const Module& module, const std::string& type) {
  std::vector<EntityUid> out;
  for (const Entity& entity : module.entities.all()) {
    if (entity.uid.type == type && out.size() < 2) out.push_back(entity.uid);
  }
  const EntityType* declared = module.schema.find_type(type);
  if (declared == nullptr || declared->enum_ids) return out;
  out.push_back({type, "nobody"});
  return out;
}

World make_world() {
  World world;
  world.schema = read_world_file("schema.cedarschema");
  world.entities = read_world_file("entities.json");
  Read read;
  ast::SchemaFile file = parse_schema(read.sources, read.add(world.schema), read.diagnostics);
  world.module.schema = resolve_schema(file, read.diagnostics);
  world.module.environments = world.module.schema.environments();
  world.module.entities = read_entities(read.sources, read.add(world.entities), world.module.schema, read.diagnostics);
  require(read.good(), "the world has errors", read.first());
  world.requests = requests_of(world.module, 48);
  return world;
}

}  // namespace

const World& world() {
  static const World world = make_world();
  return world;
}

std::vector<Request> requests_of(const Module& module, std::size_t most) {
  std::vector<Request> requests;
  std::size_t each = std::max<std::size_t>(1, most / std::max<std::size_t>(1, module.environments.size()));
  for (const RequestEnv& env : module.environments) {
    Value context = plain_value(module.schema.types, module.schema.actions.at(env.action).context);
    std::size_t made = 0;
    for (const EntityUid& principal : some_entities(module, env.principal)) {
      for (const EntityUid& resource : some_entities(module, env.resource)) {
        if (requests.size() == most) return requests;
        if (made++ < each) requests.push_back({principal, env.action, resource, *context.as_record()});
      }
    }
  }
  return requests;
}

}  // namespace kerf::fuzz
