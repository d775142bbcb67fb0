// The C library as it is meant to be used: each operation once well and once with a mistake of the user.
#include <doctest/doctest.h>

#include <filesystem>
#include <vector>

#include "use.h"

extern "C" int kerf_layout_is_as_published(void);

TEST_CASE("versions are those of the header") {
  CHECK(kerf_abi_version() == (KERF_LIBRARY_MAJOR << 16 | KERF_LIBRARY_MINOR));
  CHECK(std::string(kerf_version()) == KERF_EXPECTED_VERSION);
  CHECK(std::string(kerf_version_json()).find("\"kerf\":\"" KERF_EXPECTED_VERSION "\"") != std::string::npos);
  CHECK(kerf_layout_is_as_published() == 1);
}

TEST_CASE("check gives diagnostics as JSON lines") {
  SourcesPtr good = sources(kPolicies, kSchema, kEntities);
  kerf_result* raw = nullptr;
  CHECK(kerf_check(good.get(), nullptr, &raw) == KERF_OK);
  ResultPtr result(raw);
  CHECK(kerf_result_status(raw) == KERF_OK);
  CHECK(s(kerf_result_message(raw)).empty());

  SourcesPtr bad = sources("permit (principal, action, resource) when { principal.agee > 3 };", kSchema);
  CHECK(kerf_check(bad.get(), nullptr, &raw) == KERF_INVALID);
  result.reset(raw);
  std::string lines = s(kerf_result_diagnostics(raw));
  CHECK(lines.find("\"schema\":\"kerf.diagnostic\"") != std::string::npos);
  CHECK(lines.find("\"file\":\"p.cedar\"") != std::string::npos);
  CHECK(lines.back() == '\n');
  CHECK_FALSE(s(kerf_result_message(raw)).empty());
  CHECK(kerf_result_count(raw) == 0);
}

TEST_CASE("check takes the validator's options") {
  SourcesPtr mixed = sources("permit (principal, action, resource) when { resource.owner == 1 };", kSchema);
  SourcesPtr deep = sources("permit (principal, action, resource) when { resource.owner.age > 3 };", kSchema);
  kerf_result* raw = nullptr;
  kerf_check_options wanted = options<kerf_check_options>();
  CHECK(kerf_check(mixed.get(), &wanted, &raw) == KERF_INVALID);
  kerf_result_free(raw);
  wanted.flags = KERF_CHECK_PERMISSIVE;
  CHECK(kerf_check(mixed.get(), &wanted, &raw) == KERF_OK);
  kerf_result_free(raw);
  wanted.flags = KERF_CHECK_LEVEL;
  wanted.level = 1;
  CHECK(kerf_check(deep.get(), &wanted, &raw) == KERF_INVALID);
  kerf_result_free(raw);
  wanted.level = 2;
  CHECK(kerf_check(deep.get(), &wanted, &raw) == KERF_OK);
  kerf_result_free(raw);
}

TEST_CASE("compile gives the bytes of a bundle, and the same ones in a directory") {
  SourcesPtr from = sources("permit (principal, action, resource);", kKernelSchema);
  std::string directory = (std::filesystem::temp_directory_path() / ("kerf-abi-" + std::to_string(getpid()))).string();
  std::filesystem::remove_all(directory);
  kerf_compile_options wanted = options<kerf_compile_options>();
  wanted.directory = t(directory);
  kerf_result* raw = nullptr;
  CHECK(kerf_compile(from.get(), &wanted, &raw) == KERF_OK);
  ResultPtr result(raw);
  INFO(s(kerf_result_message(raw)));
  REQUIRE(kerf_result_count(raw) == 5);
  for (size_t i = 0; i < 5; ++i) {
    std::filesystem::path file = std::filesystem::path(directory) / s(kerf_result_name(raw, i));
    CHECK(std::filesystem::file_size(file) == kerf_result_bytes(raw, i).size);
  }
  CHECK(output(raw, "policy.bpf.o").substr(1, 3) == "ELF");
  std::filesystem::remove_all(directory);
}

TEST_CASE("a helper that is not there is the machine's failure, with its diagnostic") {
  SourcesPtr from = sources("permit (principal, action, resource);", kKernelSchema);
  kerf_compile_options wanted = options<kerf_compile_options>();
  wanted.helper = t("/nowhere/kerf-codegen");
  kerf_result* raw = nullptr;
  CHECK(kerf_compile(from.get(), &wanted, &raw) == KERF_FAILED);
  ResultPtr result(raw);
  CHECK(s(kerf_result_diagnostics(raw)).find("K7904") != std::string::npos);
  CHECK(kerf_result_count(raw) == 0);
  wanted.helper = t("kerf-codegen");
  CHECK(kerf_compile(from.get(), &wanted, &raw) == KERF_BAD_ARGUMENT);
  result.reset(raw);
}

