// The fast way of reading a table takes nothing that the strict way refuses, and reads the same: on tables as they are
// written, and on ones that are damaged in thousands of ways.
#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <fstream>
#include <set>
#include <sstream>

#include "ir/values/json.h"
#include "runtime/gateway/program.h"
#include "runtime/gateway/table_state.h"
#include "runtime/gateway/text_node.h"
#include "tests/unit/gateway/random_table.h"

using namespace kerf;
using namespace kerf::gateway;
using namespace kerf::gateway::random;

namespace {

void append(std::ostringstream& out, const Program& program) {
  for (const Instruction& i : program.code) out << static_cast<int>(i.code) << ' ' << i.a << ' ' << i.b << ';';
  for (const Value& value : program.literals) out << value_to_json(value).dump() << ';';
  for (const std::string& name : program.names) out << name.size() << name;
  for (const Pattern& pattern : program.patterns) {
    for (const std::string& piece : pattern.pieces) out << piece.size() << piece << '*';
  }
}

// All that a table is, as text.
std::string dump(const Table::State& state) {
  std::ostringstream out;
  for (const PolicyInfo& p : state.policies) {
    out << p.id << p.forbid << p.file << p.begin << ' ' << p.end << ' ' << p.line << ' ' << p.column;
    for (const auto& [name, value] : p.annotations) out << '@' << name << '=' << value;
    out << '\n';
  }
  out << entities_to_json(state.actions.all()).dump() << '\n';
  for (const Environment& e : state.environments) {
    out << e.principal << '|' << to_text(e.action) << '|' << e.resource << '\n';
    for (const Expr& atom : e.atoms) append(out, atom.program());
    for (const Rule& r : e.rules) out << r.policy << ' ' << r.first << ' ' << r.count << ' ' << r.is_formula << ';';
    for (const Row& row : e.rows) out << row.first << ' ' << row.count << ' ' << static_cast<int>(row.then) << ';';
    for (const Requirement& r : e.requirements) out << r.atom << ' ' << static_cast<int>(r.outcome) << ';';
    for (const FormulaStep& s : e.steps) out << static_cast<int>(s.kind) << ' ' << s.operand << ';';
    for (const Group& g : e.groups) out << g.principal << ' ' << g.resource << ' ' << g.first << ' ' << g.forbids << ' ' << g.permits << ';';
    for (const auto* in : {&e.principal_in, &e.resource_in}) {
      for (std::uint32_t uid : *in) out << uid << ',';
    }
  }
  for (std::uint32_t i = 0; i < state.uids.size(); ++i) out << to_text(state.uids.uid(i)) << ';';
  return out.str();
}

struct Counts {
  std::size_t fast = 0, strict_only = 0, refused = 0;
};

void compare(const std::string& text, Counts& counts) {
  Table::State fast, strict;
  const bool taken = read_table_fast(text, fast);
  const bool good = read_table_strict(text, strict).ok();
  if (taken && !good) FAIL(text.substr(0, 2000));
  if (taken && dump(fast) != dump(strict)) FAIL(text.substr(0, 2000));
  for (std::size_t piece : {1, 50, 700}) {      // as long tables are read
    Table::State pieces;
    if (read_table_fast(text, pieces, piece) != taken) FAIL(piece << ": " << text.substr(0, 2000));
    if (taken && dump(pieces) != dump(fast)) FAIL(piece << ": " << text.substr(0, 2000));
  }
  ++(taken ? counts.fast : good ? counts.strict_only : counts.refused);
}

std::vector<std::string> tables() {
  std::vector<std::string> list;
  for (const auto& file : std::filesystem::directory_iterator(KERF_SOURCE_DIR "/tests/vectors")) {
    std::stringstream text;
    text << std::ifstream(file.path()).rdbuf();
    const Json json = *parse_json(text.str(), kMaxTableDepth, JsonNull::accept);
    if (json.contains("table")) list.push_back(json["table"].dump());
  }
  Random r(1);
  for (int i = 0; i < 4; ++i) list.push_back(random_table(r, 12, false));
  return list;
}

std::string damaged(Random& r, std::string text) {
  static const std::string kBits[] = {"\"", "{", "}", "[", "]", ",", ":", "null", "-1", "1e3", "18446744073709551616", "\\u0000", "\\udc00", "\\ud83d\\ude00",
                                      "\"id\":\"x\",", "\"type\":\"T\",", "\"Long\":\"1\",", "\"a\":{\"Bool\":true},", "\xff", "\xc3\xa9", " ", "0", "true", "\\"};
  for (std::size_t i = 1 + r.below(2); i > 0; --i) {
    const std::size_t at = r.below(text.size());
    switch (r.below(5)) {
      case 0: text.erase(at, 1 + r.below(4)); break;
      case 1: text.insert(at, kBits[r.below(std::size(kBits))]); break;
      case 2: text.replace(at, 1, kBits[r.below(std::size(kBits))]); break;
      case 3: text.insert(at, text.substr(r.below(text.size()), 1 + r.below(30))); break;
      case 4: {   // a member twice: the text between two commas
        const std::size_t begin = text.find(',', at), end = begin == std::string::npos ? begin : text.find(',', begin + 1);
        if (end != std::string::npos) text.insert(end, text.substr(begin, end - begin));
        break;
      }
    }
  }
  return text;
}

}  // namespace

