// From texts to a checked module, for tests of policies.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/schema.h"

namespace kerf::test {

struct Checked {
  Sources sources;
  Module module;
  Diagnostics diagnostics;

  std::size_t count(Code code) const {
    return static_cast<std::size_t>(std::count_if(diagnostics.all().begin(), diagnostics.all().end(),
                                                  [code](const Diagnostic& d) { return d.code == code; }));
  }
  const Diagnostic* find(Code code) const {
    for (const Diagnostic& d : diagnostics.all()) {
      if (d.code == code) return &d;
    }
    return nullptr;
  }
  // The text under the primary span of the first diagnostic with this code, or "".
  std::string at(Code code) const {
    const Diagnostic* d = find(code);
    return d == nullptr ? std::string() : std::string(sources.text(d->span));
  }
  std::string codes() const {
    std::string text;
    for (const Diagnostic& d : diagnostics.all()) text += std::string(catalogue_row(d.code).name) + " " + d.message + "; ";
    return text;
  }
};

inline Checked lower(const std::string& schema, const std::vector<std::string>& policies) {
  Checked out;
  SourceId schema_source = out.sources.add("schema.cedarschema", schema);
  out.module.schema = resolve_schema(parse_schema(out.sources, schema_source, out.diagnostics), out.diagnostics);
  out.module.environments = out.module.schema.environments();
  std::vector<ast::PolicyFile> files;
  for (const std::string& text : policies) {
    SourceId source = out.sources.add("policies" + std::to_string(files.size()) + ".cedar", text);
    files.push_back(parse_policies(out.sources, source, out.diagnostics));
  }
  lower_policies(files, out.module, out.diagnostics);
  return out;
}

inline Checked check(const std::string& schema, const std::string& policies) {
  Checked out = lower(schema, {policies});
  if (!out.diagnostics.has_errors()) typecheck(out.module, out.diagnostics);
  return out;
}

}  // namespace kerf::test
