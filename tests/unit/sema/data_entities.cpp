#include "schema_support.h"

using namespace kerf;
using namespace kerf::test;

namespace {

const char* const kSchema = R"(
entity U in [G] {n: Long, o?: String, e?: U, a?: Action, ip?: ipaddr, dec?: decimal, dt?: datetime, dur?: duration,
                 s?: Set<Long>, r?: {x: Long, y?: String}, c?: Color, b?: Bool} tags Set<String>;
entity G in H; entity H in H;
entity Color enum ["red", "green"]; entity CC in Color;
action view in read appliesTo {principal: [U, Color], resource: G, context: {i: Long, u?: U, ip?: ipaddr, c?: Color}};
action read in root; action root;
)";

struct Data : Loaded {
  Entities entities;
  Data(const std::string& schema_text, const std::string& json) : Loaded(schema_text) {
    REQUIRE_MESSAGE(!diagnostics.has_errors(), messages(diagnostics));
    diagnostics = {};
    SourceId id = sources.add("entities.json", json);
    entities = read_entities(sources, id, schema, diagnostics);
  }
};

std::string user(const std::string& attrs, const std::string& parents = "", const std::string& more = "") {
  return R"([{"uid":{"type":"U","id":"a"},"attrs":{"n":1)" + std::string(attrs.empty() ? "" : ",") + attrs +
         R"(},"parents":[)" + parents + "]" + more + "}]";
}

std::string entity(const std::string& type, const std::string& id, const std::string& parents = "") {
  return fmt::format(R"({{"uid":{{"type":"{}","id":"{}"}},"attrs":{{}},"parents":[{}]}})", type, id, parents);
}

std::string ref(const std::string& type, const std::string& id) {
  return fmt::format(R"({{"type":"{}","id":"{}"}})", type, id);
}

}  // namespace

TEST_CASE("implicit and explicit forms give the same values") {
  const char* forms[][2] = {
      {R"("ip":"10.0.0.1")", R"(ip("10.0.0.1"))"},
      {R"("ip":{"fn":"ip","arg":"10.0.0.1"})", R"(ip("10.0.0.1"))"},
      {R"("ip":{"__extn":{"fn":"ip","args":["10.0.0.1"]}})", R"(ip("10.0.0.1"))"},
      {R"("e":{"type":"U","id":"q","extra":1})", R"(U::"q")"},
      {R"("e":{"__entity":{"type":"U","id":"q"}})", R"(U::"q")"},
      {R"("a":{"type":"Action","id":"view"})", R"(Action::"view")"},
      {R"("dt":{"fn":"offset","args":["2024-01-01",{"fn":"duration","arg":"1h"}]})", ""},
      {R"("b":{"__extn":{"fn":"isIpv4","arg":{"__extn":{"fn":"ip","arg":"1.2.3.4"}}}})", "true"},
      {R"("s":[3,1,1])", "[1, 3]"},
      {R"("r":{"x":-9223372036854775808})", ""},
      {R"("o":"\u00e9\ud83d\ude00\n")", ""},
  };
  for (const auto& [json, text] : forms) {
    INFO(json);
    Data t(kSchema, user(json));
    CHECK_MESSAGE(t.diagnostics.all().empty(), messages(t.diagnostics));
    const Entity* stored = t.entities.find({"U", "a"});
    REQUIRE(stored != nullptr);
    REQUIRE(stored->attrs.size() == 2);
    const std::string name = std::string(json).substr(1, std::string(json).find('"', 1) - 1);
    if (*text) CHECK(to_text(stored->attrs.at(name)) == text);
  }
  Data t(kSchema, user(R"("o":"\u00e9\ud83d\ude00\n")"));
  CHECK(*t.entities.find({"U", "a"})->attrs.at("o").as_string() == "\xc3\xa9\xf0\x9f\x98\x80\n");
  CHECK(*Data(kSchema, user(R"("r":{"x":-9223372036854775808})"))
             .entities.find({"U", "a"})->attrs.at("r").as_record()->at("x").as_long() == INT64_MIN);
}

