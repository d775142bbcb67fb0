// Diagnostic -> SARIF result. Columns are counted in code points, as in kerf's other formats, and the run says so.
#include "driver/sarif.h"

#include <fmt/core.h>

#include <set>

#include "ir/base/check.h"

namespace kerf {
namespace {

const char* level(Severity severity) {
  switch (severity) {
    case Severity::error: return "error";
    case Severity::warning: return "warning";
    case Severity::note: return "note";
  }
  internal_error("severity");
}

// A path as a URI reference: relative to where kerf ran, or absolute.
std::string uri(const std::string& path) {
  std::string out = path.starts_with("/") ? "file://" : "";
  for (char c : path) {
    auto b = static_cast<unsigned char>(c);
    bool plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || std::string_view("/-._~").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", b);
  }
  return out;
}

Json region(const Sources& sources, Span span) {
  LineColumn from = sources.locate(span.source, span.begin), to = sources.locate(span.source, span.end);
  return {{"startLine", from.line}, {"startColumn", from.column}, {"endLine", to.line}, {"endColumn", to.column},
          {"byteOffset", span.begin}, {"byteLength", span.end - span.begin}};
}

Json location(const Sources& sources, Span span, const std::string& text) {
  Json out = {{"physicalLocation", {{"artifactLocation", {{"uri", uri(sources.path(span.source))}}}, {"region", region(sources, span)}}}};
  if (!text.empty()) out["message"] = {{"text", text}};
  return out;
}

std::string whole_text(const Diagnostic& d) {
  std::string out = d.message;
  for (const std::string& note : d.notes) out += "\nnote: " + note;
  for (const std::string& help : d.help) out += "\nhelp: " + help;
  return out;
}

// All edits of a diagnostic are in one file, that of its place.
Json fixes(const Sources& sources, const Diagnostic& d) {
  Json replacements = Json::array();
  for (const Edit& edit : d.fix) {
    replacements.push_back({{"deletedRegion", region(sources, edit.span)}, {"insertedContent", {{"text", edit.replacement}}}});
  }
  Json change = {{"artifactLocation", {{"uri", uri(sources.path(d.fix.front().span.source))}}}, {"replacements", std::move(replacements)}};
  return Json::array({{{"artifactChanges", Json::array({std::move(change)})}}});
}

Json result(const Sources& sources, const Diagnostic& d) {
  Json out = {{"ruleId", std::string(catalogue_row(d.code).name)}, {"level", level(d.severity)}, {"message", {{"text", whole_text(d)}}}};
  if (d.span.valid()) out["locations"] = Json::array({location(sources, d.span, d.label)});
  Json related = Json::array();
  for (const Label& label : d.related) {
    if (label.span.valid()) related.push_back(location(sources, label.span, label.text));
  }
  if (!related.empty()) out["relatedLocations"] = std::move(related);
  if (!d.fix.empty()) out["fixes"] = fixes(sources, d);
  if (!d.policy.empty()) out["properties"] = {{"policy", d.policy}, {"environments", d.environments}};
  return out;
}

Json rule(const CatalogueRow& row) {
  return {{"id", std::string(row.name)}, {"shortDescription", {{"text", std::string(row.message)}}},
          {"fullDescription", {{"text", std::string(row.cause)}}}, {"help", {{"text", fmt::format("{}. Example: {}", row.cure, row.example)}}},
          {"defaultConfiguration", {{"level", level(row.severity)}}}};
}

}  // namespace

Json sarif_results(const Sources& sources, const Diagnostics& diagnostics) {
  Json out = Json::array();
  for (const Diagnostic& d : diagnostics.all()) out.push_back(result(sources, d));
  return out;
}

std::string sarif_log(const Json& results) {
  std::set<std::string> used;
  for (const Json& one : results) used.insert(one.at("ruleId").get<std::string>());
  Json rules = Json::array();
  for (const std::string& name : used) rules.push_back(rule(catalogue_row(*find_code(name))));
  Json driver = {{"name", "kerf"}, {"version", KERF_VERSION}, {"rules", std::move(rules)}};
  Json run = {{"tool", {{"driver", std::move(driver)}}}, {"columnKind", "unicodeCodePoints"}, {"results", results}};
  Json log = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"}, {"version", "2.1.0"}, {"runs", Json::array({std::move(run)})}};
  return log.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace kerf
