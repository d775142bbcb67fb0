// Every syntax code: its catalogue example has the error, and the messages, places and ways out of common mistakes.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "frontend/parse/parse.h"

namespace {

using namespace kerf;

struct Result {
  Sources sources;
  Diagnostics diagnostics;
  std::size_t good = 0;
};

Result policies(std::string text) {
  Result result;
  SourceId source = result.sources.add("p", std::move(text));
  result.good = parse_policies(result.sources, source, result.diagnostics).policies.size();
  return result;
}

Result schema(std::string text) {
  Result result;
  SourceId source = result.sources.add("s", std::move(text));
  for (const ast::Namespace& ns : parse_schema(result.sources, source, result.diagnostics).namespaces) {
    result.good += ns.decls.size();
  }
  return result;
}

// "K1120 [=] message | help" of each diagnostic, one a line.
std::string text(const Result& result) {
  std::string out;
  for (const Diagnostic& d : result.diagnostics.all()) {
    if (!out.empty()) out += '\n';
    out += fmt::format("{} [{}] {}", catalogue_row(d.code).name, result.sources.text(d.span), d.message);
    for (const std::string& help : d.help) out += " | " + help;
  }
  return out;
}

std::string policy_error(std::string source) { return text(policies(std::move(source))); }
std::string schema_error(std::string source) { return text(schema(std::move(source))); }
std::string when(const std::string& condition) {
  return policy_error("permit(principal, action, resource) when { " + condition + " };");
}

}  // namespace

TEST_CASE("the example of every syntax code has exactly this error") {
  std::size_t checked = 0;
  for (const CatalogueRow& row : catalogue()) {
    if (!row.name.starts_with("K1") || row.code == Code::K1001) continue;
    if (row.name.starts_with("K13")) continue;   // of the JSON forms; their examples are parts of files
    INFO(row.name, ": ", row.example);
    Result result = row.name.starts_with("K12") ? schema(std::string(row.example)) : policies(std::string(row.example));
    REQUIRE_FALSE(result.diagnostics.all().empty());
    for (const Diagnostic& d : result.diagnostics.all()) CHECK_MESSAGE(d.code == row.code, text(result));
    ++checked;
  }
  CHECK_GE(checked, 50);
}

TEST_CASE("not UTF-8") {
  CHECK_EQ(policy_error("permit(principal, action, \xff);"), "K1001 [\xff] the text is not valid UTF-8 (byte 26 is wrong)");
  CHECK_EQ(schema_error("entity A\xc3;"), "K1001 [\xc3] the text is not valid UTF-8 (byte 8 is wrong)");
}

TEST_CASE("wrong characters") {
  CHECK_EQ(when("principal == 'a'"), "K1003 ['] `'` is not part of Cedar | strings are written in double quotes");
  CHECK_EQ(when("true & true"), "K1003 [&] `&` is not part of Cedar | \"and\" is written `&&`");
  CHECK_EQ(when("# no"), "K1003 [#] `#` is not part of Cedar | comments start with `//`");
  CHECK_EQ(when("/* no */ true"), "K1003 [/*] `/*` is not part of Cedar | comments start with `//` and end with the line");
  CHECK_EQ(when("\xe2\x80\x9c" "a\xe2\x80\x9d == true"),
           "K1003 [\xe2\x80\x9c] the character U+201C is not part of Cedar | strings are written in straight double quotes");
  CHECK_EQ(policy_error("\xef\xbb\xbfpermit(principal, action, resource);"),
           "K1003 [\xef\xbb\xbf] the character U+FEFF is not part of Cedar | save the file without a byte order mark");
  CHECK_EQ(when("\"\xc3\xa9\" == \"a"), "K1004 [\"] this string is not closed");
}

TEST_CASE("spans are bytes, also after characters of several bytes") {
  CHECK_EQ(when("\"\xc3\xa9\xf0\x9f\x99\x82\" == foo"),
           "K1128 [foo] `foo` is not a variable | a string is written \"foo\", an entity foo::\"id\"");
}

