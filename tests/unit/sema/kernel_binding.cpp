#include "schema_support.h"

using namespace kerf;
using namespace kerf::test;

namespace {

const char* const kGood = R"(
entity AgentClass;
@kernel("process") entity Agent in [AgentClass] { risk_level: String };
entity DestinationSet;
@kernel("host") entity Host in [DestinationSet];
@kernel("endpoint") entity Destination in [Host, DestinationSet] {
  @kernel("endpoint.host") host?: String,
  @kernel("endpoint.ip") ip: ipaddr,
  @kernel("endpoint.port") port: Long,
  owner?: String,
};
@kernel("net.connect") @errno("EPERM")
action connect appliesTo {
  principal: [Agent], resource: [Destination],
  context: { @kernel("process.uid") uid: Long, @kernel("fact.delegation_depth") depth?: Long,
             @kernel("fact.calm") calm?: Bool, unbound: String },
};
entity Tool;
action invoke appliesTo { principal: [Agent], resource: [Tool], context: { delegation_depth: Long } };
)";

// The good schema with one piece of its text replaced.
std::string with(const std::string& piece, const std::string& replacement) {
  std::string text = kGood;
  const std::size_t at = text.find(piece);
  REQUIRE(at != std::string::npos);
  return text.replace(at, piece.size(), replacement);
}

}  // namespace

TEST_CASE("a bound schema") {
  Loaded t(kGood);
  INFO(messages(t.diagnostics));
  REQUIRE(t.diagnostics.all().empty());
  CHECK(t.schema.kernel_type(KernelKind::process)->name == "Agent");
  CHECK(t.schema.kernel_type(KernelKind::endpoint)->name == "Destination");
  CHECK(t.schema.kernel_type(KernelKind::host)->name == "Host");
  CHECK(t.schema.kernel_type(KernelKind::file) == nullptr);
  const EntityType& destination = t.schema.entity_types.at("Destination");
  CHECK(destination.bindings.size() == 3);
  CHECK(destination.bindings.at("ip").name == "endpoint.ip");
  CHECK(t.sources.text(destination.bindings.at("ip").span) == "\"endpoint.ip\"");
  const Action& connect = t.schema.actions.at({"Action", "connect"});
  CHECK(connect.events == std::vector<KernelEventId>{KernelEventId::net_connect});
  CHECK(connect.refusal_errno == "EPERM");
  CHECK(connect.bindings.size() == 3);
  CHECK(connect.bindings.at("uid").kind == AttrBinding::Kind::observable);
  CHECK(connect.bindings.at("depth").kind == AttrBinding::Kind::fact);
  CHECK(connect.bindings.at("depth").name == "delegation_depth");
  CHECK(t.schema.actions.at({"Action", "invoke"}).events.empty());
}

