#include "tests/semantics/vector_programs.h"

namespace kerf::test {

const std::vector<VectorProgram>& vector_programs() {
  static const std::vector<VectorProgram> programs = {
      {"arithmetic",
       R"(entity U { n: Long }; entity D;
action a appliesTo { principal: U, resource: D, context: { x: Long } };)",
       R"(permit (principal, action, resource) when { principal.n + context.x > 9 };
permit (principal, action, resource) when { principal.n * 9223372036854775807 <= 0 };
permit (principal, action, resource) when { -(principal.n) - 9223372036854775807 < context.x };
forbid (principal, action, resource) when { principal.n * context.x == -6 || context.x + 9223372036854775806 == 9223372036854775807 };
permit (principal, action, resource) when { -9223372036854775808 < context.x && -(context.x) != -9223372036854775808 };
)",
       R"([{"uid":{"type":"U","id":"a"},"attrs":{"n":1},"parents":[]},{"uid":{"type":"U","id":"b"},"attrs":{"n":-2},"parents":[]},
{"uid":{"type":"U","id":"c"},"attrs":{"n":9007199254740991},"parents":[]}])",
       {"U::\"a\"", "U::\"b\"", "U::\"c\"", "U::\"gone\""}, {"Action::\"a\""}, {"D::\"d\""},
       {R"({"x":0})", R"({"x":1})", R"({"x":2})", R"({"x":3})", R"({"x":9007199254740991})"}},

      {"patterns",
       R"(entity U; entity D;
action a appliesTo { principal: U, resource: D, context: { s: String } };)",
       R"(permit (principal, action, resource) when { context.s like "*" };
permit (principal, action, resource) when { context.s like "a*b" };
permit (principal, action, resource) when { context.s like "*ab*ba*" };
permit (principal, action, resource) when { context.s like "a\**" };
permit (principal, action, resource) when { context.s like "*é*\u{1F600}" };
permit (principal, action, resource) when { context.s like "" };
permit (principal, action, resource) when { context.s like "aba*aba" };
permit (principal, action, resource) when { context.s == "A\n\"\\\u{0}" };
)",
       "[]", {"U::\"a\""}, {"Action::\"a\""}, {"D::\"d\""},
       {R"({"s":""})", R"({"s":"ab"})", R"({"s":"aab"})", R"({"s":"aba"})", R"({"s":"abba"})", R"({"s":"abab\nba"})",
        R"({"s":"a*"})", R"({"s":"a*x"})", R"({"s":"é😀"})", R"({"s":"xé y😀"})", R"({"s":"é😀x"})", R"({"s":"abaaba"})",
        R"({"s":"ababa"})", R"({"s":"A\n\"\\\u0000"})"}},

      {"sets_and_records",
       R"(entity U { tags: Set<String>, own: Set<D>, r: { a: Long, b?: { c: Set<Long> } } }; entity D;
action a appliesTo { principal: U, resource: D, context: { s: Set<Long>, r: { x: Long, "y z"?: String } } };)",
       R"(permit (principal, action, resource) when { principal.tags.contains("x") };
permit (principal, action, resource) when { principal.tags.containsAny(["y", "z"]) };
permit (principal, action, resource) when { principal.tags.containsAll(["x", "y"]) || principal.tags.isEmpty() };
permit (principal, action, resource) when { principal.own.contains(resource) };
permit (principal, action, resource) when { resource in principal.own };
permit (principal, action, resource) when { context.s == [2, 1, 1, 2] };
permit (principal, action, resource) when { principal.r has b.c && principal.r.b.c.containsAll(context.s) };
permit (principal, action, resource) when { context.r has "y z" && context.r["y z"] == "q" };
permit (principal, action, resource) when { {a: context.r.x, b: [context.s]} == {b: [[1, 2]], a: 1} };
forbid (principal, action, resource) when { [context.r.x, 7, principal.r.a].contains(3) };
)",
       R"([{"uid":{"type":"U","id":"a"},"attrs":{"tags":["x","y"],"own":[{"type":"D","id":"d"}],"r":{"a":1}},"parents":[]},
{"uid":{"type":"U","id":"b"},"attrs":{"tags":[],"own":[],"r":{"a":3,"b":{"c":[1,2,3]}}},"parents":[]},
{"uid":{"type":"U","id":"c"},"attrs":{"tags":["z"],"own":[{"type":"D","id":"e"},{"type":"D","id":"d"}],"r":{"a":0,"b":{"c":[]}}},"parents":[]}])",
       {"U::\"a\"", "U::\"b\"", "U::\"c\""}, {"Action::\"a\""}, {"D::\"d\"", "D::\"e\""},
       {R"({"s":[1,2],"r":{"x":1}})", R"({"s":[],"r":{"x":3,"y z":"q"}})", R"({"s":[3],"r":{"x":1,"y z":"p"}})"}},

      {"extensions",
       R"(entity U { home: ipaddr, rate: decimal }; entity D;
action a appliesTo { principal: U, resource: D, context: { ip: ipaddr, at: datetime, for: duration } };)",
       R"(permit (principal, action, resource) when { context.ip.isInRange(principal.home) };
