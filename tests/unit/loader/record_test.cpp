// Predicates, slots and facts become bits and words exactly.
#include <doctest/doctest.h>

#include <cstring>

#include "runtime/loader/record.h"
#include "sample.h"

using namespace kerf;
using namespace kerf::loader;
using namespace kerf::loader::test;

namespace {

LoadedBundle sample_bundle(const Json& manifest = sample_manifest(), const char* entities = kEntities) {
  TempDir dir;
  write_sample(dir.path(), manifest, entities);
  auto bundle = read_bundle_data(dir.path());
  REQUIRE_MESSAGE(bundle.ok(), (bundle.ok() ? "" : bundle.error().message));
  return std::move(*bundle);
}

struct Record {
  std::vector<std::uint64_t> words;
  std::uint64_t word(std::size_t segment, std::size_t i) const { return words.at(segment * 10 + i); }
  kerf_binding header;
};

Record decode(const std::vector<std::uint8_t>& bytes) {
  Record record;
  std::memcpy(&record.header, bytes.data(), sizeof record.header);
  record.words.resize((bytes.size() - sizeof record.header) / 8);
  std::memcpy(record.words.data(), bytes.data() + sizeof record.header, record.words.size() * 8);
  return record;
}

LoaderResult<std::vector<std::uint8_t>> build(const LoadedBundle& bundle, const char* id, Facts facts, std::uint64_t now = 1000) {
  return build_record(bundle, {{"Agent", id}, std::move(facts), 7, KERF_MODE_ENFORCE, now});
}

Record make(const LoadedBundle& bundle, const char* id, Facts facts, std::uint64_t now = 1000) {
  auto bytes = build(bundle, id, std::move(facts), now);
  REQUIRE_MESSAGE(bytes.ok(), (bytes.ok() ? "" : bytes.error().message));
  return decode(*bytes);
}

Value number(std::int64_t n) { return Value(n); }
constexpr std::uint64_t kTop = std::uint64_t{1} << 63;

}  // namespace

TEST_CASE("rows that hold, without facts") {
  LoadedBundle bundle = sample_bundle();
  Record r = make(bundle, "a1", {});
  CHECK(r.header.generation == 7);
  CHECK(r.header.segment_count == 1);
  CHECK(r.header.segment_until_ns[0] == ~0ull);
  CHECK(r.header.segment_until_ns[8] == ~0ull);
  CHECK(r.header.env[KERF_EVENT_NET_CONNECT] == 1);
  CHECK(r.header.env[1] == 0);
  CHECK(r.word(0, 0) == 0b110);          // permit and error words; `paused` is absent: reading it errs
  CHECK(r.word(0, 1) == 0);
  CHECK(r.word(0, 2) == (1 | kTop));     // risk is low; row 127 always
  CHECK(r.word(0, 3) == 2);
}

TEST_CASE("another principal, other rows") {
  LoadedBundle bundle = sample_bundle();
  Record r = make(bundle, "a2", {});
  CHECK(r.word(0, 2) == kTop);
  kerf_value limit, home;
  std::memcpy(&limit, &r.words[4], sizeof limit);
  std::memcpy(&home, &r.words[7], sizeof home);
  CHECK(limit.kind == KERF_VALUE_ERROR);   // a2 has no limit: an error that takes effect where it is reached
  CHECK(home.kind == KERF_VALUE_ERROR);
}

TEST_CASE("values") {
  LoadedBundle bundle = sample_bundle();
  Record r = make(bundle, "a1", {});
  kerf_value limit, home;
  std::memcpy(&limit, &r.words[4], sizeof limit);
  std::memcpy(&home, &r.words[7], sizeof home);
  CHECK(limit.kind == KERF_VALUE_LONG);
  CHECK(limit.low == 3);
  CHECK(home.kind == KERF_VALUE_IP4);
  CHECK(home.low == 0x0a010000);
  CHECK(home.high == 0);
  CHECK(home.prefix == 16);
}