TEST_CASE("every binding error has its code and marks the wrong word") {
  struct { std::string text; const char* code; std::string marked; } cases[] = {
      {"@kernel(\"process\") namespace N { entity U; }", "K4001", "@kernel(\"process\")"},
      {"@kernel(\"process\") type T = Long;", "K4001", "@kernel(\"process\")"},
      {"type T = { @kernel(\"process.uid\") a: Long };", "K4001", "@kernel(\"process.uid\")"},
      {"entity U { a: { @kernel(\"process.uid\") b: Long } };", "K4001", "@kernel(\"process.uid\")"},
      {"entity U { a: Set<{ @kernel(\"x\") b: Long }> };", "K4001", "@kernel(\"x\")"},
      {"@errno(\"EPERM\") entity U;", "K4001", "@errno(\"EPERM\")"},
      {"entity U { @errno(\"EPERM\") a: Long };", "K4001", "@errno(\"EPERM\")"},
      {"@errno(\"EPERM\") action x;", "K4001", "@errno(\"EPERM\")"},
      {"@kernel(\"proces\") entity U;", "K4002", "\"proces\""},
      {"@kernel entity U;", "K4002", "@kernel"},
      {"@kernel(\"process\") entity U, V;", "K4003", "V"},
      {"@kernel(\"endpoint\") entity U enum [\"10.0.0.1:443\"];", "K4004", "U"},
      {"entity U { @kernel(\"endpoint.port\") port: Long };", "K4005", "\"endpoint.port\""},
      {with("{ risk_level", "{ @kernel(\"process.uid\") uid: Long, risk_level"), "K4006", "\"process.uid\""},
      {with("@kernel(\"process.uid\") uid", "@kernel(\"endpoint.port\") uid"), "K4007", "\"endpoint.port\""},
      {with("  owner?", "  @kernel(\"process.uid\") uid?: Long, owner?"), "K4007", "\"process.uid\""},
      {with("  owner?", "  @kernel(\"fact.x\") x?: Long, owner?"), "K4007", "\"fact.x\""},
      {with("@kernel(\"endpoint.port\")", "@kernel(\"endpoint.prot\")"), "K4008", "\"endpoint.prot\""},
      {with("@kernel(\"process.uid\")", "@kernel(\"process.cwd\")"), "K4008", "\"process.cwd\""},
      {with("port: Long", "port: String"), "K4009", "port"},
      {with("uid: Long", "uid: Set<Long>"), "K4009", "uid"},
      {with("host?", "host"), "K4010", "host"},
      {with("owner?", "owner"), "K4010", "owner"},
      {with("depth?", "depth"), "K4010", "depth"},
      {with("fact.delegation_depth", "fact.delegation-depth"), "K4011", "\"fact.delegation-depth\""},
      {with("fact.delegation_depth", "fact."), "K4011", "\"fact.\""},
      {with("depth?: Long", "depth?: Set<String>"), "K4012", "Set<String>"},
      {with("depth?: Long", "depth?: { a: Long }"), "K4012", "{ a: Long }"},
      {with("depth?: Long", "depth?: Destination"), "K4012", "Destination"},
      {with("fact.calm", "fact.delegation_depth"), "K4013", "\"fact.delegation_depth\""},
      {with("net.connect", "net.conect"), "K4014", "net.conect"},
      {with("net.connect", "net.connect, file.chattr"), "K4014", "file.chattr"},
      {with("net.connect", "net.connect,"), "K4014", "\"net.connect,\""},
      {with("net.connect", "net.connect, net.connect"), "K4015", "net.connect"},
      {"@kernel(\"net.connect\") action x;", "K4016", "net.connect"},
      {with("principal: [Agent], resource: [Destination]", "principal: [Agent, Tool], resource: [Destination]"),
       "K4017", "connect"},
      {with("resource: [Destination]", "resource: [Host]"), "K4017", "connect"},
      {with("delegation_depth: Long", "@kernel(\"process.uid\") delegation_depth: Long"), "K4018", "\"process.uid\""},
      {with("EPERM", "ENOENT"), "K4019", "\"ENOENT\""},
      {with("entity Tool;", "@kernel(\"net.connect\") action dial appliesTo {principal: Agent, resource: Destination};"
                            " entity Tool;"),
       "K4020", "dial"},
  };
  for (const auto& c : cases) {
    INFO(c.text);
    Loaded t(c.text);
    INFO(messages(t.diagnostics));
    CHECK(codes(t.diagnostics) == Codes{c.code});
    CHECK(t.marked(c.code) == c.marked);
  }
}

TEST_CASE("fixes make the schema good") {
  for (const char* piece : {"host?", "owner?", "depth?"}) {
    std::string broken = piece;
    broken.pop_back();
    CHECK(Loaded(with(piece, broken)).fixed("K4010") == kGood);
  }
  CHECK(Loaded(with("endpoint.port", "endpoint.prot")).fixed("K4008") == kGood);
  CHECK(Loaded(with("port: Long", "port: String")).fixed("K4009") == kGood);
  CHECK(Loaded("@kernel(\"proces\") entity U;").fixed("K4002") == "@kernel(\"process\") entity U;");
}

TEST_CASE("bindings of a context that is a common type") {
  const std::string type = "type Ctx = { @kernel(\"process.uid\") uid: Long, n: Long }; type Alias = Ctx;";
  const std::string use = with("context: { @kernel(\"process.uid\") uid: Long, @kernel(\"fact.delegation_depth\") depth?: "
                               "Long,\n             @kernel(\"fact.calm\") calm?: Bool, unbound: String }",
                               "context: Alias");
  Loaded t(type + use);
  INFO(messages(t.diagnostics));
  CHECK(t.diagnostics.all().empty());
  CHECK(t.schema.actions.at({"Action", "connect"}).bindings.at("uid").name == "process.uid");
  CHECK(t.schema.actions.at({"Action", "connect"}).context_spans.size() == 2);
  // An action that is not governed may share the type; a type that no governed action uses may not be annotated.
  CHECK(schema_codes(type + use + "action other appliesTo {principal: Agent, resource: Tool, context: Ctx};").empty());
  CHECK(schema_codes(type + "entity U; action x appliesTo {principal: U, resource: U, context: Ctx};") ==
        Codes{"K4001"});
}

