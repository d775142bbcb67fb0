// A case as calls of the official engine. Arguments are put together from the case's texts as they are.
#include <fmt/core.h>

#include "tests/differential/checks.h"

namespace kerf::test {
namespace {

std::string quoted(const std::string& text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string policies_argument(const Case& c) {
  if (c.one_file) return "{\"staticPolicies\":" + quoted(c.joined()) + "}";
  std::string statics, templates;
  for (const PolicyInput& one : c.policies) {
    std::string& list = one.is_template ? templates : statics;
    list += (list.empty() ? "" : ",") + quoted(one.id) + ":" + (c.policies_json ? one.text : quoted(one.text));
  }
  Json links = Json::array();
  for (const LinkInput& link : c.links) links.push_back({{"templateId", link.template_id}, {"newId", link.id}, {"values", Json(link.values)}});
  if (c.links.empty()) links = Json::array();
  return "{\"staticPolicies\":{" + statics + "},\"templates\":{" + templates + "},\"templateLinks\":" + links.dump() + "}";
}

std::string request_argument(const Case& c, const RequestInput& r, bool schema, bool validate) {
  std::string out = fmt::format("{{\"principal\":{},\"action\":{},\"resource\":{},\"context\":{},\"preparsedPolicySetId\":\"p\",\"entities\":{}",
                                r.principal.dump(), r.action.dump(), r.resource.dump(), r.context, c.entities);
  if (schema) out += fmt::format(",\"preparsedSchemaName\":\"s\",\"validateRequest\":{}", validate);
  return out + "}";
}

}  // namespace

void Questions::add(const std::string& name, const std::string& function, std::vector<std::string> arguments) {
  index_.emplace(name, calls_.size());
  calls_.push_back({function, std::move(arguments)});
}

Questions::Questions(const Case& c) {
  std::string schema = c.schema_json ? c.schema : quoted(c.schema), policies = policies_argument(c);
  // What an earlier case left behind must not answer for this one.
  add("no schema", "preparseSchema", {"\"s\"", "{}"});
  add("no policies", "preparsePolicySet", {"\"p\"", "{}"});
  add("schema", "preparseSchema", {"\"s\"", schema});
  add("schema.translate", c.schema_json ? "schemaToText" : "schemaToJson", {schema});
  if (!c.schema_json) add("schema.resolved", "schemaToJsonWithResolvedTypes", {schema});
  add("policies", "preparsePolicySet", {"\"p\"", policies});
  if (!c.policies_json) {
    add("policies.file", "policySetTextToParts", {quoted(c.joined())});
    add("format", "formatPolicies", {"{\"policyText\":" + quoted(c.joined()) + ",\"lineWidth\":80,\"indentWidth\":2}"});
  }
  for (const PolicyInput& one : c.policies) {
    std::string piece = c.policies_json ? one.text : quoted(one.text), kind = one.is_template ? "template" : "policy";
    if (c.policies_json) add("text." + one.id, kind + "ToText", {piece});
    else add("json." + one.id, kind + "ToJson", {piece});
  }
  add("validate", "validate", {"{\"schema\":" + schema + ",\"policies\":" + policies + "}"});
  add("entities", "checkParseEntities", {"{\"entities\":" + c.entities + ",\"schema\":" + schema + "}"});
  add("entities.untyped", "checkParseEntities", {"{\"entities\":" + c.entities + ",\"schema\":null}"});
  for (std::size_t i = 0; i < c.requests.size(); ++i) {
    add(fmt::format("request{}", i), "statefulIsAuthorized", {request_argument(c, c.requests[i], true, true)});
    if (i == 0) add("request0.unchecked", "statefulIsAuthorized", {request_argument(c, c.requests[i], true, false)});
    add(fmt::format("request{}.untyped", i), "statefulIsAuthorized", {request_argument(c, c.requests[i], false, false)});
  }
}

}  // namespace kerf::test
