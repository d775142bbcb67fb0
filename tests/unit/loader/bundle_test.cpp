// A bundle is hostile input: every way to bend one is refused with its own code, before anything happens.
#include <doctest/doctest.h>

#include <sys/stat.h>

#include "sample.h"

using namespace kerf;
using namespace kerf::loader;
using namespace kerf::loader::test;

namespace {

std::string code_of(const std::string& directory) {
  auto bundle = read_bundle_data(directory);
  return bundle ? "" : bundle.error().code;
}

std::string code_of_manifest(const Json& manifest) {
  auto read = read_manifest(seal(manifest));
  return read ? "" : read.error().code;
}

std::string message_of_manifest(const Json& manifest) {
  auto read = read_manifest(seal(manifest));
  return read ? "" : read.error().message;
}

}  // namespace

TEST_CASE("a good bundle is read") {
  TempDir dir;
  write_sample(dir.path(), sample_manifest());
  auto bundle = read_bundle_data(dir.path());
  REQUIRE_MESSAGE(bundle.ok(), (bundle.ok() ? "" : bundle.error().message));
  CHECK(bundle->manifest.policies.size() == 3);
  CHECK(bundle->manifest.policies[2].forbid);
  CHECK(bundle->manifest.environments.at(0).refusal_errno == 111);
  CHECK(bundle->manifest.environments.at(0).active.size() == 5);
  CHECK(bundle->entities.all().size() == 3);
}

TEST_CASE("a copy of a bundle is the same bundle") {
  TempDir dir, copy;
  write_sample(dir.path(), sample_manifest());
  auto bundle = read_bundle_data(dir.path());
  REQUIRE(bundle.ok());
  REQUIRE(copy_bundle(*bundle, copy.path()).ok());
  auto again = read_bundle_data(copy.path());
  REQUIRE(again.ok());
  CHECK(again->manifest.digest == bundle->manifest.digest);
  auto twice = copy_bundle(*bundle, copy.path());
  REQUIRE(!twice.ok());
  CHECK(twice.error().code == "K7407");
}

TEST_CASE("files that are not what the manifest says") {
  TempDir dir;
  write_sample(dir.path(), sample_manifest());
  SUBCASE("no directory") { CHECK(code_of(dir / "nothing") == "K7101"); }
  SUBCASE("no manifest") {
    ::unlink((dir / "manifest.json").c_str());
    CHECK(code_of(dir.path()) == "K7101");
  }
  SUBCASE("a missing output") {
    ::unlink((dir / "table.json").c_str());
    CHECK(code_of(dir.path()) == "K7101");
  }
  SUBCASE("a flipped bit, in each output") {
    for (const char* name : kOutputs) {
      TempDir other;
      write_sample(other.path(), sample_manifest());
      std::string bytes = name == std::string("entities.json") ? kEntities : std::string("content of ") + name;
      bytes[3] ^= 1;
      put(other / name, bytes);
      CHECK_MESSAGE(code_of(other.path()) == "K7106", name);
    }
  }
  SUBCASE("swapped files") {
    ::rename((dir / "table.json").c_str(), (dir / "x").c_str());
    ::rename((dir / "split.json").c_str(), (dir / "table.json").c_str());
    ::rename((dir / "x").c_str(), (dir / "split.json").c_str());
    CHECK(code_of(dir.path()) == "K7106");
  }
  SUBCASE("truncated and grown") {
    put(dir / "table.json", "content of table.jso");
    CHECK(code_of(dir.path()) == "K7106");
    put(dir / "table.json", "content of table.json ");
    CHECK(code_of(dir.path()) == "K7106");
  }
  SUBCASE("a symbolic link to the right content") {
    ::rename((dir / "table.json").c_str(), (dir / "real").c_str());
    REQUIRE(::symlink("real", (dir / "table.json").c_str()) == 0);
    CHECK(code_of(dir.path()) == "K7102");
  }
  SUBCASE("a FIFO does not hold the reader up") {
    ::unlink((dir / "table.json").c_str());
    REQUIRE(::mkfifo((dir / "table.json").c_str(), 0600) == 0);
    CHECK(code_of(dir.path()) == "K7102");
  }
  SUBCASE("a directory") {
    ::unlink((dir / "split.json").c_str());
    REQUIRE(::mkdir((dir / "split.json").c_str(), 0700) == 0);
    CHECK(code_of(dir.path()) == "K7102");
  }
  SUBCASE("huge files, sparse: looked at up to the bound, and not one byte more") {
    auto code_with = [](const char* name, std::int64_t size) {
      TempDir other;
      write_sample(other.path(), sample_manifest());
      int fd = ::open((other / name).c_str(), O_WRONLY | O_CLOEXEC);
      REQUIRE(::ftruncate(fd, size) == 0);
      ::close(fd);
      return code_of(other.path());
    };
    CHECK(code_with("policy.bpf.o", std::int64_t{64} << 20) == "K7106");   // read, and not what the manifest says
    CHECK(code_with("policy.bpf.o", (std::int64_t{64} << 20) + 1) == "K7103");
    CHECK(code_with("manifest.json", std::int64_t{256} << 20) == "K7104");   // read, and zeros are no JSON
    CHECK(code_with("manifest.json", (std::int64_t{256} << 20) + 1) == "K7103");
    CHECK(code_with("table.json", std::int64_t{512} << 20) == "K7106");   // the other two are read by the same rule
    for (const char* name : {"table.json", "split.json", "entities.json"}) CHECK(code_with(name, (std::int64_t{512} << 20) + 1) == "K7103");
  }
  SUBCASE("a link to the directory is fine: it names a bundle") {
    TempDir other;
    REQUIRE(::symlink(dir.path().c_str(), (other / "current").c_str()) == 0);
    CHECK(code_of(other / "current") == "");
  }
}