permit (principal, action, resource) when { context.ip.isLoopback() || context.ip.isMulticast() };
permit (principal, action, resource) when { context.ip.isIpv6() && context.ip != ip("::1") };
permit (principal, action, resource) when { context.ip.isInRange(ip("2001:db8::/32")) };
permit (principal, action, resource) when { principal.rate.lessThan(decimal("1.5")) };
permit (principal, action, resource) when { principal.rate.greaterThanOrEqual(decimal("-0.0001")) };
permit (principal, action, resource) when { context.at < datetime("1970-01-01") };
permit (principal, action, resource) when { context.at.toTime() >= duration("12h30m") };
permit (principal, action, resource) when { context.at.toDate() == datetime("2024-02-29") };
permit (principal, action, resource) when { context.at.offset(context.for) > datetime("2024-03-01T00:00:00.001Z") };
permit (principal, action, resource) when { context.at.durationSince(datetime("2024-02-29T12:00:00-0030")).toMinutes() == 0 };
permit (principal, action, resource) when { context.for.toDays() == -1 || context.for.toSeconds() == 90061 };
forbid (principal, action, resource) when { context.at.offset(duration("9223372036854775807ms")) == context.at };
)",
       R"([{"uid":{"type":"U","id":"a"},"attrs":{"home":"10.0.0.0/8","rate":"1.4999"},"parents":[]},
{"uid":{"type":"U","id":"b"},"attrs":{"home":"2001:db8::1","rate":"-0.0001"},"parents":[]},
{"uid":{"type":"U","id":"c"},"attrs":{"home":"0.0.0.0/0","rate":"922337203685477.5807"},"parents":[]}])",
       {"U::\"a\"", "U::\"b\"", "U::\"c\""}, {"Action::\"a\""}, {"D::\"d\""},
       {R"({"ip":{"__extn":{"fn":"ip","arg":"10.1.2.3"}},"at":{"__extn":{"fn":"datetime","arg":"2024-02-29T12:30:00Z"}},"for":{"__extn":{"fn":"duration","arg":"1d1h1m1s"}}})",
        R"({"ip":{"__extn":{"fn":"ip","arg":"10.0.0.0/7"}},"at":{"__extn":{"fn":"datetime","arg":"1969-12-31T23:59:59.999Z"}},"for":{"__extn":{"fn":"duration","arg":"-1d"}}})",
        R"({"ip":{"__extn":{"fn":"ip","arg":"::1"}},"at":{"__extn":{"fn":"datetime","arg":"2024-02-29"}},"for":{"__extn":{"fn":"duration","arg":"1d1ms"}}})",
        R"({"ip":{"__extn":{"fn":"ip","arg":"2001:db8::1"}},"at":{"__extn":{"fn":"datetime","arg":"0000-01-01"}},"for":{"__extn":{"fn":"duration","arg":"0ms"}}})",
        R"({"ip":{"__extn":{"fn":"ip","arg":"239.1.1.1"}},"at":{"__extn":{"fn":"datetime","arg":"9999-12-31T23:59:59Z"}},"for":{"__extn":{"fn":"duration","arg":"2h"}}})",
        R"({"ip":{"__extn":{"fn":"ip","arg":"127.0.0.1"}},"at":{"__extn":{"fn":"datetime","arg":"2024-02-29T23:00:00+0100"}},"for":{"__extn":{"fn":"duration","arg":"3h"}}})"}},

      {"hierarchy",
       R"(namespace Acme { entity Team in [Team]; entity User in [Team] { boss: User }; entity Folder in [Folder];
entity Doc in [Folder] { owner: User, shared: Set<Team> };
action all; action read, list in [all] appliesTo { principal: User, resource: [Doc, Folder], context: {} };
action write in [all] appliesTo { principal: [User, Team], resource: Doc, context: {} }; })",
       R"(permit (principal in Acme::Team::"staff", action in Acme::Action::"all", resource in Acme::Folder::"pub");
