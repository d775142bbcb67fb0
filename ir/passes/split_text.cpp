// The split report for people: a table for logs, boxes for a terminal. Both fit 100 columns; what does not fit is cut
// with an ellipsis, but for the expressions of a picture, which are wrapped. Columns count Unicode scalar values.
#include <fmt/format.h>

#include <algorithm>

#include "ir/base/check.h"
#include "ir/passes/split.h"

namespace kerf {

namespace {

constexpr std::size_t kWidth = 100;

std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  for (unsigned char byte : text) count += (byte & 0xc0) != 0x80;
  return count;
}

// Exactly `width` columns: cut or filled.
std::string fit(std::string text, std::size_t width) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  const std::size_t have = columns(text);
  if (have <= width) return text + std::string(width - have, ' ');
  std::size_t end = 0, seen = 0;
  while (seen < width - 1) {
    ++end;
    while ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;   // at the latest at the final 0
    ++seen;
  }
  return text.substr(0, end) + "…";
}

std::string trimmed(const std::string& line) {
  return line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
}

std::string place(const Sources& sources, Span span) {
  if (!span.valid()) return "";
  const LineColumn at = sources.locate(span.source, span.begin);
  return fmt::format("{}:{}:{}", sources.name(span.source), at.line, at.column);
}

std::string request_text(const RequestEnv& env) {
  return fmt::format("{} {} {}", env.principal, to_text(env.action), env.resource);
}

std::string events_text(const SplitEntry& entry) {
  std::string text;
  for (KernelEventId event : entry.events) text += (text.empty() ? "" : " ") + std::string(kernel_event(event).text);
  return text;
}

std::string_view mode_text(const SplitEntry& entry) { return entry.approximation ? to_text(entry.approximation->kind) : "exact"; }

std::string layer_summary(const SplitEntry& entry) {
  switch (entry.layer) {
    case Layer::kernel:
      return fmt::format("kernel {}{} {}", kernel_event(entry.events.front()).text,
                         entry.events.size() > 1 ? fmt::format(" +{}", entry.events.size() - 1) : "", mode_text(entry));
    case Layer::gateway: return "gateway";
    case Layer::none: return "-";
  }
  internal_error("layer");
}

std::string_view effect_text(const Policy& policy) { return policy.effect == Effect::permit ? "permit" : "forbid"; }

std::string_view approximation_text(Effect effect, Approximation kind) {
  const bool possible = holds_if_possible(effect, kind);
  if (effect == Effect::permit) return possible ? "permits wherever the unknown may permit" : "permits only where it permits whatever the unknown is";
  return possible ? "forbids wherever the unknown may forbid" : "forbids only where it forbids whatever the unknown is";
}

class Picture {
 public:
  explicit Picture(bool colour) : colour_(colour) {}

  void open(std::string_view title, std::string_view where) {
    std::string left = fmt::format("┌─ {} ", title), right = where.empty() ? "" : fmt::format(" {} ", where);
    if (columns(left) + columns(right) + 2 > kWidth) right.clear();
    if (columns(left) + 2 > kWidth) left = fit(left, kWidth - 3) + " ";
    text_ += left;
    for (std::size_t i = columns(left) + columns(right) + 1; i < kWidth; ++i) text_ += "─";
    text_ += right + "┐\n";
  }

  void line(const std::string& content, std::string_view code = {}) {
    std::string inner = fit(content, kWidth - 4);
    if (colour_ && !code.empty()) inner = fmt::format("\x1b[{}m{}\x1b[0m", code, inner);
    text_ += "│ " + inner + " │\n";
  }

  void close() {
    text_ += "└";
    for (std::size_t i = 2; i < kWidth; ++i) text_ += "─";
    text_ += "┘\n";
  }

  std::string take() { return std::move(text_); }

 private:
  bool colour_;
  std::string text_;
};

std::string_view stage_colour(Stage stage) {
  switch (stage) {
    case Stage::compile: break;   // is not drawn
    case Stage::bind:
    case Stage::learn:
    case Stage::publish: return "36";
    case Stage::hook: return "32";
    case Stage::gateway: return "33";
  }
  internal_error("stage");
}