TEST_CASE("manifests that are not manifests") {
  Json good = sample_manifest();
  CHECK(code_of_manifest(good) == "");
  CHECK(read_manifest("").error().code == "K7104");
  CHECK(read_manifest("[]").error().code == "K7104");
  CHECK(read_manifest("{\"format\":\"kerf-bundle\",\"format\":\"kerf-bundle\"}").error().code == "K7104");
  CHECK(read_manifest(std::string(100000, '[')).error().code == "K7104");
  SUBCASE("versions") {
    for (const char* key : {"version", "abi"}) {
      Json m = good;
      m[key] = 1;
      CHECK(code_of_manifest(m) == "K7105");
      m[key] = 99;
      CHECK(code_of_manifest(m) == "K7105");
    }
    Json m = good;
    m["format"] = "kerf-table";
    CHECK(code_of_manifest(m) == "K7104");
  }
  SUBCASE("digest") {
    std::string text = seal(good);
    text.replace(text.find("0.1.0"), 5, "0.1.1");
    CHECK(read_manifest(text).error().code == "K7107");
  }
  SUBCASE("each key is needed, and no other") {
    for (const auto& [key, value] : good.items()) {
      if (key == "digest") continue;
      Json m = good;
      m.erase(key);
      CHECK_MESSAGE(code_of_manifest(m) == "K7104", key);
    }
    Json m = good;
    m["extra"] = 1;
    CHECK(code_of_manifest(m) == "K7104");
    for (const auto& [key, value] : good["environments"][0].items()) {
      Json e = good;
      e["environments"][0].erase(key);
      CHECK_MESSAGE(code_of_manifest(e) == "K7104", key);
      e = good;
      e["environments"][0][key] = nullptr;
      CHECK_MESSAGE(code_of_manifest(e) == "K7104", key);
    }
  }
}