TEST_CASE("tags, parents, actions of the schema") {
  Data t(kSchema, user("", ref("G", "g") + "," + ref("H", "h") + "," + ref("G", "g"), R"(,"tags":{"k":["v"]},"x":1)"));
  REQUIRE_MESSAGE(t.diagnostics.all().empty(), messages(t.diagnostics));
  const Entity* stored = t.entities.find({"U", "a"});
  CHECK(stored->parents == std::vector<EntityUid>{{"G", "g"}, {"H", "h"}});
  CHECK(to_text(stored->tags.at("k")) == R"(["v"])");
  CHECK(t.entities.is_in({"Action", "view"}, {"Action", "root"}));
}

TEST_CASE("every data error has its code and marks the value") {
  struct { std::string json; const char* code; std::string marked; } cases[] = {
      {"[{\"uid\":}]", "K6001", "}"},
      {"[] x", "K6001", "x"},
      {"[\"\\x\"]", "K6001", "\\x"},
      {"[\"\\ud800\"]", "K6001", "\\ud800"},
      {"[01]", "K6001", "1"},
      {"[\"a\nb\"]", "K6001", "\n"},
      {"[\xff]", "K6001", "\xff"},
      {"", "K6001", ""},
      {"[\"a", "K6001", ""},
      {user(R"("o":"x","o":"x")"), "K6002", "\"o\""},
      {user(R"("o":null)"), "K6003", "null"},
      {user(R"("r":{"x":null})"), "K6003", "null"},
      {user(R"("ip":null)"), "K6003", "null"},
      {user(R"("r":{"x":1.0})"), "K6004", "1.0"},
      {user(R"("s":[9223372036854775808])"), "K6004", "9223372036854775808"},
      {user(R"("s":[-0])"), "K6004", "-0"},
      {R"([{"uid":"U::\"a\"","attrs":{},"parents":[]}])", "K6005", R"("U::\"a\"")"},
      {R"([{"uid":{"type":"U","id":4},"attrs":{},"parents":[]}])", "K6005", R"({"type":"U","id":4})"},
      {user(R"("e":"U::\"z\"")"), "K6005", R"("U::\"z\"")"},
      {user(R"("e":{"__entity":"x"})"), "K6005", R"({"__entity":"x"})"},
      {user(R"("zzz":1)"), "K6006", "\"zzz\""},
      {user(R"("r":{"x":1,"z":1})"), "K6006", "\"z\""},
      {R"([{"uid":{"type":"U","id":"a"},"attrs":{},"parents":[]}])", "K6007", R"({"type":"U","id":"a"})"},
      {user(R"("r":{"y":"a"})"), "K6007", "{"},
      {"{}", "K6008", "{}"},
      {"[1]", "K6008", "1"},
      {R"([{"uid":{"type":"G","id":"a"},"attrs":[],"parents":[]}])", "K6008", "[]"},
      {user("", "", R"(,"tags":null)"), "K6008", "null"},
      {R"([{"attrs":{},"parents":[]}])", "K6009", "{"},
      {R"([{"uid":{"type":"G","id":"a"},"attrs":{}}])", "K6009", "{"},
      {R"([{"uid":{"type":"G","id":"a"},"parents":[]}])", "K6009", "{"},
      {user(R"("o":1)"), "K6010", "1"},
      {user(R"("s":[1,"a"])"), "K6010", "\"a\""},
      {user(R"("s":1)"), "K6010", "1"},
      {user(R"("r":[])"), "K6010", "[]"},
      {user(R"("e":{"type":"G","id":"x"})"), "K6010", R"({"type":"G","id":"x"})"},
      {user(R"("ip":{"__extn":{"fn":"decimal","arg":"1.0"}})"), "K6010", R"({"__extn":{"fn":"decimal","arg":"1.0"}})"},
      {user(R"("ip":42)"), "K6010", "42"},
      {user(R"("o":{"__entity":{"type":"U","id":"x"}})"), "K6010", R"({"__entity":{"type":"U","id":"x"}})"},
      {user(R"("o":{"__expr":"1"})"), "K6011", "\"__expr\""},
      {user(R"("ip":"nope")"), "K6012", "\"nope\""},
      {user(R"("b":{"__extn":{"fn":"isIpv4","arg":"1.2.3.4"}})"), "K6012", "\"1.2.3.4\""},
      {user(R"("ip":{"fn":"ipaddr","arg":"1.2.3.4"})"), "K6013", "\"ipaddr\""},
      {user(R"("ip":{"fn":"ip","args":["1.2.3.4","5"]})"), "K6014", R"(["1.2.3.4","5"])"},
      {user(R"("a":{"type":"Action","id":"nope"})"), "K6016", "\"nope\""},
      {"[" + entity("Action", "nope") + "]", "K6016", ref("Action", "nope")},
      {user(R"("c":{"type":"Color","id":"blue"})"), "K6017", "\"blue\""},
      {"[" + entity("Color", "gren") + "]", "K6017", "\"gren\""},
      {"[" + entity("CC", "a", ref("Color", "blue")) + "]", "K6017", "\"blue\""},
      {"[" + entity("Nope", "x") + "]", "K6018", ref("Nope", "x")},
      {user("", ref("Color", "red")), "K6019", ref("Color", "red")},
      {user("", ref("U", "a")), "K6019", ref("U", "a")},
      {user("", ref("Action", "view")), "K6019", ref("Action", "view")},
      {R"([{"uid":{"type":"G","id":"a"},"attrs":{},"parents":[],"tags":{"x":"y"}}])", "K6020", "\"x\""},
      {"[" + entity("G", "g") + "," + entity("G", "g", ref("H", "h")) + "]", "K6024", ref("G", "g")},
      {"[" + entity("Action", "view") + "]", "K6025", ref("Action", "view")},
      {"[" + entity("H", "a", ref("H", "a")) + "]", "K6026", ref("H", "a")},
      {"[" + entity("H", "a", ref("H", "b")) + "," + entity("H", "b", ref("H", "a")) + "]", "K6026", ref("H", "a")},
  };
  for (const auto& c : cases) {
    INFO(c.json);
    Data t(kSchema, c.json);
    INFO(messages(t.diagnostics));
    CHECK(codes(t.diagnostics) == Codes{c.code});
    CHECK(t.marked(c.code) == c.marked);
    CHECK(t.entities.all().size() == 3);  // the schema's actions
  }
}