TEST_CASE("an IPv6 value and a negative Long") {
  LoadedBundle bundle = sample_bundle(sample_manifest(), R"([{"uid":{"type":"Agent","id":"a1"},"parents":[],
    "attrs":{"risk":"low","limit":-2,"home":{"__extn":{"fn":"ip","arg":"2001:db8::1"}}}}])");
  Record r = make(bundle, "a1", {});
  kerf_value limit, home;
  std::memcpy(&limit, &r.words[4], sizeof limit);
  std::memcpy(&home, &r.words[7], sizeof home);
  CHECK(static_cast<std::int64_t>(limit.low) == -2);
  CHECK(home.kind == KERF_VALUE_IP6);
  CHECK(home.high == 0x20010db800000000ull);
  CHECK(home.low == 1);
  CHECK(home.prefix == 128);
}

TEST_CASE("facts switch rows on and off") {
  LoadedBundle bundle = sample_bundle();
  Record r = make(bundle, "a1", {{"delegation_depth", {number(3), kNoDeadline}}, {"paused", {Value(true), kNoDeadline}}});
  CHECK(r.word(0, 0) == 0b011);
  CHECK(r.word(0, 1) == 1);
  CHECK(r.word(0, 2) == (3 | kTop));
  r = make(bundle, "a1", {{"delegation_depth", {number(4), kNoDeadline}}, {"paused", {Value(false), kNoDeadline}}});
  CHECK(r.word(0, 0) == 0b010);
  CHECK(r.word(0, 2) == (1 | kTop));
}

TEST_CASE("deadlines make segments") {
  LoadedBundle bundle = sample_bundle();
  Facts facts{{"delegation_depth", {number(1), 5000}}, {"paused", {Value(true), 3000}}};
  Record r = make(bundle, "a1", facts);
  REQUIRE(r.header.segment_count == 3);
  CHECK(r.header.segment_until_ns[0] == 3000);
  CHECK(r.header.segment_until_ns[1] == 5000);
  CHECK(r.header.segment_until_ns[2] == ~0ull);
  CHECK(r.word(0, 1) == 1);
  CHECK(r.word(0, 2) == (3 | kTop));
  CHECK(r.word(1, 1) == 0);
  CHECK(r.word(1, 2) == (3 | kTop));
  CHECK(r.word(1, 3) == 2);
  CHECK(r.word(2, 2) == (1 | kTop));
  Record later = make(bundle, "a1", facts, 3000);    // the first deadline is now: that fact is gone
  CHECK(later.header.segment_count == 2);
  CHECK(later.word(0, 1) == 0);
  Record same = make(bundle, "a1", {{"delegation_depth", {number(1), 5000}}, {"paused", {Value(true), 5000}}});
  CHECK(same.header.segment_count == 2);
}

TEST_CASE("too many deadlines") {
  Json manifest = sample_manifest();
  Facts facts;
  for (int i = 0; i < 9; ++i) {
    std::string name = "f" + std::to_string(i);
    manifest["environments"][0]["facts"].push_back({{"name", name}, {"attribute", name}, {"type", "Long"}});
    facts.insert({name, {number(1), 2000u + static_cast<std::uint64_t>(i)}});
  }
  LoadedBundle bundle = sample_bundle(manifest);
  CHECK(build(bundle, "a1", facts).error().code == "K7306");
  facts.erase("f0");
  auto fits = build(bundle, "a1", facts);
  REQUIRE(fits.ok());
  CHECK(decode(*fits).header.segment_count == 9);
}

TEST_CASE("a predicate that only the event could answer is found when the manifest is read") {
  auto code = [](const Json& manifest) {
    auto read = read_manifest(seal(manifest));
    return read ? "" : read.error().code;
  };
  for (const char* unknown : {"resource", "action"}) {
    for (const Json& expr : {equal(var(unknown), var("principal")), has(attr(var(unknown), "home"), "x")}) {
      Json manifest = sample_manifest();
      manifest["environments"][0]["predicates"][0]["expr"] = expr;
      CHECK(code(manifest) == "K7307");
    }
  }
  Json manifest = sample_manifest();
  manifest["environments"][0]["predicates"][0]["expr"] = has(var("context"), "depth");   // stage bind
  CHECK(code(manifest) == "K7307");
  manifest["environments"][0]["predicates"][0]["stage"] = "publish";
  CHECK(code(manifest) == "");
  manifest["environments"][0]["slots"][1]["expr"] = attr(var("resource"), "ip");
  CHECK(code(manifest) == "K7307");
}