TEST_CASE("numbers out of range in an environment") {
  auto with = [](const char* key, Json value) {
    Json m = sample_manifest();
    m["environments"][0][key] = std::move(value);
    return code_of_manifest(m);
  };
  CHECK(with("row_words", 3) == "");
  CHECK(with("row_words", 1025) == "K7104");
  CHECK(with("row_words", -1) == "K7104");
  CHECK(with("row_words", 1.5) == "K7104");
  CHECK(with("rows", 193) == "K7104");
  CHECK(with("summary_words", 2) == "K7104");
  CHECK(with("forbid_words", 4) == "K7104");
  CHECK(with("permit_words", 3) == "K7104");
  CHECK(with("active_offset", 7) == "K7104");
  CHECK(with("active_offset", 4294967295u) == "K7104");
  CHECK(with("values_offset", 3) == "K7104");    // overlaps the rows
  CHECK(with("values_offset", 5) == "K7104");    // past the segment
  CHECK(with("value_count", 17) == "K7104");
  CHECK(with("value_count", 1) == "K7104");      // two slots
  CHECK(with("errno", "EVERYTHING") == "K7104");
  CHECK(with("event", "file.read") == "K7104");
  Json row = {{"row", 130}, {"when", Json::array()}};
  CHECK(with("active", Json::array({row})) == "K7104");
  row["row"] = 5;
  CHECK(with("active", Json::array({row, row})) == "K7104");
  CHECK(with("active", Json::array({row})) == "");
  row["when"] = {{3, "true"}};
  CHECK(with("active", Json::array({row})) == "K7104");
  row["when"] = {{0, "maybe"}};
  CHECK(with("active", Json::array({row})) == "K7104");
  row["when"] = {{0, "true", 1}};
  CHECK(with("active", Json::array({row})) == "K7104");
  Json predicate = {{"expr", {{"Bool", true}}}, {"stage", "bind"}, {"policy", 3}};
  CHECK(with("predicates", Json::array({predicate, predicate, predicate})) == "K7104");
  predicate["policy"] = 0;
  CHECK(with("predicates", Json::array({predicate, predicate, predicate})) == "");
  predicate["stage"] = "hook";
  CHECK(with("predicates", Json::array({predicate, predicate, predicate})) == "K7104");
  predicate["stage"] = "bind";
  predicate["expr"] = {{"system", "rm"}};
  CHECK(with("predicates", Json::array({predicate, predicate, predicate})) == "K7104");
}

TEST_CASE("a place in the message") {
  Json m = sample_manifest();
  m["environments"][0]["active"][1]["row"] = 1000;
  CHECK(message_of_manifest(m).find("environments[0].active[1]") != std::string::npos);
}

TEST_CASE("layouts and environments that contradict each other") {
  Json m = sample_manifest();
  m["layout"]["binding_bytes"] = 151;
  CHECK(code_of_manifest(m) == "K7104");
  m["layout"]["binding_bytes"] = 4294967295u;
  CHECK(code_of_manifest(m) == "K7104");
  m = sample_manifest();
  m["environments"].push_back(sample_environment());
  CHECK(code_of_manifest(m) == "K7104");   // two actions for one event and principal type
  m["environments"][1]["principal"] = "Other";
  CHECK(code_of_manifest(m) == "");
}

TEST_CASE("outputs by other names") {
  for (const char* name : {"../table.json", "/etc/passwd", "extra.json", "", "table.json/"}) {
    TempDir dir;
    Json m = sample_manifest();
    write_sample(dir.path(), m);
    m["outputs"] = Json::array();
    for (const char* known : kOutputs) {
      bool bent = std::string(known) == "table.json";
      m["outputs"].push_back({{"name", bent ? name : known}, {"xxh3_128", std::string(32, 'a')}, {"size", 1}});
    }
    put(dir / "manifest.json", seal(m));
    CHECK_MESSAGE(code_of(dir.path()) == "K7108", name);
  }
}

TEST_CASE("entity data that is none") {
  for (const char* text : {"{}", "[1]", "not json", R"([{"uid":{"type":"A","id":"x"},"attrs":{},"parents":[{"type":"A","id":"x"}]}])"}) {
    TempDir dir;
    write_sample(dir.path(), sample_manifest(), text);
    CHECK_MESSAGE(code_of(dir.path()) == "K7109", text);
  }
}

TEST_CASE("features are the table's business, not the manifest's") {
  auto with = [](auto change) {
    TempDir dir;
    Json m = sample_manifest();
    change(m);
    write_sample(dir.path(), m);
    return code_of(dir.path());
  };
  CHECK(with([](Json&) {}) == "");
  CHECK(with([](Json& m) { m["features"].erase(4); }) == "K7110");
  CHECK(with([](Json& m) { m["features"].push_back(m["features"][0]); }) == "K7110");
  CHECK(with([](Json& m) { m["features"][3]["name"] = "telepathy"; }) == "K7110");
  CHECK(with([](Json& m) { m["features"][0]["programs"].erase(0); }) == "K7110");
  CHECK(with([](Json& m) { m["features"][0]["programs"].push_back("kerf_bpf"); }) == "K7110");
  CHECK(with([](Json& m) { m["waived"] = {"guard-mount"}; }) == "");
  CHECK(with([](Json& m) { m["waived"] = {"guard-rename"}; }) == "K7110");   // no file event is governed
  CHECK(with([](Json& m) { m["waived"] = {"identity"}; }) == "K7110");       // no guard
  CHECK(with([](Json& m) { m["waived"] = {"connect"}; }) == "K7110");
}