TEST_CASE("repetitions and actions that say the same are accepted") {
  const std::string g = entity("G", "g", ref("H", "h"));
  CHECK(Data(kSchema, "[" + g + "," + g + "]").diagnostics.all().empty());
  CHECK(Data(kSchema, "[" + entity("Action", "root") + "]").diagnostics.all().empty());
  CHECK(Data(kSchema, "[" + entity("Action", "view", ref("Action", "read") + "," + ref("Action", "root")) + "]")
            .diagnostics.all().empty());
  CHECK(Data(kSchema, "[" + entity("Action", "view", ref("Action", "read")) + "," +
                          entity("Action", "read", ref("Action", "root")) + "]")
            .diagnostics.all().empty());
}

TEST_CASE("deep nesting and floods of errors end early") {
  CHECK(codes(Data(kSchema, std::string(300, '[')).diagnostics) == Codes{"K8001"});
  std::string many = "[" + entity("Nope", "x");
  for (int i = 0; i < 5000; ++i) many += "," + entity("Nope", "x");
  Data t(kSchema, many + "]");
  CHECK(t.diagnostics.error_count() == 101);
  CHECK(catalogue_row(t.diagnostics.all().back().code).name == "K6031");
}

namespace {

const char* const kKernelSchema = R"(
@kernel("process") entity Agent;
entity Set_; @kernel("host") entity Host in [Set_];
@kernel("directory") entity Directory in [Directory];
@kernel("file") entity File in [Directory, Set_] { owner?: Agent };
@kernel("endpoint") entity Endpoint in [Host, Set_] {
  @kernel("endpoint.host") host?: String, @kernel("endpoint.ip") ip: ipaddr, @kernel("endpoint.port") port: Long,
  peer?: Endpoint };
entity Link in [Directory];
)";