TEST_CASE("one fact in two actions has one type") {
  const std::string second =
      "@kernel(\"net.connect\") action dial appliesTo {principal: Agent, resource: Destination,"
      " context: {@kernel(\"fact.calm\") calm?: Long}};";
  CHECK(schema_codes(kGood + second) == Codes{"K4013", "K4020"});
}

TEST_CASE("enumerated principals are fine, and so are schemas without bindings") {
  CHECK(schema_codes("@kernel(\"process\") entity Agent enum [\"a\", \"b\"];").empty());
  CHECK(schema_codes("entity U; @doc(\"kernel\") action x appliesTo {principal: U, resource: U};").empty());
}

TEST_CASE("an unresolved type is reported once, not again by its binding") {
  CHECK(schema_codes(with("port: Long", "port: Lnog")) == Codes{"K2010"});
}

namespace {

const char* const kFiles = R"(
@kernel("process") entity Agent;
entity FileSet;
@kernel("directory") entity Directory in [Directory, FileSet] { @kernel("directory.path") path: String };
@kernel("file") entity FilePath in [Directory, FileSet] {
  @kernel("file.path") path: String,
  @kernel("file.fs_type") fs_type: String,
  @kernel("file.owner") owner?: Long,
  @kernel("file.mode") mode?: Long,
  @kernel("file.setuid") setuid?: Bool,
  @kernel("file.nlink") nlink?: Long,
};
@kernel("file.read, file.list") action read appliesTo {
  principal: [Agent], resource: [FilePath, Directory], context: { @kernel("process.uid") uid: Long } };
@kernel("file.write, file.create, file.delete, file.rename, file.link, file.stat, file.exec, lib.load") @errno("EACCES")
action change appliesTo { principal: [Agent], resource: [FilePath] };
)";

std::string files_with(const std::string& piece, const std::string& replacement) {
  std::string text = kFiles;
  const std::size_t at = text.find(piece);
  REQUIRE(at != std::string::npos);
  return text.replace(at, piece.size(), replacement);
}

}  // namespace

TEST_CASE("a schema of files") {
  Loaded t(kFiles);
  INFO(messages(t.diagnostics));
  REQUIRE(t.diagnostics.all().empty());
  CHECK(t.schema.actions.at({"Action", "read"}).events ==
        std::vector<KernelEventId>{KernelEventId::file_read, KernelEventId::file_list});
  CHECK(t.schema.actions.at({"Action", "change"}).events.size() == 8);
  CHECK(t.schema.entity_types.at("FilePath").bindings.size() == 6);
  CHECK(t.schema.entity_types.at("Directory").bindings.at("path").name == "directory.path");
  // One of the two kinds is enough, whichever it is.
  CHECK(schema_codes(files_with("resource: [FilePath, Directory]", "resource: [Directory]")).empty());
  CHECK(schema_codes(files_with("resource: [FilePath]", "resource: [Directory]")).empty());
}

TEST_CASE("what schemas of files get wrong") {
  struct Case {
    std::string text, code, marked;
  };
  const std::vector<Case> cases = {
      {files_with("owner?: Long", "owner: Long"), "K4010", "owner"},
      {files_with("nlink?: Long", "nlink: Long"), "K4010", "nlink"},
      {files_with("setuid?: Bool", "setuid?: Long"), "K4009", "setuid"},
      {files_with("@kernel(\"directory.path\") path", "@kernel(\"file.path\") path"), "K4007", "\"file.path\""},
      {files_with("@kernel(\"file.path\")", "@kernel(\"directory.path\")"), "K4007", "\"directory.path\""},
      {files_with("@kernel(\"process.uid\") uid", "@kernel(\"net.protocol\") protocol"), "K4021", "\"net.protocol\""},
      {files_with("@kernel(\"process.uid\") uid", "@kernel(\"file.owner\") owner"), "K4007", "\"file.owner\""},
      {files_with("[FilePath, Directory]", "[FilePath, FileSet]"), "K4017", "read"},
      {files_with("EACCES", "EROFS"), "K4019", "\"EROFS\""},
  };
  for (const auto& c : cases) {
    INFO(c.text);
    Loaded t(c.text);
    INFO(messages(t.diagnostics));
    REQUIRE(!t.diagnostics.all().empty());
    for (const std::string& code : codes(t.diagnostics)) CHECK(code == c.code);
    CHECK(t.marked(c.code) == c.marked);
  }
}