TEST_CASE("names of an address: hosts as parents, `endpoint.host` for one, and deadlines") {
  Json manifest = sample_manifest();
  Json& env = manifest["environments"][0];
  manifest["host_type"] = "Host";
  env["observed"].push_back({{"observable", "endpoint.host"}, {"attribute", "host"}, {"of", "resource"}});
  const Json host = {{"Entity", {{"type", "Host"}, {"id", "a.example"}}}};
  const Json in_host = {{"in", Json::array({var("resource"), host})}};
  env["predicates"][0] = {{"expr", in_host}, {"stage", "learn"}, {"policy", 0}};
  env["predicates"][1] = {{"expr", has(var("resource"), "host")}, {"stage", "learn"}, {"policy", 1}};
  LoadedBundle bundle = sample_bundle(manifest);
  auto record = [&](const Hosts& hosts) {
    RecordInput input{{"Agent", "a1"}, {}, 7, 0, 1000, hosts, 5};
    auto built = build_record(bundle, input);
    REQUIRE(built.ok());
    return decode(*built);
  };
  const Record none = record({}), one = record({{"a.example", kNoDeadline}}), other = record({{"b.example", kNoDeadline}});
  CHECK(one.header.revision == 1000);
  CHECK(one.header.names == 5);
  CHECK(none.words != one.words);
  CHECK(one.words != other.words);
  const Record both = record({{"a.example", kNoDeadline}, {"b.example", kNoDeadline}});
  CHECK(both.words != one.words);                   // `host` is absent
  const Record timed = record({{"a.example", 5000}, {"b.example", kNoDeadline}, {"c.example", 500}});
  CHECK(timed.header.segment_count == 2);
  CHECK(timed.header.segment_until_ns[0] == 5000);
  const std::size_t words = bundle.manifest.segment_words;
  auto segment = [&](const Record& r, std::size_t i) { return std::vector(r.words.begin() + static_cast<std::ptrdiff_t>(i * words), r.words.begin() + static_cast<std::ptrdiff_t>((i + 1) * words)); };
  CHECK(segment(timed, 0) == segment(both, 0));
  CHECK(segment(timed, 1) == segment(other, 0));
}

TEST_CASE("two environments of one event: files and directories") {
  LoadedBundle bundle = sample_bundle(sample_file_manifest());
  Record r = make(bundle, "a1", {});
  CHECK(r.header.env[KERF_EVENT_FILE_READ] == 1);
  CHECK(r.header.directory_env[KERF_EVENT_FILE_READ] == 2);
  CHECK(r.header.env[KERF_EVENT_NET_CONNECT] == 0);
  CHECK(r.header.directory_env[KERF_EVENT_FILE_WRITE] == 0);
  Json only_files = sample_file_manifest();
  only_files["environments"].erase(1);
  r = make(sample_bundle(only_files), "a1", {});
  CHECK(r.header.env[KERF_EVENT_FILE_READ] == 1);
  CHECK(r.header.directory_env[KERF_EVENT_FILE_READ] == 1);      // a directory is a file where no action lists it
  Json only_directories = sample_file_manifest();
  only_directories["environments"].erase(0);
  r = make(sample_bundle(only_directories), "a1", {});
  CHECK(r.header.env[KERF_EVENT_FILE_READ] == 0);                // no applicable action: refused
  CHECK(r.header.directory_env[KERF_EVENT_FILE_READ] == 1);
}

TEST_CASE("facts that another bundle published") {
  LoadedBundle bundle = sample_bundle();
  CHECK(check_facts(bundle.manifest, {{"delegation_depth", {number(3), kNoDeadline}}, {"unknown", {Value(true), kNoDeadline}}}).ok());
  CHECK(check_facts(bundle.manifest, {{"delegation_depth", {Value(true), kNoDeadline}}}).error().code == "K7305");
}