std::string endpoint(const std::string& id, const std::string& ip, int port, const std::string& more = "") {
  return fmt::format(R"([{{"uid":{{"type":"Endpoint","id":"{}"}},"attrs":{{"ip":"{}","port":{}{}}},"parents":[]}}])", id,
                     ip, port, more);
}

}  // namespace

TEST_CASE("entities of kernel-bound types have canonical ids") {
  CHECK(Data(kKernelSchema, endpoint("10.0.0.1:443", "10.0.0.1", 443)).diagnostics.all().empty());
  CHECK(Data(kKernelSchema, endpoint("[2001:db8::1]:443", "2001:db8::1", 443)).diagnostics.all().empty());
  CHECK(Data(kKernelSchema, "[" + entity("File", "/srv/a b") + "," + entity("Directory", "/") + "]")
            .diagnostics.all().empty());
  Data mapped(kKernelSchema, endpoint("[::ffff:10.0.0.1]:443", "10.0.0.1", 443));
  CHECK(codes(mapped.diagnostics) == Codes{"K6015"});
  CHECK(mapped.fixed("K6015") == endpoint("10.0.0.1:443", "10.0.0.1", 443));
  Data path(kKernelSchema, "[" + entity("File", "/srv//a/") + "]");
  CHECK(codes(path.diagnostics) == Codes{"K6015"});
  CHECK(path.fixed("K6015") == "[" + entity("File", "/srv/a") + "]");
  // also where they are only named
  CHECK(codes(Data(kKernelSchema, endpoint("10.0.0.1:443", "10.0.0.1", 443, R"(,"peer":{"type":"Endpoint","id":"x"})"))
                  .diagnostics) == Codes{"K6015"});
}

TEST_CASE("stored values may repeat what a hook observes and may not contradict it") {
  Data port(kKernelSchema, endpoint("10.0.0.1:443", "10.0.0.1", 80));
  CHECK(codes(port.diagnostics) == Codes{"K6021"});
  CHECK(port.marked("K6021") == "80");
  CHECK(port.fixed("K6021") == endpoint("10.0.0.1:443", "10.0.0.1", 443));
  CHECK(codes(Data(kKernelSchema, endpoint("10.0.0.1:443", "10.0.0.0/8", 443)).diagnostics) == Codes{"K6021"});
  CHECK(codes(Data(kKernelSchema, endpoint("10.0.0.1:443", "10.0.0.1", 443, R"(,"host":"h")")).diagnostics) ==
        Codes{"K6022"});
  Data missing(kKernelSchema, R"([{"uid":{"type":"Endpoint","id":"10.0.0.1:443"},"attrs":{"port":443},"parents":[]}])");
  CHECK(codes(missing.diagnostics) == Codes{"K6007"});
  CHECK(missing.only().help.at(0).find("\"ip\": \"10.0.0.1\"") != std::string::npos);
}

TEST_CASE("paths decide what is in a directory; other groups are free") {
  CHECK(codes(Data(kKernelSchema, "[" + entity("File", "/a/b", ref("Directory", "/a")) + "]").diagnostics) ==
        Codes{"K6023"});
  CHECK(codes(Data(kKernelSchema, "[" + entity("Link", "x", ref("Directory", "/a")) + "]").diagnostics) ==
        Codes{"K6023"});
  CHECK(Data(kKernelSchema, "[" + entity("File", "/a/b", ref("Set_", "s")) + "," +
                                entity("Host", "example.com", ref("Set_", "s")) + "]")
            .diagnostics.all().empty());
}