TEST_CASE("tables are read fast, and as strictly") {
  Random r(7);
  Counts whole, broken;
  for (const std::string& text : tables()) {
    compare(text, whole);
    const std::size_t times = text.size() < 20'000 ? 150 : 15;
    for (std::size_t i = 0; i < times; ++i) compare(damaged(r, text), broken);
  }
  CHECK(whole.fast > 20);
  CHECK(broken.fast > 100);
  CHECK(broken.refused > 1000);
  MESSAGE(whole.fast << " taken fast, " << whole.strict_only << " not; damaged: " << broken.fast << " fast, " << broken.strict_only << " strict only, "
                     << broken.refused << " refused");
}

TEST_CASE("a long text's pieces end where their values end") {
  Random r(3);
  auto word = [&] {
    std::string text = "\"";
    for (std::size_t i = r.below(r.below(8) == 0 ? 200 : 8); i > 0; --i) {
      static const std::string kParts[] = {"\\\\", "\\\"", "[", "]", "{", "}", ",", ":", "a", "\\n", " ", "\xc3\xbb", "\xe2\x9c\x9b", "\\\\\\\\\\\\\\\\"};
      text += kParts[r.below(std::size(kParts))];
    }
    return text + '"';
  };
  auto space = [&] { return std::string(r.below(4) == 0 ? r.below(70) : 0, " \n\t\r"[r.below(4)]); };
  std::function<std::string(int)> value = [&](int depth) -> std::string {
    const std::size_t kind = r.below(depth > 4 ? 3 : 5);
    if (kind == 0) return word();
    if (kind == 1) return "true";
    if (kind == 2) return "-1.5e3";
    std::string text(1, kind == 3 ? '[' : '{');
    for (std::size_t i = 0, count = r.below(5); i < count; ++i) {
      text += (i > 0 ? "," : "") + space() + (kind == 4 ? word() + space() + ":" + space() : "") + value(depth + 1) + space();
    }
    return text + (kind == 3 ? ']' : '}');
  };
  std::size_t pieces_seen = 0;
  for (int i = 0; i < 2000; ++i) {
    const bool object = r.below(2) == 0;
    std::vector<std::pair<std::string, std::string>> expected;
    std::string text = (object ? "{" : "[") + space();
    for (std::size_t count = r.below(6), k = 0; k < count; ++k) {
      expected.emplace_back(object ? word() : "", value(0));
      text += (k > 0 ? "," : "") + space() + expected.back().first + (object ? space() + ":" + space() : "") + expected.back().second + space();
    }
    text += object ? '}' : ']';
    const std::unique_ptr<char[]> exact(new char[text.size()]);       // so that a sanitizer sees a byte too many
    std::copy(text.begin(), text.end(), exact.get());
    TextPieces pieces({exact.get(), text.size()});
    for (const auto& [key, piece] : expected) {
      REQUIRE(pieces.next());
      if (object) REQUIRE('"' + std::string(pieces.key()) + '"' == key);
      REQUIRE(pieces.value() == piece);
      ++pieces_seen;
    }
    REQUIRE_FALSE(pieces.next());
    REQUIRE_FALSE(pieces.is_wrong());
  }
  CHECK(pieces_seen > 4000);
}

