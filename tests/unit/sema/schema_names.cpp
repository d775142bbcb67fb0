#include "schema_support.h"

using namespace kerf;
using namespace kerf::test;

TEST_CASE("names resolve to their namespace first, then outside, common types before entity types") {
  Loaded t(R"(
    entity Outer; type Common = Long;
    namespace N {
      type Both = String; entity Both;
      entity User in [Outer, Group] { a: Outer, b: Common, c: Both, d: M::Thing, e: N::Group };
      entity Group;
    }
    namespace M { entity Thing; })");
  CHECK(codes(t.diagnostics) == Codes{"K2007"});
  CHECK(t.attr("N::User", "a") == "Outer");
  CHECK(t.attr("N::User", "b") == "Long");
  CHECK(t.attr("N::User", "c") == "String");
  CHECK(t.attr("N::User", "d") == "M::Thing");
  CHECK(t.attr("N::User", "e") == "N::Group");
  CHECK(t.schema.entity_types.at("N::User").parents == std::set<std::string>{"N::Group", "Outer"});
}

TEST_CASE("builtins give way to declarations and stay reachable") {
  Loaded t("type ipaddr = {a: Long}; entity U {x: ipaddr, y: __cedar::ipaddr}; entity decimal; entity V {z: decimal};");
  CHECK(codes(t.diagnostics) == Codes{"K2004", "K2004"});
  CHECK(t.attr("U", "x") == "{a: Long}");
  CHECK(t.attr("U", "y") == "ipaddr");
  CHECK(t.attr("V", "z") == "decimal");
  CHECK(t.schema.types[t.schema.types[t.schema.entity_types.at("V").attrs].attrs.at("z").type].kind == TypeKind::entity);
}

TEST_CASE("Action is an entity type where actions are declared") {
  CHECK(schema_codes("entity U {a: Action}; action x;").empty());
  CHECK(schema_codes("namespace N { entity U {a: Action}; } action x;").empty());
  CHECK(schema_codes("entity U {a: Action};") == Codes{"K2010"});
  CHECK(schema_codes("entity U in Action; action x;") == Codes{"K2010"});
  CHECK(schema_codes("entity U; action x appliesTo {principal: Action, resource: U};") == Codes{"K2010"});
}

TEST_CASE("every name error has its code and marks the name") {
  struct { const char* text; const char* code; const char* marked; } cases[] = {
      {"namespace A { entity U; } namespace A { entity V; }", "K2002", "A"},
      {"entity U; entity V, U;", "K2003", "U"},
      {"type T = Long; type T = String;", "K2003", "T"},
      {"action a; action \"a\";", "K2003", "\"a\""},
      {"entity Action;", "K2005", "Action"},
      {"type Long = String;", "K2006", "Long"},
      {"entity U; namespace N { entity U; }", "K2008", "U"},
      {"type U = Long; namespace N::M { entity U; }", "K2008", "U"},
      {"action a; namespace N { action a; }", "K2008", "a"},
      {"entity U in Tem; entity Team;", "K2010", "Tem"},
      {"entity U {a: Boolean};", "K2010", "Boolean"},
      {"entity U {a: __cedar::Foo};", "K2010", "__cedar::Foo"},
      {"type A = {next: Set<A>};", "K2011", "A"},
      {"entity U {a: Long, \"a\": String};", "K2012", "\"a\""},
      {"action a in b;", "K2013", "b"},
      {"entity U; action a in U::\"x\";", "K2013", "U::\"x\""},
      {"entity U; type C = Long; action a appliesTo {principal: U, resource: U, context: C};", "K2015", "C"},
      {"action a in b; action b in c; action c in a;", "K2016", "a"},
  };
  for (const auto& c : cases) {
    INFO(c.text);
    Loaded t(c.text);
    CHECK(codes(t.diagnostics) == Codes{c.code});
    CHECK(t.marked(c.code) == c.marked);
  }
}

TEST_CASE("what was probably meant is offered") {
  CHECK(Loaded("entity U in Tem; entity Team;").fixed("K2010") == "entity U in Team; entity Team;");
  CHECK(Loaded("entity U {a: Boolean};").fixed("K2010") == "entity U {a: Bool};");
  CHECK(Loaded("action view in redaers; action readers;").only().help.size() == 2);
}

TEST_CASE("common types: chains of any length, cycles once") {
  std::string chain = "type T0 = {leaf: Long};";
  for (int i = 1; i <= 20000; ++i) {
    chain += fmt::format("type T{} = T{};", i, i - 1);
  }
  Loaded t(chain + "entity U {a: T20000};");
  CHECK(t.diagnostics.all().empty());
  CHECK(t.attr("U", "a") == "{leaf: Long}");
  CHECK(schema_codes("type A = B; type B = C; type C = {a: Set<A>}; entity U {x: A, y: B};") == Codes{"K2011"});
}

TEST_CASE("types that double at every step stay small") {
  std::string text = "type T0 = {leaf: Long};";
  for (int i = 1; i <= 200; ++i) text += fmt::format("type T{0} = {{a: T{1}, b: T{1}}};", i, i - 1);
  CHECK(schema_codes(text + "entity U {a: T200};").empty());
}

TEST_CASE("entity hierarchies are closed, recursive ones too") {
  Loaded t("entity A in B; entity B in [C, A]; entity C; entity D;");
  CHECK(t.schema.entity_types.at("A").ancestors == std::set<std::string>{"A", "B", "C"});
  CHECK(t.schema.entity_types.at("C").ancestors.empty());
}

TEST_CASE("action groups") {
  Loaded t("entity U; action view in [read, \"x y\"] appliesTo {principal: [U, U], resource: U, context: {n?: Long}};"
           "action read in N::Action::\"all\"; action \"x y\"; namespace N { action all; }");
  REQUIRE(t.diagnostics.all().empty());
  const Action& view = t.schema.actions.at({"Action", "view"});
  CHECK(view.parents == std::set<EntityUid>{{"Action", "read"}, {"Action", "x y"}});
  CHECK(view.ancestors == std::set<EntityUid>{{"Action", "read"}, {"Action", "x y"}, {"N::Action", "all"}});
  CHECK(view.principals == std::vector<std::string>{"U"});
  CHECK(t.schema.types.text(view.context) == "{n?: Long}");
  CHECK(view.context_spans.contains("n"));
}

TEST_CASE("a schema whose closed hierarchy is too large is refused") {
  std::string types = "entity E0;", actions = "action a0;";
  for (int i = 1; i <= 1500; ++i) types += fmt::format("entity E{} in E{};", i, i - 1);
  for (int i = 1; i <= 1500; ++i) actions += fmt::format("action a{} in a{};", i, i - 1);
  CHECK(schema_codes(types) == Codes{"K8010"});
  CHECK(schema_codes(actions) == Codes{"K8010"});
}

TEST_CASE("annotations, enumerations, tags") {
  Loaded t("@doc(\"a\") @flag entity C enum [\"red\", \"green\", \"red\"]; entity U tags Set<C>; @doc(\"b\") action x;");
  REQUIRE(t.diagnostics.all().empty());
  CHECK(t.schema.entity_types.at("C").annotations.values.at("doc") == "a");
  CHECK(t.schema.entity_types.at("C").annotations.values.at("flag").empty());
  CHECK(*t.schema.entity_types.at("C").enum_ids == std::vector<std::string>{"red", "green"});
  CHECK(t.schema.types.text(*t.schema.entity_types.at("U").tags) == "Set<C>");
  CHECK(t.schema.actions.at({"Action", "x"}).annotations.values.at("doc") == "b");
}
