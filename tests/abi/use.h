// What the tests of the C library share. They see kerf.h and nothing else of the project.
#pragma once
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>

#include "kerf.h"

inline kerf_text t(std::string_view text) { return {text.data(), text.size()}; }
inline std::string s(kerf_text text) { return {text.data, text.size}; }

struct Free {
  void operator()(kerf_result* p) const { kerf_result_free(p); }
  void operator()(kerf_sources* p) const { kerf_sources_free(p); }
  void operator()(kerf_gateway* p) const { kerf_gateway_free(p); }
  void operator()(kerf_query* p) const { kerf_query_free(p); }
};
using ResultPtr = std::unique_ptr<kerf_result, Free>;
using SourcesPtr = std::unique_ptr<kerf_sources, Free>;
using GatewayPtr = std::unique_ptr<kerf_gateway, Free>;
using QueryPtr = std::unique_ptr<kerf_query, Free>;

template <class T>
T options() {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

inline constexpr const char* kSchema = R"(
entity Group;
entity User in [Group] { age: Long };
entity Photo { owner: User };
action view appliesTo { principal: User, resource: Photo, context: { mfa: Bool } };
)";
inline constexpr const char* kPolicies = R"(
@id("owner") permit (principal, action == Action::"view", resource) when { resource.owner == principal };
@id("friends") permit (principal in Group::"friends", action, resource) when { context.mfa };
@id("old") forbid (principal, action, resource) when { principal.age + 9223372036854775800 > 9223372036854775805 };
)";
inline constexpr const char* kEntities = R"([
  {"uid": {"type": "User", "id": "alice"}, "attrs": {"age": 1}, "parents": []},
  {"uid": {"type": "User", "id": "bob"}, "attrs": {"age": 2}, "parents": [{"type": "Group", "id": "friends"}]},
  {"uid": {"type": "User", "id": "carol"}, "attrs": {"age": 50}, "parents": [{"type": "Group", "id": "friends"}]},
  {"uid": {"type": "Photo", "id": "p"}, "attrs": {"owner": {"__entity": {"type": "User", "id": "alice"}}}, "parents": []}
])";
inline constexpr const char* kKernelSchema = R"(
@kernel("process") entity Agent;
@kernel("endpoint") entity Endpoint;
@kernel("net.connect") action connect appliesTo { principal: Agent, resource: Endpoint };
)";

inline SourcesPtr sources(std::string_view policies, std::string_view schema, std::string_view entities = {}) {
  kerf_sources* raw = nullptr;
  REQUIRE(kerf_sources_new(&raw) == KERF_OK);
  SourcesPtr made(raw);
  REQUIRE(kerf_sources_add(raw, KERF_POLICIES, KERF_BY_NAME, t("p.cedar"), t(policies)) == KERF_OK);
  if (!schema.empty()) REQUIRE(kerf_sources_add(raw, KERF_SCHEMA, KERF_BY_NAME, t("s.cedarschema"), t(schema)) == KERF_OK);
  if (!entities.empty()) REQUIRE(kerf_sources_add(raw, KERF_ENTITIES, KERF_BY_NAME, t("e.json"), t(entities)) == KERF_OK);
  return made;
}

inline kerf_request request(std::string_view principal, std::string_view resource, std::string_view context) {
  kerf_request asked = options<kerf_request>();
  asked.principal = {t("User"), t(principal)};
  asked.action = {t("Action"), t("view")};
  asked.resource = {t("Photo"), t(resource)};
  asked.context = t(context);
  return asked;
}

inline std::string output(const kerf_result* result, std::string_view name) {
  for (size_t i = 0; i < kerf_result_count(result); ++i) {
    if (s(kerf_result_name(result, i)) == name) return s(kerf_result_bytes(result, i));
  }
  return {};
}

inline GatewayPtr gateway() {
  kerf_compile_options table = options<kerf_compile_options>();
  table.flags = KERF_COMPILE_TABLE_ONLY;
  SourcesPtr from = sources(kPolicies, kSchema, kEntities);
  kerf_result* raw = nullptr;
  CHECK(kerf_compile(from.get(), &table, &raw) == KERF_OK);
  ResultPtr result(raw);
  kerf_gateway* made = nullptr;
  REQUIRE(kerf_gateway_new(t(output(raw, "table.json")), t(output(raw, "entities.json")), &made, nullptr) == KERF_OK);
  return GatewayPtr(made);
}