TEST_CASE("format and translate") {
  kerf_result* raw = nullptr;
  CHECK(kerf_format(t("p.cedar"), t("permit(principal,action,resource);"), nullptr, &raw) == KERF_OK);
  ResultPtr result(raw);
  CHECK(output(raw, "p.cedar") == "permit (principal, action, resource);\n");
  CHECK(kerf_format(t("p.cedar"), t("permit(principal"), nullptr, &raw) == KERF_INVALID);
  result.reset(raw);

  SourcesPtr from = sources(kPolicies, kSchema);
  CHECK(kerf_translate(from.get(), KERF_POLICIES_TO_JSON, &raw) == KERF_OK);
  result.reset(raw);
  std::string json = output(raw, "policies.json");
  CHECK(json.find("\"effect\"") != std::string::npos);
  kerf_sources* again = nullptr;
  REQUIRE(kerf_sources_new(&again) == KERF_OK);
  SourcesPtr back(again);
  REQUIRE(kerf_sources_add(again, KERF_POLICIES, KERF_BY_NAME, t("p.json"), t(json)) == KERF_OK);
  CHECK(kerf_translate(again, KERF_POLICIES_TO_CEDAR, &raw) == KERF_OK);
  result.reset(raw);
  CHECK(output(raw, "policies.cedar").find("forbid") != std::string::npos);
  for (int direction : {KERF_SCHEMA_TO_JSON, KERF_SCHEMA_TO_JSON_RESOLVED}) {
    CHECK(kerf_translate(from.get(), direction, &raw) == KERF_OK);
    result.reset(raw);
    CHECK(output(raw, "schema.json").find("memberOfTypes") != std::string::npos);
  }
}

struct Expected {
  const char* principal;
  const char* context;
  int decision;
  const char* determining;   // a policy's id, or ""
  const char* erring;
};
constexpr Expected kExpected[] = {
    {"alice", R"({"mfa": false})", KERF_ALLOW, "owner", ""},
    {"bob", R"({"mfa": true})", KERF_ALLOW, "friends", ""},
    {"bob", R"({"mfa": false})", KERF_DENY, "", ""},
    {"carol", R"({"mfa": true})", KERF_ALLOW, "friends", "old"},   // age + … overflows: the policy is skipped
};

void check_answer(const kerf_answer* answer, const Expected& expected) {
  REQUIRE(answer != nullptr);
  CHECK(kerf_answer_decision(answer) == expected.decision);
  std::string determining = expected.determining, erring = expected.erring;
  REQUIRE(kerf_answer_determining_count(answer) == (determining.empty() ? 0 : 1));
  CHECK(s(kerf_answer_determining(answer, 0)) == determining);
  REQUIRE(kerf_answer_error_count(answer) == (erring.empty() ? 0 : 1));
  CHECK(s(kerf_answer_error_policy(answer, 0)) == erring);
  CHECK(s(kerf_answer_error_message(answer, 0)).empty() == erring.empty());
}

TEST_CASE("authorize from sources, and the gateway by both tiers, say the same") {
  SourcesPtr from = sources(kPolicies, kSchema, kEntities);
  GatewayPtr table = gateway();
  kerf_query* raw_query = nullptr;
  REQUIRE(kerf_query_new(table.get(), &raw_query) == KERF_OK);
  QueryPtr query(raw_query);
  table.reset();   // the query stays good
  for (const Expected& expected : kExpected) {
    CAPTURE(expected.principal);
    kerf_request asked = request(expected.principal, "p", expected.context);
    kerf_result* raw = nullptr;
    CHECK(kerf_authorize(from.get(), &asked, nullptr, &raw) == KERF_OK);
    ResultPtr result(raw);
    check_answer(kerf_result_answer(raw), expected);
    int32_t decision = -1;
    CHECK(kerf_query_decide(query.get(), &asked, &decision) == KERF_OK);
    CHECK(decision == expected.decision);
    check_answer(kerf_query_answer(query.get()), expected);
    CHECK(kerf_query_allows(query.get(), &asked, &decision) == KERF_OK);
    CHECK(decision == expected.decision);
    CHECK(kerf_query_answer(query.get()) == nullptr);
    std::string json = std::string(R"({"principal": "User::\")") + expected.principal +
                       R"(\"", "action": {"type": "Action", "id": "view"}, "resource": {"__entity": {"type": "Photo", "id": "p"}}, "context": )" +
                       expected.context + "}";
    CHECK(kerf_query_decide_json(query.get(), t(json), &decision) == KERF_OK);
    check_answer(kerf_query_answer(query.get()), expected);
  }
}

