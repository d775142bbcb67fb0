// Schemas as text and as JSON.
#include "frontend/json/schema.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/schema.h"
#include "tests/fuzz/target.h"

namespace kerf::fuzz {
namespace {

bool resolves(const ast::SchemaFile& file, Read& read) {
  resolve_schema(file, read.diagnostics);
  return read.render_all();
}

// Printed JSON reads and resolves, and is written again the same.
void check_json(const ast::SchemaFile& file) {
  std::string json = schema_to_json(file).dump();
  Read again;
  ast::SchemaFile reread = read_schema_json(again.sources, again.add(json), again.diagnostics);
  require(again.good() && resolves(reread, again), "the JSON of a schema does not resolve", json, again.first());
  require_equal("schema JSON, read and written", json, schema_to_json(reread).dump());
}

void check_text(const ast::SchemaFile& file) {
  Diagnostics no_text;
  if (!check_text_form(file, no_text)) return;
  std::string text = ast::print(file);
  Read again;
  ast::SchemaFile reread = parse_schema(again.sources, again.add(text), again.diagnostics);
  require(again.good() && resolves(reread, again), "a printed schema does not resolve", text, again.first());
  require_equal("schema, printed and read and printed", text, ast::print(reread));
}

void check(const ast::SchemaFile& file, Read& read) {
  if (!read.render_all() || !resolves(file, read)) return;
  check_json(file);
  check_text(file);
  ast::SchemaFile resolved = resolve_names(file);
  require(resolves(resolved, read), "resolved names do not resolve", schema_to_json(resolved).dump(), read.first());
  check_json(resolved);
}

}  // namespace

void schema_text(std::string_view input) {
  Read read;
  check(parse_schema(read.sources, read.add(input), read.diagnostics), read);
}

void schema_json(std::string_view input) {
  Read read;
  check(read_schema_json(read.sources, read.add(input), read.diagnostics), read);
}

}  // namespace kerf::fuzz
