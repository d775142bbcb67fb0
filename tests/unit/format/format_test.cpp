// The layout engine and the formatter. What the official formatter writes is compared by the conformance run.
#include <doctest/doctest.h>

#include "frontend/format/doc.h"
#include "frontend/format/format.h"

using namespace kerf;

namespace {

std::string formatted(const std::string& text, FormatOptions options = {}) {
  Sources sources;
  Diagnostics diagnostics;
  return format_policies(sources, sources.add("p", text), options, diagnostics).value_or("refused");
}

}  // namespace

TEST_CASE("doc: a group is flat iff it fits with what follows") {
  Docs docs;
  Doc list = docs.group(docs.concat({docs.text("["), docs.nest(2, docs.concat({docs.soft(), docs.text("aaa,"), docs.line(), docs.text("bbb")})),
                                     docs.soft(), docs.text("]")}));
  Doc all = docs.concat({list, docs.text(";")});
  CHECK(docs.layout(all, 11) == "[aaa, bbb];");
  CHECK(docs.layout(all, 10) == "[\n  aaa,\n  bbb\n];");
}

TEST_CASE("format: comments stay at their tokens") {
  CHECK(formatted("permit(principal, // who\naction,resource) // scope\nwhen{true}; // end\n// last\n") ==
        "permit (principal, // who\n  action, resource) // scope\nwhen { true }; // end\n// last\n");
}

TEST_CASE("format: strings keep their line ends and blanks") {
  CHECK(formatted("permit(principal == U::\"a  \n\n  b\",action,resource);") ==
        "permit (\n  principal == U::\"a  \n\n  b\",\n  action,\n  resource\n);\n");
}

TEST_CASE("format: width and indent are options; wrong text is refused") {
  CHECK(formatted("permit(principal,action,resource) when {a.b && c.d};") == "refused");
  CHECK(formatted("permit(principal,action==Action::\"a\",resource) when {context.a && context.b};", {30, 4}) ==
        "permit (\n    principal,\n    action == Action::\"a\",\n    resource\n)\nwhen\n{ context.a && context.b };\n");
}