TEST_CASE("escapes") {
  CHECK_EQ(when("\"\xc3\xa9 a\\qb\" == \"\""), "K1005 [\\q] `\\q` is not an escape that Cedar knows");
  CHECK_EQ(when("\"\\*\" == \"\""),
           "K1005 [\\*] `\\*` is not an escape that Cedar knows | `\\*` is for patterns of `like`; a star needs no escape here");
  CHECK_EQ(when("\"\\xff\" == \"\""), "K1005 [\\xff] `\\xff` is not an escape that Cedar knows");
  CHECK_EQ(when("\"\\u{d800}\" == \"\""), "K1005 [\\u{d800}] `\\u{d800}` is not an escape that Cedar knows");
  CHECK_EQ(when("\"a\r\n\" == \"\""), "K1006 [\r] a carriage return inside a string must be written `\\r`");
}

TEST_CASE("operators that Cedar does not have") {
  CHECK_EQ(when("1 = 2"), "K1120 [=] `=` is not an operator | equality is written `==`");
  CHECK_EQ(when("4 / 2 == 2"), "K1121 [/] division is not supported");
  CHECK_EQ(when("4 % 2 == 2"), "K1121 [%] remainder is not supported");
  CHECK_EQ(when("1 =< 2"), "K1002 [<] expected an expression, found `<` | write `<=`");
  CHECK_EQ(when("true and true"), "K1002 [and] expected an operator or `}`, found `and` | \"and\" is written `&&`");
  CHECK_EQ(when("not true"), "K1002 [true] expected an operator or `}`, found `true` | \"not\" is written `!`");
  CHECK_EQ(when("1 == 2 == 3").substr(0, 36), "K1122 [==] comparisons do not chain ");
  CHECK_EQ(when("true == if true then true else true"),
           "K1140 [if] an `if` inside of another operation needs parentheses | put parentheses around the `if`");
  CHECK_EQ(when("1.5 == 2"), "K1002 [5] expected an identifier, found `5` | write `decimal(\"1.5\")` for a decimal");
}

TEST_CASE("calls") {
  CHECK_EQ(when("context.a.contain(1)"), "K1130 [contain] `contain` is not a method | did you mean `contains`?");
  CHECK_EQ(when("dateTime(\"x\")"), "K1129 [dateTime] `dateTime` is not a function | did you mean `datetime`?");
  CHECK_EQ(when("isIpv4(context.a)"), "K1131 [isIpv4] `isIpv4` is a method, not a function | write `e.isIpv4(..)`");
  CHECK_EQ(when("context.a.ip()"), "K1132 [ip] `ip` is a function, not a method | write `ip(..)`");
  CHECK_EQ(when("context.a.contains()"), "K1133 [()] `contains` takes one argument, found no argument");
  CHECK_EQ(when("principal(1)"), "K1134 [(1)] `principal` cannot be called");
  CHECK_EQ(when("principals.name == 1"),
           "K1135 [principals] `principals` has no attributes or methods | did you mean `principal`?");
  CHECK_EQ(when("unknown(\"x\")"), "K1129 [unknown] `unknown` is not a function");
}

TEST_CASE("scopes") {
  CHECK_EQ(policy_error("permit(principal in [User::\"a\"], action, resource);"),
           "K1112 [[User::\"a\"]] a set of entities cannot be used here | use a group, or `when { principal in [..] }`");
  CHECK_EQ(policy_error("permit(principal == \"a\", action, resource);"),
           "K1111 [\"a\"] the scope of `principal` needs an entity or its slot, found a string | "
           "an entity is its type and its id: `User::\"alice\"`");
  CHECK_EQ(policy_error("permit(principal, action == Read, resource);"),
           "K1111 [Read] the scope of `action` needs an action, found a name | "
           "add the id (`User::\"alice\"`), or test for the type with `is`");
  CHECK_EQ(policy_error("permit(principal, action in [Action::\"a\", Read::\"b\"], resource);"),
           "K1115 [Read] an action has the type `Action`, but this is `Read`");
  CHECK_EQ(policy_error("permit(principal == ?user, action == ?action, resource);"),
           "K1113 [?user] the slot `?user` cannot be used in the scope of `principal` | the slot here is `?principal`\n"
           "K1113 [?action] the slot `?action` cannot be used in the scope of `action` | there are no slots for actions");
  CHECK_EQ(policy_error("permit(principal action, resource);"),
           "K1002 [action] expected `==`, `in`, `is`, `,` or `)`, found `action`");
}

