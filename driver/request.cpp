// Request file -> the parts of a request as text.
#include "driver/request.h"

#include <fmt/format.h>

#include "frontend/json/text.h"

namespace kerf {
namespace {

// The file's text with blanks for all but the bytes of one value, so that places in it stay right.
std::string only(std::string text, const JsonNode& node) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool inside = i >= node.begin && i < node.end;
    if (!inside && text[i] != '\n') text[i] = ' ';
  }
  return text;
}

// An entity as text, or as {type, id}.
std::string entity_text(const std::string& text, const JsonNode& node) {
  if (node.kind == JsonKind::string) return std::string(node.text);
  Result<Json> json = parse_json(text.substr(node.begin, node.end - node.begin));
  Result<EntityUid> uid = json ? uid_from_json(*json) : Result<EntityUid>(json.error());
  return uid ? to_text(*uid) : text.substr(node.begin, node.end - node.begin);
}

}  // namespace

std::optional<RequestInput> read_request_file(const std::string& path, Sources& sources, Diagnostics& diagnostics) {
  std::optional<InputFile> file = read_file(path, diagnostics);
  if (!file) return std::nullopt;
  SourceId source = sources.add(file->name, file->text, file->path);
  std::optional<JsonText> json = JsonText::parse(sources, source, diagnostics);
  if (!json) return std::nullopt;
  RequestInput out;
  const JsonNode& root = (*json)[json->root()];
  if (root.kind != JsonKind::object) {
    diagnostics.report(Code::K7906, json->span(json->root()), fmt::format("a request is an object, not {}", describe(root)));
    return std::nullopt;
  }
  for (auto [name, field] : {std::pair("principal", &out.principal), std::pair("action", &out.action), std::pair("resource", &out.resource)}) {
    JsonId id = json->find(json->root(), name);
    if (id.valid()) *field = entity_text(file->text, (*json)[id]);
  }
  JsonId context = json->find(json->root(), "context");
  if (context.valid()) out.context = InputFile{file->name, only(file->text, (*json)[context]), InputFormat::json, file->path};
  return out;
}

}  // namespace kerf
