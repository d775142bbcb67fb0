// Events of files in this machine's kernel: automata, classes of rows and decision against the meaning of plan.h.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "paths.h"
#include "rig.h"
#include "tests/support/put_record.h"

using namespace kerf;
using namespace kerf::test;

namespace {

Outcome random_outcome(std::mt19937_64& random) { return static_cast<Outcome>(random() % 3); }

void fill_env(Program& program, std::size_t env, std::mt19937_64& random, std::size_t rows, std::vector<PathTest> tests) {
  KernelEnv& target = program.plan.envs[env];
  std::size_t predicates = 1 + random() % 4;
  for (std::size_t i = 0; i < predicates; ++i) target.predicates.push_back({PolicyId(0), NodeId(0), Stage::bind});
  target.paths = std::move(tests);
  std::uint64_t forbids = 2 + random() % 20;
  for (std::size_t i = 0; i < rows; ++i) {
    KernelRow& row = add_row(program, env, random() % forbids ? Effect::permit : Effect::forbid, random() % 4 ? Outcome::true_ : Outcome::error);
    for (std::size_t n = random() % 4; n-- > 0 && !target.paths.empty();) {
      row.path.push_back({static_cast<std::uint32_t>(random() % target.paths.size()), random() % 3 ? Outcome::true_ : Outcome::false_});
    }
    if (random() % 2) row.bind.push_back({static_cast<std::uint32_t>(random() % predicates), random_outcome(random)});
  }
}

Binding random_binding(const Program& program, std::mt19937_64& random) {
  Binding binding;
  binding.directory_env = 1;
  for (std::size_t i = 0; i < program.plan.envs[0].predicates.size(); ++i) binding.segments[0].predicates.push_back(random_outcome(random));
  for (std::size_t i = 0; i < program.plan.envs[1].predicates.size(); ++i) binding.directory_segments[0].predicates.push_back(random_outcome(random));
  return binding;
}

std::unique_ptr<Loaded> load(const Program& program) {
  Result<BpfObject> object = emit(program);
  if (!object) FAIL(object.error().message);
  auto loaded = Loaded::load(program, std::move(*object), false);
  if (!loaded) FAIL(loaded.error().message);
  return std::move(*loaded);
}

std::size_t differences(const Program& program, Loaded& loaded, std::uint32_t id, const Binding& binding,
                        const std::vector<std::string>& paths, std::mt19937_64& random) {
  std::vector<kerf_seen> events = file_events(paths, random);
  std::vector<kerf_decision> decisions = loaded.decide(id, events, paths);
  REQUIRE(decisions.size() == events.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    std::string difference = test::difference(expected_file(program, binding, events[i], paths[i]), decisions[i]);
    if (!difference.empty() && wrong++ < 3) MESSAGE(describe(events[i], paths[i]) << ": " << difference);
  }
  return wrong;
}

}  // namespace

TEST_CASE("random path tests, rows, bindings and paths") {
  if (!kernel_takes_bpf()) return;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    Program program = make_file_program();
    std::vector<PathTest> all;
    for (std::size_t env = 0; env < 2; ++env) {
      std::vector<PathTest> tests = random_tests(random, random() % 30);
      if (env == 1 && !all.empty()) tests.push_back(all[0]);   // shared by both environments
      std::sort(tests.begin(), tests.end());
      tests.erase(std::unique(tests.begin(), tests.end()), tests.end());
      all.insert(all.end(), tests.begin(), tests.end());
      fill_env(program, env, random, random() % (seed % 4 == 0 ? 6000 : 300), std::move(tests));
    }
    auto loaded = load(program);
    std::vector<std::string> paths = interesting_paths(all, 300, random);
    for (std::uint32_t id = 1; id <= 2; ++id) {
      Binding binding = random_binding(program, random);
      REQUIRE(loaded->bind(id, binding) == 0);
      CHECK(differences(program, *loaded, id, binding, paths, random) == 0);
    }
  }
}

TEST_CASE("what a test of a path means at its edges") {
  if (!kernel_takes_bpf()) return;
  std::string longest = "/" + std::string(KERF_PATH_BYTES - 1, 'n');
  Program program = make_file_program();
  KernelEnv& env = env_of(program);
  env.paths = {files({"/"}), files({}, {"/"}), files({"/a"}), files({}, {"/a"}), pattern({"/a", ""}), pattern({"", ""}), files({longest}),
               pattern({"/", "é", ""}), pattern({"", ".pem"}), files({"kerf:memfd"})};
  for (std::uint32_t i = 0; i < env.paths.size(); ++i) {
    add_row(program, 0, Effect::permit).path = {{i, Outcome::true_}};
    add_row(program, 0, Effect::permit, Outcome::error).path = {{i, Outcome::false_}};
  }
  auto loaded = load(program);
  Binding binding;
  REQUIRE(loaded->bind(1, binding) == 0);
  std::mt19937_64 random(1);
  std::vector<std::string> paths{"/", "/a", "/ab", "/a/b", "/b", longest, longest.substr(0, KERF_PATH_BYTES - 1), "/é", "/aé/b", "/x.pem", "/.pem",
                                 "/pem", "kerf:memfd", "kerf:memfd2", "k"};
  for (std::size_t size = 4096; size > 4000; --size) paths.push_back("/a/" + std::string(size - 3, 'x'));
  CHECK(differences(program, *loaded, 1, binding, paths, random) == 0);
}