// Lines of at most `width` columns, broken at spaces where there are some.
std::vector<std::string> wrap(const std::string& text, std::size_t width) {
  std::vector<std::string> lines(1);
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = std::min(text.find(' ', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    begin = end + 1;
    if (!lines.back().empty() && columns(lines.back()) + 1 + columns(word) > width) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

// What is decided at which stage; the parts that compiling decided (`action == …`) are in the table and the JSON.
void draw_exprs(Picture& picture, const SplitEntry& entry) {
  for (const StagedExpr& expr : entry.exprs) {
    if (expr.stage == Stage::compile) continue;
    std::string label = fmt::format("{}", to_text(expr.stage));
    for (const std::string& line : wrap(expr.text, kWidth - 18)) {
      picture.line(fmt::format("  {:<9} {}", label, line), stage_colour(expr.stage));
      label.clear();
    }
    picture.line(fmt::format("  {:<9}   {}", "", expr.reason), "2");
  }
}

std::string unknown_outcomes(const Unknown& unknown) { return unknown.can_error ? "true, false or an error" : "true or false"; }

// What an approximation takes as unknown, and what it makes of it.
void draw_unknowns(Picture& picture, const Module& module, const SplitEntry& entry) {
  if (!entry.approximation) return;
  for (const Unknown& unknown : entry.approximation->unknowns) {
    std::string label = "unknown";
    for (const std::string& line : wrap(unknown.text, kWidth - 18)) {
      picture.line(fmt::format("  {:<9} {}", label, line), "31");
      label.clear();
    }
    for (const std::string& line : wrap(fmt::format("{}: {}; taken as {}", catalogue_row(unknown.code).name, unknown.why, unknown_outcomes(unknown)), kWidth - 18)) {
      picture.line(fmt::format("  {:<9}   {}", "", line), "2");
    }
  }
  picture.line(fmt::format("  {:<9} {}", mode_text(entry), approximation_text(module.policies[entry.policy.index].effect, entry.approximation->kind)), "31");
}

void draw_entry(Picture& picture, const Module& module, const SplitEntry& entry) {
  const RequestEnv& env = module.environments[entry.environment];
  if (entry.layer == Layer::gateway) {
    picture.line(fmt::format("gateway   {}", request_text(env)), "33");
    return;
  }
  const bool one = entry.events.size() == 1;
  picture.line(fmt::format("KERNEL    {}  ·  {}  ·  {}", request_text(env),
                           one ? events_text(entry) : fmt::format("{} events", entry.events.size()), mode_text(entry)), "1;32");
  for (const std::string& line : one ? std::vector<std::string>{} : wrap(events_text(entry), kWidth - 18)) {
    picture.line(fmt::format("            {}", line));
  }
  draw_exprs(picture, entry);
  draw_unknowns(picture, module, entry);
}

}  // namespace

std::string split_to_table(const Module& module, const Sources& sources, const Split& split) {
  std::string text = trimmed(fmt::format("{} {} {} {}", fit("POLICY", 24), fit("EFFECT", 6), fit("REQUEST", 40), "LAYER"));
  for (const SplitEntry& entry : split.entries) {
    const Policy& policy = module.policies[entry.policy.index];
    text += trimmed(fmt::format("{} {} {} {}", fit(policy.id, 24), fit(std::string(effect_text(policy)), 6),
                                fit(request_text(module.environments[entry.environment]), 40),
                                fit(layer_summary(entry), 27)));
    for (const StagedExpr& expr : entry.exprs) {
      text += trimmed(fmt::format("    {} {} {}", fit(std::string(to_text(expr.stage)), 8), fit(expr.text, 56),
                                  fit(place(sources, expr.span), 28)));
    }
    if (!entry.approximation) continue;
    for (const Unknown& unknown : entry.approximation->unknowns) {
      text += trimmed(fmt::format("    unknown  {} {}", fit(unknown.text, 56), fit(place(sources, unknown.span), 28)));
    }
  }
  return text;
}

std::string split_to_picture(const Module& module, const Sources& sources, const Split& split, bool colour) {
  Picture picture(colour);
  for (std::size_t i = 0; i < split.entries.size();) {
    const PolicyId id = split.entries[i].policy;
    const Policy& policy = module.policies[id.index];
    picture.open(fmt::format("{} {}", effect_text(policy), policy.id), place(sources, policy.span));
    std::size_t elsewhere = 0, shown = 0;
    for (; i < split.entries.size() && split.entries[i].policy == id; ++i) {
      if (split.entries[i].layer == Layer::none) {
        ++elsewhere;
      } else {
        draw_entry(picture, module, split.entries[i]);
        ++shown;
      }
    }
    if (shown == 0) picture.line("applies to no request", "2");
    if (shown != 0 && elsewhere != 0) {
      picture.line(fmt::format("cannot apply to {} other request environment{}", elsewhere, elsewhere == 1 ? "" : "s"), "2");
    }
    picture.close();
  }
  return picture.take();
}

}  // namespace kerf