TEST_CASE("what is no request of the table is refused and denied") {
  GatewayPtr table = gateway();
  kerf_query* raw = nullptr;
  REQUIRE(kerf_query_new(table.get(), &raw) == KERF_OK);
  QueryPtr query(raw);
  int32_t decision = KERF_ALLOW;
  kerf_request asked = request("alice", "p", R"({"mfa": true})");
  asked.resource.type = t("User");
  CHECK(kerf_query_decide(raw, &asked, &decision) == KERF_INVALID);
  CHECK(decision == KERF_DENY);
  CHECK(kerf_query_answer(raw) == nullptr);
  CHECK_FALSE(s(kerf_query_message(raw)).empty());
  for (const char* context : {"3", "{", "{\"mfa\": true, \"mfa\": false}", "[]"}) {
    decision = KERF_ALLOW;
    asked = request("alice", "p", context);
    CHECK(kerf_query_decide(raw, &asked, &decision) == KERF_INVALID);
    CHECK(decision == KERF_DENY);
  }
  for (const char* json : {"", "{}", "[]", R"({"principal": 3, "action": 3, "resource": 3})",
                           R"({"principal": "User::\"alice\"", "action": "Action::\"view\"", "resource": "Photo::\"p\"", "contxt": {}})"}) {
    decision = KERF_ALLOW;
    CHECK(kerf_query_decide_json(raw, t(json), &decision) == KERF_INVALID);
    CHECK(decision == KERF_DENY);
  }
  kerf_gateway* none = nullptr;
  kerf_result* why = nullptr;
  CHECK(kerf_gateway_new(t("{}"), {}, &none, &why) == KERF_INVALID);
  CHECK(none == nullptr);
  CHECK_FALSE(s(kerf_result_message(why)).empty());
  kerf_result_free(why);
}

TEST_CASE("policies change under a query, and many resources at once") {
  GatewayPtr table = gateway();
  kerf_query* raw = nullptr;
  REQUIRE(kerf_query_new(table.get(), &raw) == KERF_OK);
  QueryPtr query(raw);
  SourcesPtr from = sources(R"(@id("nobody") forbid (principal, action, resource) when { resource.owner == User::"alice" };)", kSchema, kEntities);
  kerf_result* compiled = nullptr;
  kerf_compile_options only_table = options<kerf_compile_options>();
  only_table.flags = KERF_COMPILE_TABLE_ONLY;
  REQUIRE(kerf_compile(from.get(), &only_table, &compiled) == KERF_OK);
  ResultPtr result(compiled);
  const std::string added = output(compiled, "table.json");
  const kerf_uid resources[] = {{t("Photo"), t("p")}, {t("Photo"), t("none")}, {t("User"), t("alice")}, {t("Photo"), t("p")}};
  kerf_request asked = request("alice", "p", R"({"mfa": true})");
  auto allowed = [&] {
    uint32_t places[4];
    size_t count = 9;
    REQUIRE(kerf_query_allowed(query.get(), &asked, resources, 4, places, &count) == KERF_OK);
    return std::vector<uint32_t>(places, places + count);
  };
  CHECK(allowed() == std::vector<uint32_t>{0, 3});
  CHECK(kerf_gateway_change_policies(table.get(), nullptr, 0, t(added), nullptr) == KERF_OK);
  CHECK(allowed().empty());
  int32_t decision = -1;
  REQUIRE(kerf_query_decide(query.get(), &asked, &decision) == KERF_OK);
  CHECK(decision == KERF_DENY);
  const kerf_answer* answer = kerf_query_answer(query.get());
  REQUIRE(kerf_answer_determining_count(answer) == 1);
  const std::string id(s(kerf_answer_determining(answer, 0)));
  kerf_result* why = nullptr;
  CHECK(kerf_gateway_change_policies(table.get(), nullptr, 0, t(added), &why) == KERF_INVALID);
  CHECK(s(kerf_result_message(why)) == "there is a policy `" + id + "` already");
  kerf_result_free(why);
  const kerf_text ids[] = {t(id)};
  CHECK(kerf_gateway_change_policies(table.get(), ids, 1, t(added), nullptr) == KERF_OK);   // replaced
  CHECK(allowed().empty());
  CHECK(kerf_gateway_change_policies(table.get(), ids, 1, {}, nullptr) == KERF_OK);
  CHECK(allowed() == std::vector<uint32_t>{0, 3});
  CHECK(kerf_gateway_change_policies(table.get(), ids, 1, {}, nullptr) == KERF_INVALID);
  CHECK(kerf_gateway_change_policies(table.get(), nullptr, 1, {}, nullptr) == KERF_INVALID);
  CHECK(kerf_gateway_change_policies(table.get(), nullptr, 0, t("{}"), nullptr) == KERF_INVALID);
  CHECK(kerf_gateway_change_policies(nullptr, nullptr, 0, {}, nullptr) == KERF_BAD_ARGUMENT);
  size_t count = 9;
  uint32_t place = 0;
  CHECK(kerf_query_allowed(query.get(), &asked, resources, 1, nullptr, &count) == KERF_BAD_ARGUMENT);
  CHECK(count == 0);
  CHECK(kerf_query_allowed(query.get(), &asked, nullptr, 1, &place, &count) == KERF_BAD_ARGUMENT);
  CHECK(kerf_query_allowed(query.get(), nullptr, resources, 1, &place, &count) == KERF_BAD_ARGUMENT);
  CHECK(kerf_query_allowed(nullptr, &asked, resources, 1, &place, &count) == KERF_BAD_ARGUMENT);
  CHECK(kerf_query_allowed(query.get(), &asked, nullptr, 0, nullptr, &count) == KERF_OK);
  asked.context = t("{");
  CHECK(kerf_query_allowed(query.get(), &asked, resources, 1, &place, &count) == KERF_INVALID);
}

