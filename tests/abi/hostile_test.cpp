// Whatever a caller does short of a wild pointer gives a status, and the process goes on.
#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "use.h"

TEST_CASE("NULL everywhere") {
  kerf_result* result = nullptr;
  CHECK(kerf_sources_new(nullptr) == KERF_BAD_ARGUMENT);
  CHECK(kerf_sources_add(nullptr, KERF_POLICIES, 0, t("a"), t("")) == KERF_BAD_ARGUMENT);
  CHECK(kerf_check(nullptr, nullptr, nullptr) == KERF_BAD_ARGUMENT);
  auto refused = [&](kerf_status status) {
    CHECK(status == KERF_BAD_ARGUMENT);
    kerf_result_free(result);
  };
  refused(kerf_check(nullptr, nullptr, &result));
  refused(kerf_compile(nullptr, nullptr, &result));
  refused(kerf_format({}, {}, nullptr, &result));
  refused(kerf_translate(nullptr, 1, &result));
  refused(kerf_authorize(nullptr, nullptr, nullptr, &result));
  SourcesPtr from = sources(kPolicies, kSchema);
  CHECK(kerf_authorize(from.get(), nullptr, nullptr, &result) == KERF_BAD_ARGUMENT);
  CHECK(kerf_result_answer(result) == nullptr);
  kerf_result_free(result);
  int32_t decision = KERF_ALLOW;
  CHECK(kerf_query_decide(nullptr, nullptr, &decision) == KERF_BAD_ARGUMENT);
  CHECK(decision == KERF_DENY);
  decision = KERF_ALLOW;
  CHECK(kerf_query_allows(nullptr, nullptr, &decision) == KERF_BAD_ARGUMENT);
  CHECK(decision == KERF_DENY);
  decision = KERF_ALLOW;
  CHECK(kerf_query_decide_json(nullptr, t("{}"), &decision) == KERF_BAD_ARGUMENT);
  CHECK(decision == KERF_DENY);
  CHECK(kerf_gateway_new(t("{}"), {}, nullptr, nullptr) == KERF_BAD_ARGUMENT);
  kerf_query* query = nullptr;
  CHECK(kerf_query_new(nullptr, &query) == KERF_BAD_ARGUMENT);
  GatewayPtr table = gateway();
  CHECK(kerf_query_new(table.get(), nullptr) == KERF_BAD_ARGUMENT);
  REQUIRE(kerf_query_new(table.get(), &query) == KERF_OK);
  CHECK(kerf_query_decide(query, nullptr, &decision) == KERF_BAD_ARGUMENT);
  CHECK(kerf_query_decide_json(query, {nullptr, 7}, &decision) == KERF_BAD_ARGUMENT);
  kerf_request asked = request("alice", "p", "{}");
  CHECK(kerf_query_decide(query, &asked, nullptr) == KERF_BAD_ARGUMENT);
  asked.principal.id = {nullptr, 5};
  CHECK(kerf_query_decide(query, &asked, &decision) == KERF_BAD_ARGUMENT);
  kerf_query_free(query);
  kerf_query_free(nullptr);
  kerf_gateway_free(nullptr);
  kerf_sources_free(nullptr);
  kerf_result_free(nullptr);
  CHECK(kerf_result_status(nullptr) == KERF_BAD_ARGUMENT);
  CHECK(kerf_result_message(nullptr).size == 0);
  CHECK(kerf_result_diagnostics(nullptr).size == 0);
  CHECK(kerf_result_count(nullptr) == 0);
  CHECK(kerf_result_name(nullptr, 0).data != nullptr);
  CHECK(kerf_result_bytes(nullptr, 9).size == 0);
  CHECK(kerf_answer_decision(nullptr) == KERF_DENY);
  CHECK(kerf_answer_determining_count(nullptr) == 0);
  CHECK(kerf_answer_determining(nullptr, 0).size == 0);
  CHECK(kerf_answer_error_count(nullptr) == 0);
  CHECK(kerf_answer_error_policy(nullptr, 0).size == 0);
  CHECK(kerf_answer_error_message(nullptr, 0).size == 0);
  CHECK(kerf_query_answer(nullptr) == nullptr);
  CHECK(kerf_query_message(nullptr).size == 0);
}

TEST_CASE("structs of other sizes") {
  SourcesPtr from = sources(kPolicies, kSchema);
  kerf_result* result = nullptr;
  struct Newer {
    kerf_check_options known;
    std::uint64_t more;
  } newer{};
  auto check = [&](const void* options) {
    kerf_status status = kerf_check(from.get(), static_cast<const kerf_check_options*>(options), &result);
    kerf_result_free(result);
    return status;
  };
  newer.known.struct_size = sizeof newer;
  CHECK(check(&newer) == KERF_OK);
  newer.more = 1;   // means something that this library does not know
  CHECK(check(&newer) == KERF_BAD_ARGUMENT);
  for (std::size_t size : {std::size_t{0}, std::size_t{8}, sizeof(kerf_check_options) - 1, std::size_t{1} << 40, ~std::size_t{0}}) {
    newer.known.struct_size = size;
    CHECK(check(&newer) == KERF_BAD_ARGUMENT);
  }
  newer.known = options<kerf_check_options>();
  newer.known.flags = 1u << 31;
  CHECK(check(&newer) == KERF_BAD_ARGUMENT);
  kerf_compile_options compile = options<kerf_compile_options>();
  compile.reserved = 1;
  CHECK(kerf_compile(from.get(), &compile, &result) == KERF_BAD_ARGUMENT);
  kerf_result_free(result);
  compile = options<kerf_compile_options>();
  compile.helper = {"/bin/true\0x", 11};
  CHECK(kerf_compile(from.get(), &compile, &result) == KERF_BAD_ARGUMENT);
  kerf_result_free(result);
}