TEST_CASE("facts of an enumerated entity type, and of types whose text is no literal") {
  auto with_type = [](const char* type, Json ids) {
    Json manifest = sample_manifest();
    manifest["environments"][0]["facts"][0]["type"] = type;
    if (!ids.is_null()) manifest["environments"][0]["facts"][0]["ids"] = std::move(ids);
    return read_manifest(seal(manifest));
  };
  auto tier = with_type("Tier", {"gold", "silver"});
  REQUIRE(tier.ok());
  CHECK(*parse_fact(*tier, "delegation_depth", "Tier::\"gold\"") == Value(EntityUid{"Tier", "gold"}));
  auto lead = parse_fact(*tier, "delegation_depth", "Tier::\"lead\"");
  REQUIRE(!lead.ok());
  CHECK(lead.error().code == "K7305");
  CHECK(lead.error().help.back() == "for example: delegation_depth='Tier::\"gold\"'");
  auto published = [](const Manifest& manifest, Value value) {
    return check_facts(manifest, {{"delegation_depth", {std::move(value), kNoDeadline}}}).ok();
  };
  CHECK(published(*tier, Value(EntityUid{"Tier", "silver"})));
  CHECK(!published(*tier, Value(EntityUid{"Tier", "lead"})));
  CHECK(!published(*tier, Value(EntityUid{"Other", "gold"})));
  auto since = with_type("datetime", nullptr);
  REQUIRE(since.ok());
  CHECK(published(*since, Value(Datetime{12345})));
  CHECK(!published(*since, Value(Duration{12345})));
  CHECK(!with_type("Tier", "gold").ok());
  CHECK(!with_type("Tier", {1}).ok());
}

TEST_CASE("principals") {
  LoadedBundle bundle = sample_bundle();
  CHECK(find_principal(bundle, "Agent::\"a1\"").ok());
  auto none = find_principal(bundle, "Agent::\"a9\"");
  CHECK(none.error().code == "K7302");
  CHECK(none.error().help.back().find("Agent::\"a1\"") != std::string::npos);
  CHECK(find_principal(bundle, "AgentClass::\"batch\"").error().code == "K7303");
  for (const char* text : {"a1", "Agent::a1", "", "Agent::\"a1\" ", "Agent::\"\xff\""}) {
    CHECK_MESSAGE(find_principal(bundle, text).error().code == "K7301", text);
  }
}

TEST_CASE("facts as users write them") {
  LoadedBundle bundle = sample_bundle();
  const Manifest& m = bundle.manifest;
  CHECK(*parse_fact(m, "delegation_depth", "-9223372036854775808") == number(INT64_MIN));
  CHECK(*parse_fact(m, "paused", "true") == Value(true));
  for (const char* text : {"", "deep", "3.0", "3 ", "9223372036854775808", "\"3\"", "true", "+3"}) {
    CHECK_MESSAGE(parse_fact(m, "delegation_depth", text).error().code == "K7305", text);
  }
  auto wrong = parse_fact(m, "delegaton_depth", "3");
  CHECK(wrong.error().code == "K7304");
  CHECK(wrong.error().help.back() == "did you mean `delegation_depth`?");
}

TEST_CASE("facts of every type") {
  auto parse = [](const char* type, const char* text) {
    Json manifest = sample_manifest();
    manifest["environments"][0]["facts"][0]["type"] = type;
    auto read = read_manifest(seal(manifest));
    REQUIRE(read.ok());
    return parse_fact(*read, "delegation_depth", text);
  };
  CHECK(*parse("String", "\"a\\nb\"") == Value(std::string("a\nb")));
  CHECK(!parse("String", "a").ok());
  CHECK(!parse("String", "\"a\" \"b\"").ok());
  CHECK(parse("ipaddr", "ip(\"10.0.0.1\")").ok());
  CHECK(!parse("ipaddr", "ip(\"10.0.0.256\")").ok());
  CHECK(!parse("ipaddr", "\"10.0.0.1\"").ok());
  CHECK(parse("decimal", "decimal(\"1.5\")").ok());
  CHECK(parse("datetime", "datetime(\"2026-01-01\")").ok());
  CHECK(parse("duration", "duration(\"1h\")").ok());
  CHECK(*parse("Agent", "Agent::\"a1\"") == Value(EntityUid{"Agent", "a1"}));
  CHECK(!parse("Agent", "Other::\"a1\"").ok());
}