TEST_CASE("bytes that are no UTF-8 are refused, wherever they are") {
  if (!kernel_takes_bpf()) return;
  Program program = make_file_program();
  add_row(program, 0, Effect::permit);
  auto loaded = load(program);
  REQUIRE(loaded->bind(1, {}) == 0);
  std::mt19937_64 random(3);
  std::vector<std::string> paths;
  for (unsigned byte = 1; byte < 256; ++byte) paths.push_back("/" + std::string(1, static_cast<char>(byte)));
  static const char* const bytes[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xdf\xbf", "\xe0\x9f\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xed\xa0\x80",
                                      "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                      "\xe2\x82", "\xf1\x80\x80", "\xff"};
  for (const char* piece : bytes) {
    for (std::size_t before : {0, 1, 7, 126, 127, 128, 4080}) {
      for (std::size_t after : {0, 1, 5}) paths.push_back("/" + std::string(before, 'a') + piece + std::string(after, 'b'));
    }
  }
  for (int i = 0; i < 3000; ++i) {
    std::string path = "/";
    for (std::size_t n = random() % 6; n-- > 0;) path += static_cast<char>(random() % 3 ? 0x80 + random() % 0x80 : 'a');
    paths.push_back(path);
  }
  std::vector<kerf_decision> decisions = loaded->decide(1, file_events(paths, random), paths);
  REQUIRE(decisions.size() == paths.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::uint32_t reason = is_utf8(paths[i]) ? KERF_REASON_PERMIT : KERF_REASON_NOT_TEXT;
    std::uint32_t verdict = is_utf8(paths[i]) ? KERF_VERDICT_ALLOW : KERF_VERDICT_DENY;
    if (decisions[i].reason != reason || decisions[i].verdict != verdict) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("an event that the record has no environment of its kind for is refused") {
  if (!kernel_takes_bpf()) return;
  Program program = make_file_program();
  add_row(program, 0, Effect::permit);
  KernelEnv net{};
  net.environment = 0;
  net.event = KernelEventId::net_connect;
  net.resource = KernelKind::endpoint;
  net.refusal_errno = "ECONNREFUSED";
  program.plan.envs.push_back(net);
  program.module.schema.actions.begin()->second.events.push_back(KernelEventId::net_connect);
  add_row(program, 2, Effect::permit);
  auto loaded = load(program);
  std::mt19937_64 random(1);
  auto reason = [&](std::uint32_t binding, kerf_seen event) { return loaded->decide(binding, {event}, {"/a"}).at(0).reason; };
  kerf_seen read = file_event("/a", random), connect{}, write = read, foreign = read;
  write.event = KERF_EVENT_FILE_WRITE;
  foreign.event = KERF_EVENT_KINDS;
  Binding files, endpoints;
  endpoints.env = 2;
  REQUIRE(loaded->bind(1, files) == 0);
  REQUIRE(loaded->bind(2, endpoints) == 0);
  CHECK(reason(1, read) == KERF_REASON_PERMIT);
  CHECK(reason(1, connect) == KERF_REASON_NO_APPLICABLE_ACTION);
  CHECK(reason(1, write) == KERF_REASON_NO_APPLICABLE_ACTION);
  CHECK(reason(1, foreign) == KERF_REASON_NO_APPLICABLE_ACTION);
  CHECK(reason(2, connect) == KERF_REASON_PERMIT);
  CHECK(reason(2, read) == KERF_REASON_NO_APPLICABLE_ACTION);
  // A record that sends an event to an environment of another kind is broken.
  std::string record = binding_record(program, loaded->layout(), files);
  auto* broken = reinterpret_cast<kerf_binding*>(record.data());
  std::swap(broken->env[KERF_EVENT_FILE_READ], broken->env[KERF_EVENT_NET_CONNECT]);
  broken->env[KERF_EVENT_FILE_READ] = broken->directory_env[KERF_EVENT_FILE_READ] = 3;
  REQUIRE(put_record(loaded->map("kerf_bindings"), 3, record) == 0);
  CHECK(reason(3, read) == KERF_REASON_INTERNAL);
  CHECK(reason(3, connect) == KERF_REASON_INTERNAL);
}

TEST_CASE("the object holds what its events need") {
  Program files = make_file_program(), net = make_program();
  add_row(files, 0, Effect::permit);
  add_row(net, Effect::permit);
  Result<BpfObject> of_files = emit(files), of_net = emit(net);
  REQUIRE(of_files.ok());
  REQUIRE(of_net.ok());
  auto has = [](const std::vector<std::string>& names, const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  CHECK(of_files->layout.governed == KERF_BIT(KERF_EVENT_FILE_READ));
  CHECK(of_net->layout.governed == KERF_BIT(KERF_EVENT_NET_CONNECT));
  CHECK(has(of_files->layout.programs, "kerf_selftest"));
  CHECK_FALSE(has(of_files->layout.programs, "kerf_connect4"));
  CHECK(has(of_net->layout.programs, "kerf_connect4"));
  CHECK(has(of_files->layout.maps, "kerf_anchors"));
  CHECK_FALSE(has(of_net->layout.maps, "kerf_anchors"));
  for (const char* map : {"kerf_bindings", "kerf_state", "kerf_hits"}) {
    CHECK(has(of_files->layout.maps, map));
    CHECK(has(of_net->layout.maps, map));
  }
}