TEST_CASE("entities change under a query, by delta and as a whole") {
  GatewayPtr table = gateway();
  kerf_query* raw = nullptr;
  REQUIRE(kerf_query_new(table.get(), &raw) == KERF_OK);
  QueryPtr query(raw);
  auto decided = [&](const char* user) {
    kerf_request asked = options<kerf_request>();
    asked.principal = {t("User"), t(user)};
    asked.action = {t("Action"), t("view")};
    asked.resource = {t("Photo"), t("p")};
    asked.context = t(R"({"mfa": true})");
    int32_t decision = -1;
    REQUIRE(kerf_query_decide(query.get(), &asked, &decision) == KERF_OK);
    return decision;
  };
  auto change = [&](const char* text) { return kerf_gateway_change_entities(table.get(), t(text), nullptr); };
  CHECK(decided("alice") == KERF_ALLOW);
  CHECK(decided("dave") == KERF_DENY);
  CHECK(change(R"({"upsert": [{"uid": {"type": "User", "id": "dave"}, "attrs": {"age": 3}, "parents": [{"type": "Group", "id": "friends"}]}]})") == KERF_OK);
  CHECK(decided("dave") == KERF_ALLOW);
  CHECK(change(R"({"removeParents": [{"uid": {"type": "User", "id": "dave"}, "parents": [{"type": "Group", "id": "friends"}]}]})") == KERF_OK);
  CHECK(decided("dave") == KERF_DENY);
  CHECK(change(R"({"remove": [{"type": "Photo", "id": "p"}]})") == KERF_OK);
  CHECK(decided("alice") == KERF_DENY);
  // Of "old" the atom is the opposite: age + … <= ….
  CHECK(s(kerf_query_trace(query.get())) ==
        R"({"environment":0,"policies":[{"policy":"owner","effect":"permit","result":"error","atoms":[{"atom":0,"outcome":"error","message":)"
        R"("entity `Photo::\"p\"` does not exist"}]},{"policy":"old","effect":"forbid","result":"false","atoms":[{"atom":1,"outcome":"true"}]}]})");
  CHECK(kerf_answer_error_count(kerf_query_answer(query.get())) > 0);
  kerf_result* why = nullptr;
  CHECK(kerf_gateway_change_entities(table.get(), t(R"({"remove": [{"type": "Photo", "id": "p"}]})"), &why) == KERF_INVALID);
  CHECK(s(kerf_result_message(why)) == "`Photo::\"p\"` is not stored");
  kerf_result_free(why);
  CHECK(kerf_gateway_set_entities(table.get(), t(kEntities), nullptr) == KERF_OK);
  CHECK(decided("alice") == KERF_ALLOW);
  CHECK(decided("dave") == KERF_DENY);
  CHECK(kerf_gateway_set_entities(table.get(), t("[{}]"), nullptr) == KERF_INVALID);
  CHECK(kerf_gateway_change_entities(nullptr, t("{}"), nullptr) == KERF_BAD_ARGUMENT);
  CHECK(change("{") == KERF_INVALID);
  CHECK(kerf_query_trace(nullptr).size == 0);
  CHECK(decided("alice") == KERF_ALLOW);
  table.reset();
  CHECK(decided("alice") == KERF_ALLOW);
}