permit (principal == Acme::User::"ann", action, resource == Acme::Doc::"d1");
permit (principal is Acme::Team, action, resource);
permit (principal, action == Acme::Action::"read", resource is Acme::Folder in Acme::Folder::"root");
forbid (principal in Acme::Team::"interns", action == Acme::Action::"write", resource);
permit (principal, action, resource is Acme::Doc) when { principal in resource.shared };
permit (principal is Acme::User, action, resource is Acme::Doc) when { resource.owner in principal || resource.owner == principal.boss };
permit (principal in Acme::User::"bob", action in [Acme::Action::"read", Acme::Action::"write"], resource);
permit (principal is Acme::Team, action, resource) when { [Acme::Team::"t9", Acme::Team::"ghosts"].contains(principal) || principal in [Acme::Team::"ghosts", Acme::Team::"t9"] };
permit (principal, action, resource) when { principal in [Acme::Team::"ghosts", Acme::Team::"t9"] };
)",
       R"([{"uid":{"type":"Acme::Team","id":"t1"},"attrs":{},"parents":[{"type":"Acme::Team","id":"staff"}]},
{"uid":{"type":"Acme::Team","id":"interns"},"attrs":{},"parents":[{"type":"Acme::Team","id":"t1"},{"type":"Acme::Team","id":"t2"}]},
{"uid":{"type":"Acme::User","id":"ann"},"attrs":{"boss":{"type":"Acme::User","id":"bob"}},"parents":[{"type":"Acme::Team","id":"t1"}]},
{"uid":{"type":"Acme::User","id":"bob"},"attrs":{"boss":{"type":"Acme::User","id":"nobody"}},"parents":[{"type":"Acme::Team","id":"ghosts"}]},
{"uid":{"type":"Acme::User","id":"cid"},"attrs":{"boss":{"type":"Acme::User","id":"ann"}},"parents":[{"type":"Acme::Team","id":"interns"}]},
{"uid":{"type":"Acme::Folder","id":"sub"},"attrs":{},"parents":[{"type":"Acme::Folder","id":"pub"}]},
{"uid":{"type":"Acme::Folder","id":"pub"},"attrs":{},"parents":[{"type":"Acme::Folder","id":"root"}]},
{"uid":{"type":"Acme::Doc","id":"d1"},"attrs":{"owner":{"type":"Acme::User","id":"bob"},"shared":[]},"parents":[{"type":"Acme::Folder","id":"sub"}]},
{"uid":{"type":"Acme::Doc","id":"d2"},"attrs":{"owner":{"type":"Acme::User","id":"cid"},"shared":[{"type":"Acme::Team","id":"t2"},{"type":"Acme::Team","id":"x"}]},"parents":[]}])",
       {"Acme::User::\"ann\"", "Acme::User::\"bob\"", "Acme::User::\"cid\"", "Acme::User::\"eve\"", "Acme::Team::\"t1\""},
       {"Acme::Action::\"read\"", "Acme::Action::\"write\""},
       {"Acme::Doc::\"d1\"", "Acme::Doc::\"d2\"", "Acme::Doc::\"d3\"", "Acme::Folder::\"pub\"", "Acme::Folder::\"root\""}, {"{}"}},

      {"errors",
       R"(entity U { friend: U, n: Long }; entity D { o?: U };
action a appliesTo { principal: U, resource: D, context: { b: Bool, n: Long } };)",
       R"(permit (principal, action, resource) when { context.b && principal.friend.n > 0 };
