// Shared by the tests of schemas and data: text in, schema or codes out.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "frontend/parse/parse.h"
#include "frontend/sema/data.h"
#include "frontend/sema/schema.h"

namespace kerf::test {

using Codes = std::vector<std::string>;

inline Codes codes(const Diagnostics& diagnostics) {
  Codes names;
  for (const Diagnostic& diagnostic : diagnostics.all()) names.emplace_back(catalogue_row(diagnostic.code).name);
  std::sort(names.begin(), names.end());
  return names;
}

inline std::string messages(const Diagnostics& diagnostics) {
  std::string all;
  for (const Diagnostic& d : diagnostics.all()) all += std::string(catalogue_row(d.code).name) + " " + d.message + "\n";
  return all;
}

struct Loaded {
  Sources sources;
  Diagnostics diagnostics;
  Schema schema;
  SourceId source;

  explicit Loaded(const std::string& text) {
    source = sources.add("test.cedarschema", text);
    ast::SchemaFile file = parse_schema(sources, source, diagnostics);
    schema = resolve_schema(file, diagnostics);
  }
  // The text that the only diagnostic of this code points at.
  std::string marked(const std::string& code) const {
    for (const Diagnostic& d : diagnostics.all()) {
      if (catalogue_row(d.code).name == code) return d.span.valid() ? std::string(sources.text(d.span)) : "";
    }
    return "(no such diagnostic)";
  }
  // The source after the fix of the first diagnostic of this code.
  std::string fixed(const std::string& code) const {
    for (const Diagnostic& d : diagnostics.all()) {
      if (catalogue_row(d.code).name != code || d.fix.empty()) continue;
      std::string text(sources.text(d.fix[0].span.source));
      return text.replace(d.fix[0].span.begin, d.fix[0].span.end - d.fix[0].span.begin, d.fix[0].replacement);
    }
    return "(no fix)";
  }
  const Diagnostic& only() const {
    REQUIRE(diagnostics.all().size() == 1);
    return diagnostics.all()[0];
  }
  std::string attr(const std::string& type, const std::string& name) const {
    const auto& attrs = schema.types[schema.entity_types.at(type).attrs].attrs;
    return schema.types.text(attrs.at(name).type);
  }
};

inline Codes schema_codes(const std::string& text) { return codes(Loaded(text).diagnostics); }

inline std::optional<nlohmann::json> corpus_json(const std::string& path) {
  std::ifstream file(std::filesystem::path(KERF_CORPUS_DIR) / path);
  if (!file) {
    MESSAGE("SKIPPED: no corpus file ", path);
    return std::nullopt;
  }
  return nlohmann::json::parse(file);
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace kerf::test