TEST_CASE("programs are those that the governed events bring in") {
  Json m = sample_manifest();
  m["programs"].erase(0);
  CHECK(code_of_manifest(m) == "K7104");
  m = sample_manifest();
  m["programs"].push_back("kerf_file_open");
  CHECK(code_of_manifest(m) == "K7104");
  m["programs"] = sample_programs(KERF_BIT(KERF_EVENT_NET_CONNECT));
  m["programs"].push_back("kerf_other");
  CHECK(code_of_manifest(m) == "K7104");
  m = sample_manifest();
  m["governed"] = Json::array();
  CHECK(code_of_manifest(m) == "K7104");
  m["governed"] = {"net.connect", "net.listen"};
  CHECK(code_of_manifest(m) == "K7104");
  m["governed"] = {"file.read"};      // the environment's event is not among them
  m["programs"] = sample_programs(KERF_BIT(KERF_EVENT_FILE_READ));
  CHECK(code_of_manifest(m) == "K7104");
}

TEST_CASE("a bundle about files") {
  TempDir dir;
  Json m = sample_file_manifest();
  CHECK(code_of_manifest(m) == "");
  write_sample(dir.path(), m);
  auto bundle = read_bundle_data(dir.path());
  REQUIRE_MESSAGE(bundle.ok(), (bundle.ok() ? "" : bundle.error().message));
  CHECK(bundle->manifest.governed == KERF_BIT(KERF_EVENT_FILE_READ));
  CHECK(bundle->manifest.directory_type == "Directory");
  m["environments"][0]["resource_kind"] = "endpoint";
  CHECK(code_of_manifest(m) == "K7104");
  m["environments"][0]["resource_kind"] = "directory";   // twice
  CHECK(code_of_manifest(m) == "K7104");
}

TEST_CASE("events are told apart up to the last") {
  constexpr std::uint64_t both = KERF_BIT(KERF_EVENT_FILE_READ) | KERF_BIT(KERF_EVENT_END - 1);
  Json m = sample_file_manifest();
  m["governed"].push_back(event_name(KERF_EVENT_END - 1));
  m["programs"] = sample_programs(both);
  m["features"] = sample_features(both);
  CHECK(code_of_manifest(m) == "");
  m["programs"] = sample_programs(KERF_BIT(KERF_EVENT_FILE_READ));
  CHECK(code_of_manifest(m) == "K7104");
}

TEST_CASE("paths of a manifest") {
  auto with = [](Json row) {
    Json m = sample_file_manifest();
    m["paths"] = Json::array({std::move(row)});
    return code_of_manifest(m);
  };
  CHECK(with({{"path", "/a"}, {"kind", "tree"}, {"policies", {0, 2}}}) == "");
  CHECK(with({{"path", "/a"}, {"kind", "prefix"}, {"policies", Json::array()}}) == "");
  CHECK(with({{"path", "a"}, {"kind", "tree"}, {"policies", {0}}}) == "K7104");
  CHECK(with({{"path", "/a"}, {"kind", "glob"}, {"policies", {0}}}) == "K7104");
  CHECK(with({{"path", "/a"}, {"kind", "file"}, {"policies", {3}}}) == "K7104");
  CHECK(with({{"path", "/a"}, {"kind", "file"}, {"policies", {-1}}}) == "K7104");
  CHECK(with({{"path", std::string("/a\0b", 4)}, {"kind", "file"}, {"policies", {0}}}) == "K7104");
}

TEST_CASE("a value of another type than promised is found when the bundle is read") {
  TempDir dir;
  Json m = sample_manifest();
  m["environments"][0]["slots"][0]["expr"] = attr(var("principal"), "risk");
  write_sample(dir.path(), m);
  CHECK(code_of(dir.path()) == "K7308");
}