permit (principal, action, resource) when { principal.friend.n > 0 && context.b };
permit (principal, action, resource) when { context.b || principal.friend.n > 0 };
permit (principal, action, resource) when { if context.b then true else principal.friend.friend.n == 1 };
forbid (principal, action, resource) when { resource has o && resource.o.n * 9223372036854775807 > context.n };
permit (principal, action, resource) unless { principal.friend.n + 9223372036854775807 > 0 };
permit (principal, action, resource) when { !(context.b && (context.n == 1 || principal.friend.n == 1)) };
permit (principal, action, resource) when { (principal.n + 9223372036854775807 == 1) == (principal.friend.n == 1) };
)",
       R"([{"uid":{"type":"U","id":"a"},"attrs":{"n":1,"friend":{"type":"U","id":"b"}},"parents":[]},
{"uid":{"type":"U","id":"b"},"attrs":{"n":0,"friend":{"type":"U","id":"gone"}},"parents":[]},
{"uid":{"type":"D","id":"d"},"attrs":{"o":{"type":"U","id":"a"}},"parents":[]},
{"uid":{"type":"D","id":"e"},"attrs":{"o":{"type":"U","id":"gone"}},"parents":[]}])",
       {"U::\"a\"", "U::\"b\"", "U::\"gone\""}, {"Action::\"a\""}, {"D::\"d\"", "D::\"e\"", "D::\"gone\""},
       {R"({"b":true,"n":1})", R"({"b":true,"n":2})", R"({"b":false,"n":1})"}},

      {"tags",
       R"(entity U tags Long; entity D tags Set<String>;
action a appliesTo { principal: U, resource: D, context: { k: String } };)",
       R"(permit (principal, action, resource) when { principal.hasTag(context.k) && principal.getTag(context.k) > 1 };
permit (principal, action, resource) when { resource.hasTag("t") && resource.getTag("t").contains(context.k) };
forbid (principal, action, resource) when { principal.hasTag("off") };
permit (principal, action, resource) when { !resource.hasTag("t") };
)",
       R"([{"uid":{"type":"U","id":"a"},"attrs":{},"tags":{"x":1,"y":2},"parents":[]},{"uid":{"type":"U","id":"b"},"attrs":{},"tags":{"off":0,"x":5},"parents":[]},
{"uid":{"type":"D","id":"d"},"attrs":{},"tags":{"t":["x"]},"parents":[]}])",
       {"U::\"a\"", "U::\"b\"", "U::\"gone\""}, {"Action::\"a\""}, {"D::\"d\"", "D::\"e\""},
       {R"({"k":"x"})", R"({"k":"y"})"}},

      {"formula",
       R"(entity U; entity D;
action a appliesTo { principal: U, resource: D, context: { a: Bool, b: Bool, c: Bool, d: Bool, n: Long } };)",
       R"(permit (principal, action, resource) when {
  (context.a || context.n == 1) && (context.b || context.n + 9223372036854775807 > 0) && (context.c || context.n == 3) &&
  (context.d || context.n == 4) && (context.a || context.b) && (context.b || context.d) && (context.c || !context.a) &&
  (if context.n < 2 then context.a || context.c else !(context.b && context.d)) };
permit (principal, action, resource) when {
  (context.n < 1 || context.a) && (context.n < 2 || context.b) && (context.n < 3 || context.c) && (context.n < 4 || context.d) &&
  (context.n < 5 || context.n * 9223372036854775807 == 0) && (context.n < 6 || !context.a) && (context.n < 7 || !context.b) &&
  (if context.n == 0 then context.n + 9223372036854775807 < 0 else true) };
@why("not both") forbid (principal, action, resource) when { context.a && context.b && context.n == 7 };
)",
       "[]", {"U::\"a\""}, {"Action::\"a\""}, {"D::\"d\""},
       {R"({"a":true,"b":true,"c":true,"d":true,"n":0})", R"({"a":true,"b":false,"c":true,"d":true,"n":1})",
        R"({"a":false,"b":true,"c":false,"d":false,"n":1})", R"({"a":false,"b":false,"c":true,"d":true,"n":1})",
        R"({"a":true,"b":true,"c":true,"d":false,"n":7})", R"({"a":false,"b":false,"c":true,"d":true,"n":-1})",
        R"({"a":true,"b":true,"c":true,"d":false,"n":4})", R"({"a":true,"b":true,"c":true,"d":false,"n":3})"}},
  };
  return programs;
}

}  // namespace kerf::test
