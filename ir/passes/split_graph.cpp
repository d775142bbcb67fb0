// The split report as a graph in the language of Graphviz: policies, the requests that they are asked for, and their
// expressions, each in the box of the stage that decides it. An expression that several policies share is one node.
#include <fmt/format.h>

#include <map>
#include <set>

#include "ir/base/check.h"
#include "ir/passes/split.h"

namespace kerf {

namespace {

constexpr std::size_t kLine = 60;   // columns; longer labels are broken at spaces

std::string_view fill(Stage stage) {
  switch (stage) {
    case Stage::compile: break;   // not drawn
    case Stage::bind:
    case Stage::learn:
    case Stage::publish: return "#d9f0f0";
    case Stage::hook: return "#dff0d8";
    case Stage::gateway: return "#fff3cd";
  }
  internal_error("stage");
}

// For a quoted label: what Graphviz takes for its own is escaped, lines end to the left.
std::string label(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || (c == ' ' && column >= kLine)) {
      out += "\\l";
      column = 0;
      continue;
    }
    if (byte < 0x20 || byte == 0x7f) c = ' ';
    if (c == '"' || c == '\\') out += '\\';
    out += c;
    ++column;
  }
  return out;
}

class Graph {
 public:
  Graph(const Module& module, const Split& split) : module_(module), split_(split) {}

  std::string run() {
    for (std::size_t i = 0; i < split_.entries.size(); ++i) {
      if (split_.entries[i].layer != Layer::none) add(i);
    }
    std::string text = "digraph split {\n  rankdir=LR;\n  node [shape=box, style=filled, fillcolor=white, fontname=\"sans-serif\", fontsize=10];\n"
                       "  edge [arrowsize=0.6];\n";
    text += policies_;
    for (const auto& [stage, nodes] : by_stage_) {
      text += fmt::format("  subgraph \"cluster_{0}\" {{\n    label=\"{1}\";\n    style=filled;\n    color=\"{2}\";\n    fontname=\"sans-serif\";\n{3}  }}\n",
                          to_text(stage), to_text(stage), fill(stage), nodes);
    }
    return text + edges_ + "}\n";
  }

 private:
  void add(std::size_t number) {
    const SplitEntry& entry = split_.entries[number];
    const Policy& policy = module_.policies[entry.policy.index];
    const RequestEnv& env = module_.environments[entry.environment];
    if (last_policy_ != entry.policy) {
      const bool permit = policy.effect == Effect::permit;
      policies_ += fmt::format("  p{} [label=\"{} {}\", fillcolor=\"{}\"];\n", entry.policy.index, permit ? "permit" : "forbid",
                               label(policy.id), permit ? "#e8f5e9" : "#fdecea");
      last_policy_ = entry.policy;
    }
    std::string where = "gateway";
    if (entry.layer == Layer::kernel) {
      where = "kernel";
      for (KernelEventId event : entry.events) where += fmt::format(" {}", kernel_event(event).text);
      where += fmt::format("\n{}", entry.approximation ? to_text(entry.approximation->kind) : "exact");
    }
    policies_ += fmt::format("  e{} [label=\"{}\\l{}\\l\", shape=ellipse];\n", number,
                             label(fmt::format("{} {} {}", env.principal, to_text(env.action), env.resource)), label(where));
    edges_ += fmt::format("  p{} -> e{};\n", entry.policy.index, number);
    std::set<std::string> unknown;   // told by edges of their own
    for (std::size_t i = 0; entry.approximation && i < entry.approximation->unknowns.size(); ++i) {
      unknown.insert(entry.approximation->unknowns[i].text);
    }
    for (const StagedExpr& expr : entry.exprs) {
      if (expr.stage != Stage::compile && !unknown.contains(expr.text)) edges_ += fmt::format("  e{} -> x{};\n", number, expression(expr.stage, expr.text, expr.reason));
    }
    if (!entry.approximation) return;
    for (const Unknown& unknown : entry.approximation->unknowns) {
      edges_ += fmt::format("  e{} -> x{} [style=dashed, color=red, label=\"unknown\"];\n", number,
                            expression(Stage::gateway, unknown.text, unknown.why));
    }
  }

  std::size_t expression(Stage stage, const std::string& text, const std::string& reason) {
    auto [found, added] = numbers_.try_emplace({stage, text}, numbers_.size());
    if (added) by_stage_[stage] += fmt::format("    x{} [label=\"{}\\l({})\\l\"];\n", found->second, label(text), label(reason));
    return found->second;
  }

  const Module& module_;
  const Split& split_;
  PolicyId last_policy_;
  std::string policies_, edges_;
  std::map<Stage, std::string> by_stage_;
  std::map<std::pair<Stage, std::string>, std::size_t> numbers_;
};

}  // namespace

std::string split_to_dot(const Module& module, const Split& split) { return Graph(module, split).run(); }

}  // namespace kerf