TEST_CASE("sources that make no sense") {
  SourcesPtr from = sources(kPolicies, kSchema, kEntities);
  auto add = [&](int32_t kind, int32_t format, kerf_text name, kerf_text text) { return kerf_sources_add(from.get(), kind, format, name, text); };
  CHECK(add(0, 0, t("a"), t("")) == KERF_BAD_ARGUMENT);
  CHECK(add(5, 0, t("a"), t("")) == KERF_BAD_ARGUMENT);
  CHECK(add(-1, -1, t("a"), t("")) == KERF_BAD_ARGUMENT);
  CHECK(add(KERF_POLICIES, 3, t("a"), t("")) == KERF_BAD_ARGUMENT);
  CHECK(add(KERF_POLICIES, 0, t(""), t("")) == KERF_BAD_ARGUMENT);
  CHECK(add(KERF_POLICIES, 0, t("\xff"), t("")) == KERF_BAD_ARGUMENT);
  CHECK(add(KERF_POLICIES, 0, t("a"), {nullptr, 4}) == KERF_BAD_ARGUMENT);
  CHECK(add(KERF_POLICIES, 0, t("a"), {"", std::size_t{1} << 40}) == KERF_BAD_ARGUMENT);
  CHECK(add(KERF_POLICIES, 0, t("p.cedar"), t("")) == KERF_BAD_ARGUMENT);
  CHECK(add(KERF_SCHEMA, 0, t("again"), t("")) == KERF_BAD_ARGUMENT);
  kerf_result* result = nullptr;
  CHECK(kerf_translate(from.get(), 6, &result) == KERF_BAD_ARGUMENT);
  kerf_result_free(result);
  SourcesPtr no_schema = sources("permit (principal, action, resource);", {});
  CHECK(kerf_check(no_schema.get(), nullptr, &result) == KERF_INVALID);
  kerf_result_free(result);
  CHECK(kerf_translate(no_schema.get(), KERF_SCHEMA_TO_JSON, &result) == KERF_BAD_ARGUMENT);
  kerf_result_free(result);
  SourcesPtr bytes = sources(std::string_view("\0\xff\xfe\n\x01", 5), std::string_view("\xf0\x28\0", 3), "\xc3");
  CHECK(kerf_check(bytes.get(), nullptr, &result) == KERF_INVALID);
  kerf_result_free(result);
  CHECK(kerf_compile(bytes.get(), nullptr, &result) == KERF_INVALID);
  kerf_result_free(result);
}

TEST_CASE("a text of 256 MiB is taken, one byte more is refused") {
  std::string text((std::size_t{256} << 20) + 1, ' ');
  kerf_sources* made = nullptr;
  REQUIRE(kerf_sources_new(&made) == KERF_OK);
  SourcesPtr from(made);
  CHECK(kerf_sources_add(from.get(), KERF_POLICIES, 0, t("p.cedar"), t(text)) == KERF_BAD_ARGUMENT);
  text.pop_back();
  CHECK(kerf_sources_add(from.get(), KERF_POLICIES, 0, t("p.cedar"), t(text)) == KERF_OK);
}