TEST_CASE("a long text that is none is wrong, and not read further") {
  for (const char* text : {"", " ", "1", "[", "{", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "[]]", "[] ", "[1]x", "[\"a]", "[\"a\\\"]", "[[1]", "[[\"]]", "{]", "{1:2}",
                           "{\"a\"}", "{\"a\":}", "{\"a\" 1}", "{\"a\" 12}", "{\"a\";1}", "{\"a\":1,}", "{\"a\":1,\"b\"}", "{a:1}", "{\"a:1}"}) {
    CAPTURE(text);
    const std::string_view whole(text);
    const std::unique_ptr<char[]> exact(new char[whole.size()]);
    std::copy(whole.begin(), whole.end(), exact.get());
    TextPieces pieces({exact.get(), whole.size()});
    while (pieces.next()) {
    }
    CHECK(pieces.is_wrong());
    CHECK_FALSE(pieces.next());
  }
}

TEST_CASE("keys that are there twice are refused, wherever they are") {
  const std::string table = R"({"format":"kerf-table","version":1,"policies":[{"id":"p","effect":"permit","annotations":{"a":"1"},"source":{"file":"","begin":0,"end":0,"line":1,"column":1}}],
    "actions":[{"uid":{"type":"A","id":"r"},"parents":[]}],"environments":[{"principal":"U","action":{"type":"A","id":"r"},"resource":"D",
    "atoms":[{"==":[{"Record":{"x":{"Long":"1"}}},{"RecordValue":{"y":{"Long":"1"}}}]}],"groups":[{"principal":{"==":{"type":"U","id":"u"}},"resource":null,
    "rows":[{"policy":0,"when":[[0,"true"]],"then":"true"}],"exprs":[]}]}]})";
  Counts counts;
  compare(table, counts);
  REQUIRE(counts.fast == 1);
  for (const char* member : {R"("version":1)", R"("id":"p")", R"("a":"1")", R"("line":1)", R"("id":"r")", R"("x":{"Long":"1"})", R"("y":{"Long":"1"})",
                             R"("Long":"1")", R"("id":"u")", R"("policy":0)", R"("exprs":[])", R"("==":{"type":"U","id":"u"})"}) {
    std::string twice = table;
    const std::size_t at = twice.find(member);
    REQUIRE(at != std::string::npos);
    twice.insert(at, std::string(member) + ",");
    Table::State fast, strict, pieces;
    CAPTURE(member);
    CHECK_FALSE(read_table_fast(twice, fast));
    CHECK_FALSE(read_table_fast(twice, pieces, 1));
    CHECK_FALSE(read_table_strict(twice, strict).ok());
  }
}

TEST_CASE("a key that is there twice in the place of another is refused") {
  const std::string table = R"({"format":"kerf-table","version":1,"policies":[{"id":"p","effect":"permit","annotations":{},"source":{"file":"","begin":0,"end":0,"line":1,"column":1}}],
    "actions":[{"uid":{"type":"A","id":"A"},"parents":[]}],"environments":[{"principal":"A","action":{"type":"A","id":"A"},"resource":"A",
    "atoms":[{"==":[{"Entity":{"type":"A","id":"A"}},{"Var":"principal"}]}],"groups":[{"principal":{"==":{"type":"A","id":"A"}},"resource":{"==":{"type":"A","id":"A"}},
    "rows":[{"policy":0,"when":[[0,"true"]],"then":"true"}],"exprs":[]}]}]})";
  std::size_t tried = 0;
  for (const auto& [from, to] : {std::pair{R"("id":"A")", R"("type":"A")"}, {R"("type":"A")", R"("id":"A")"}, {R"("line")", R"("begin")"},
                                 {R"("exprs":[])", R"("rows":[])"}, {R"("resource":{)", R"("principal":{)"}, {R"("resource":"A")", R"("principal":"A")"}}) {
    for (std::size_t at = table.find(from); at != std::string::npos; at = table.find(from, at + 1)) {
      std::string twice = table;
      twice.replace(at, std::string(from).size(), to);
      Table::State fast, strict, pieces;
      CAPTURE(twice);
      CHECK_FALSE(read_table_fast(twice, fast));
      CHECK_FALSE(read_table_fast(twice, pieces, 1));
      CHECK_FALSE(read_table_strict(twice, strict).ok());
      ++tried;
    }
  }
  CHECK(tried == 14);
}