TEST_CASE("several errors of one policy, and of several policies") {
  Result result = policies(
      "permit(principal = User::\"a\", action, resource) when { foo } when { 1 / 2 };\n"
      "permit(principal, action, resource) when { true };\n"
      "permit(principal, action resource);\n"
      "permit(principal, action, resource) when { true }\n"
      "forbid(principal, action, resource) when { bar };\n"
      "@id(\"x\") permit(principal, action, resource);\n");
  CHECK_EQ(text(result),
           "K1120 [=] `=` is not an operator | equality is written `==`\n"
           "K1128 [foo] `foo` is not a variable | a string is written \"foo\", an entity foo::\"id\"\n"
           "K1121 [/] division is not supported\n"
           "K1002 [resource] expected `==`, `in`, `is`, `,` or `)`, found `resource`\n"
           "K1011 [}] `;` is missing after this policy\n"
           "K1128 [bar] `bar` is not a variable | a string is written \"bar\", an entity bar::\"id\"");
  CHECK_EQ(result.good, 2);
}

TEST_CASE("an error inside of brackets does not spoil the next policy") {
  Result result = policies(
      "permit(principal, action, resource) when { true; };\n"
      "permit(principal, action, resource) when { [1; 2] };\n"
      "permit(principal, action, resource);\n");
  CHECK_EQ(text(result),
           "K1002 [;] expected an operator or `}`, found `;` | only the end of a policy has a `;`\n"
           "K1002 [;] expected an operator, `,` or `]`, found `;` | only the end of a policy has a `;`");
  CHECK_EQ(result.good, 1);
}

TEST_CASE("schema mistakes") {
  CHECK_EQ(schema_error("entiti User;"), "K1201 [entiti] `entiti` does not start a declaration | did you mean `entity`?");
  CHECK_EQ(schema_error("entity User\nentity Group;"), "K1011 [r] `;` is missing after this declaration");
  CHECK_EQ(schema_error("entity U { a: Long? };"),
           "K1002 [?] expected `,` or `}`, found `?` | the `?` of an optional attribute follows its name");
  CHECK_EQ(schema_error("namespace A { entity U; };"),
           "K1002 [;] expected `entity`, `action`, `type` or `namespace`, found `;` | "
           "nothing follows the `}` of a namespace or the `;` of a declaration");
  CHECK_EQ(schema_error("action a { principal: U };"),
           "K1002 [{] expected `,`, `in`, `appliesTo` or `;`, found `{` | an action's types are written `appliesTo { .. }`");
  CHECK_EQ(schema_error("entity in;"), "K1008 [in] `in` is a reserved word");
  CHECK_EQ(schema_error("entity __cedar;"), "K1009 [__cedar] the name `__cedar` is reserved");
  CHECK_EQ(schema_error("@a @a(\"b\") entity U;"), "K1010 [@a(\"b\")] annotation `@a` is given twice");
}

TEST_CASE("one wrong declaration costs only itself") {
  Result result = schema(
      "namespace A {\n"
      "  entity U { a: Long; b: String };\n"
      "  entity V;\n"
      "  type T = Set<>;\n"
      "  action a appliesTo { principal: V };\n"
      "  entity W;\n"
      "}\n"
      "entity X;\n");
  CHECK_EQ(text(result),
           "K1002 [;] expected `,` or `}`, found `;` | attributes are separated by commas\n"
           "K1002 [>] expected an identifier or `{`, found `>`\n"
           "K1203 [appliesTo] `appliesTo` of action `a` lacks `resource`");
  CHECK_EQ(result.good, 3);
}

TEST_CASE("fixes are edits of the source") {
  Result result = policies("permit(principal = User::\"a\", action, resource)");
  REQUIRE_EQ(result.diagnostics.all().size(), 1);
  Result missing = policies("permit(principal, action, resource)");
  REQUIRE_EQ(missing.diagnostics.all().size(), 1);
  const Edit& edit = missing.diagnostics.all()[0].fix.at(0);
  CHECK_EQ(edit.replacement, ";");
  CHECK_EQ(edit.span.begin, 35);
  CHECK_EQ(edit.span.end, 35);
}