TEST_CASE("eight threads at once") {
  GatewayPtr table = gateway();
  SourcesPtr from = sources(kPolicies, kSchema, kEntities);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      kerf_query* query = nullptr;
      if (kerf_query_new(table.get(), &query) != KERF_OK) ++wrong;
      for (int round = 0; round < 2000; ++round) {
        bool alice = (round + i) % 2 == 0;
        kerf_request asked = request(alice ? "alice" : "bob", "p", R"({"mfa": false})");
        int32_t decision = -1;
        if (kerf_query_decide(query, &asked, &decision) != KERF_OK || decision != (alice ? KERF_ALLOW : KERF_DENY)) ++wrong;
      }
      kerf_query_free(query);
      for (int round = 0; round < 5; ++round) {
        kerf_result* result = nullptr;
        if (kerf_check(from.get(), nullptr, &result) != KERF_OK) ++wrong;
        kerf_result_free(result);
        kerf_request asked = request("alice", "p", R"({"mfa": false})");
        if (kerf_authorize(from.get(), &asked, nullptr, &result) != KERF_OK) ++wrong;
        if (kerf_answer_decision(kerf_result_answer(result)) != KERF_ALLOW) ++wrong;
        kerf_result_free(result);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

// Runs on a thread with this stack.
void on_stack(std::size_t bytes, const std::function<void()>& body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, [](void* p) -> void* {
    (*static_cast<const std::function<void()>*>(p))();
    return nullptr;
  }, const_cast<std::function<void()>*>(&body)) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

std::string repeated(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

TEST_CASE("the deepest policies on small stacks") {
  kerf_status status = KERF_OK;
  std::string table;
  bool deep_enough = false;
  for (int depth : {100000, 2000, 330, 250, 200, 150, 100, 80}) {
    std::string policy = "permit (principal, action, resource) when { " + repeated("(if context.mfa then !(true && ", depth) + "true" +
                         repeated(") else false)", depth) + " };";
    SourcesPtr from = sources(policy, kSchema);
    on_stack(64 << 10, [&] {
      kerf_compile_options wanted = options<kerf_compile_options>();
      wanted.flags = KERF_COMPILE_TABLE_ONLY;
      kerf_result* result = nullptr;
      status = kerf_compile(from.get(), &wanted, &result);
      table = output(result, "table.json");
      kerf_result_free(result);
    });
    CHECK((status == KERF_OK || status == KERF_INVALID));
    deep_enough = deep_enough || status == KERF_OK;
    if (status != KERF_OK) continue;
    kerf_gateway* made = nullptr;
    REQUIRE(kerf_gateway_new(t(table), t(kEntities), &made, nullptr) == KERF_OK);
    on_stack(1 << 20, [&] {
      kerf_query* query = nullptr;
      kerf_request asked = request("alice", "p", R"({"mfa": true})");
      int32_t decision = -1;
      if (kerf_query_new(made, &query) == KERF_OK) status = kerf_query_decide(query, &asked, &decision);
      kerf_query_free(query);
    });
    CHECK(status == KERF_OK);
    kerf_gateway_free(made);
  }
  CHECK(deep_enough);
}

// The body runs in a child; its exit status is what it says.
int in_child(const std::function<int()>& body) {
  pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) _exit(body());
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK_FALSE(WIFSIGNALED(status));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("a caller who does not wait for children") {
  int ended = in_child([] {
    signal(SIGCHLD, SIG_IGN);
    SourcesPtr from = sources("permit (principal, action, resource);", kKernelSchema);
    kerf_result* result = nullptr;
    int status = kerf_compile(from.get(), nullptr, &result);
    kerf_result_free(result);
    return status;
  });
  CHECK(ended == KERF_OK);
}

TEST_CASE("a kerf-codegen in the working directory, the environment or PATH is never run") {
  namespace fs = std::filesystem;
  fs::path directory = fs::temp_directory_path() / ("kerf-cwd-" + std::to_string(getpid()));
  fs::create_directories(directory / "libexec" / "kerf");
  for (const char* name : {"kerf-codegen", "libexec/kerf/kerf-codegen"}) {
    std::ofstream(directory / name) << "#!/bin/sh\ntouch " << (directory / "taken").string() << "\n";
    fs::permissions(directory / name, fs::perms::owner_all);
  }
  int ended = in_child([&] {
    if (chdir(directory.c_str()) != 0) return 99;
    for (const char* name : {"PATH", "LD_LIBRARY_PATH", "KERF_CODEGEN", "KERF_LIBEXEC"}) setenv(name, directory.c_str(), 1);
    SourcesPtr from = sources("permit (principal, action, resource);", kKernelSchema);
    kerf_result* result = nullptr;
    int status = kerf_compile(from.get(), nullptr, &result);
    kerf_result_free(result);
    return status;
  });
  CHECK(ended == KERF_OK);
  CHECK_FALSE(fs::exists(directory / "taken"));
  fs::remove_all(directory);
}

// In a process of its own (abi.memory): what other tests left free would be memory for this one.
TEST_CASE("no memory is a status at whatever point it runs out" * doctest::skip()) {
#ifdef __SANITIZE_ADDRESS__
  return;   // it reserves all addresses
#endif
  std::string policies;
  for (int i = 0; i < 5000; ++i) policies += "permit (principal == User::\"u" + std::to_string(i) + "\", action, resource);\n";
  bool ran_out = false, was_enough = false;
  for (std::size_t mib : {1, 65, 66, 67, 4000}) {   // the stack of the work is 64
    CAPTURE(mib);
    int ended = in_child([&] {
      SourcesPtr from = sources(policies, kSchema);
      std::size_t pages = 0;
      std::ifstream("/proc/self/statm") >> pages;
      rlim_t most = pages * 4096 + (mib << 20);
      rlimit memory{most, most};
      setrlimit(RLIMIT_AS, &memory);
      kerf_compile_options wanted = options<kerf_compile_options>();
      wanted.flags = KERF_COMPILE_TABLE_ONLY;
      kerf_result* result = nullptr;
      int status = kerf_compile(from.get(), &wanted, &result);
      kerf_result_free(result);
      return status;
    });
    CHECK((ended == KERF_OK || ended == KERF_NO_MEMORY || ended == KERF_FAILED));
    ran_out = ran_out || ended == KERF_NO_MEMORY;
    was_enough = was_enough || ended == KERF_OK;
  }
  CHECK(ran_out);
  CHECK(was_enough);
}
