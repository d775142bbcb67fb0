// Policies as text and as JSON: what is accepted prints, reads and translates to itself.
#include "frontend/format/format.h"
#include "frontend/json/policies.h"
#include "frontend/parse/parse.h"
#include "frontend/sema/policies.h"
#include "tests/fuzz/target.h"

namespace kerf::fuzz {
namespace {

// Ids and sizes are right, and the IR is well formed.
bool lowers(const ast::PolicyFile& file, Read& read) {
  Module module;
  lower_policies({file}, module, read.diagnostics);
  if (!read.render_all()) return false;
  std::optional<std::string> violation = verify(module);
  require(!violation, "the IR of a policy is wrong", violation.value_or(""));
  return true;
}

// The text says what the file says; only the official layout, with all of its parentheses, may nest too deep.
void check_text(const ast::PolicyFile& file, bool json_only_forms) {
  std::string text = ast::print(file);
  Read again;
  ast::PolicyFile reread = parse_policies(again.sources, again.add(text), again.diagnostics);
  require(again.good() || again.only({Code::K8001}), "what is printed does not parse", text, again.first());
  if (!again.good()) return;
  if (!json_only_forms) require_equal("printed, read and printed", text, ast::print(reread));
  require(reread.policies.size() == file.policies.size(), "policies are lost in print", text);
  for (const ast::Policy& policy : reread.policies) {
    std::string official = ast::print_official(reread, policy);
    Read third;
    ast::PolicyFile from_official = parse_policies(third.sources, third.add(official), third.diagnostics);
    require(third.good() || third.only({Code::K8001}), "the official print does not parse", official, third.first());
    if (third.good()) require_equal("the official print, read and printed", official, ast::print_official(from_official, from_official.policies.at(0)));
  }
}

void check_json(const ast::PolicyFile& file) {
  Diagnostics deep;
  std::optional<Json> json = policy_set_to_json({file}, deep);
  if (!json) return;   // too deep, which is reported
  std::string text = json->dump();
  Read again;
  ast::PolicyFile reread = read_policies_json(again.sources, again.add(text), again.diagnostics);
  require(again.good(), "the JSON of policies does not read", text, again.first());
  std::optional<Json> json_again = policy_set_to_json({reread}, again.diagnostics);
  require(json_again.has_value(), "JSON that was read cannot be written", text);
  require_equal("JSON, read and written", text, json_again->dump());
}

void check_format(std::string_view input, const ast::PolicyFile& file) {
  Read read;
  std::optional<std::string> formatted = format_policies(read.sources, read.add(input), {}, read.diagnostics);
  require(formatted.has_value(), "good text cannot be formatted", input, read.first());
  Read again;
  ast::PolicyFile reread = parse_policies(again.sources, again.add(*formatted), again.diagnostics);
  require(again.good(), "formatted text does not parse", *formatted, again.first());
  require_equal("formatting changes the policies", ast::print(file), ast::print(reread));
  Read third;
  std::optional<std::string> twice = format_policies(third.sources, third.add(*formatted), {}, third.diagnostics);
  require(twice.has_value(), "formatted text cannot be formatted", *formatted);
  require_equal("formatting twice", *formatted, *twice);
}

}  // namespace

void policy_text(std::string_view input) {
  Read read;
  ast::PolicyFile file = parse_policies(read.sources, read.add(input), read.diagnostics);
  if (!read.render_all()) return;
  check_format(input, file);
  check_text(file, false);
  if (lowers(file, read)) check_json(file);
}

void policy_json(std::string_view input) {
  Read read;
  SourceId source = read.add(input);
  ast::PolicyFile file = read_policies_json(read.sources, source, read.diagnostics);
  if (read.render_all() && lowers(file, read)) {
    check_json(file);
    check_text(file, true);
  }
  Read links;
  std::vector<ast::TemplateLink> list = read_links_json(links.sources, links.add(input), links.diagnostics);
  if (!links.render_all()) return;
  std::string text = links_to_json(list).dump();
  Read again;
  require_equal("links", text, links_to_json(read_links_json(again.sources, again.add(text), again.diagnostics)).dump());
}

}  // namespace kerf::fuzz
