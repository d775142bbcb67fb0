// Diagnostic -> text. Source text is shown with tabs as spaces and control characters escaped, so that hostile input
// cannot drive a terminal.
#include "driver/render.h"

#include <fmt/core.h>

#include <algorithm>

#include "ir/values/json.h"

namespace kerf {
namespace {

struct Style {
  bool colour;
  std::string paint(const char* code, const std::string& text) const {
    return colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }
};

const char* severity_text(Severity severity) {
  switch (severity) {
    case Severity::error: return "error";
    case Severity::warning: return "warning";
    case Severity::note: return "note";
  }
  internal_error("severity");
}

const char* severity_colour(Severity severity) {
  switch (severity) {
    case Severity::error: return "1;31";
    case Severity::warning: return "1;33";
    case Severity::note: return "1;36";
  }
  internal_error("severity");
}

// Two or three bytes of UTF-8 that a terminal obeys instead of showing: C1 controls and bidirectional controls.
std::size_t hidden_character(std::string_view text) {
  auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0) return 2;
  bool embedding = byte(1) == 0x80 && ((byte(2) >= 0xaa && byte(2) <= 0xae) || byte(2) == 0x8e || byte(2) == 0x8f);
  bool isolate = byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9;
  return byte(0) == 0xe2 && (embedding || isolate) ? 3 : 0;
}

std::string escaped_bytes(std::string_view text) {
  std::string out;
  for (char c : text) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return out;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    auto b = static_cast<unsigned char>(text[i]);
    std::size_t hidden = b < 0x20 || b == 0x7f ? 1 : hidden_character(text.substr(i));
    if (b == '\t') out += "    ";
    else if (hidden != 0) out += escaped_bytes(text.substr(i, hidden));
    else out += text[i];
    i += std::max<std::size_t>(hidden, 1);
  }
  return out;
}

namespace {

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

constexpr std::size_t kMaxLineShown = 160;

// One source line with the part that the span covers underlined. Long lines are cut round the span.
void frame(const Sources& sources, Span span, const std::string& label, char mark, const char* colour,
           std::size_t gutter, const Style& style, std::string& out) {
  LineColumn at = sources.locate(span.source, span.begin);
  std::string_view line = sources.line_text(span.source, at.line);
  std::string_view all = sources.text(span.source);
  std::size_t line_begin = static_cast<std::size_t>(line.data() - all.data());
  std::size_t begin = std::min<std::size_t>(span.begin - std::min<std::size_t>(line_begin, span.begin), line.size());
  std::size_t end = std::clamp<std::size_t>(span.end - line_begin, begin, line.size());
  std::size_t cut = 0;
  if (line.size() > kMaxLineShown && begin > kMaxLineShown / 2) cut = begin - kMaxLineShown / 2;
  while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80) --cut;
  std::size_t last = std::min(line.size(), cut + kMaxLineShown);
  while (last < line.size() && (static_cast<unsigned char>(line[last]) & 0xc0) == 0x80) ++last;
  end = std::min(end, last);
  std::string before = (cut ? "…" : "") + printable(line.substr(cut, begin - cut));
  std::string under = printable(line.substr(begin, end - begin));
  std::string after = printable(line.substr(end, last - end)) + (last < line.size() ? "…" : "");
  std::string bar = style.paint("1;34", "|");
  out += fmt::format("{} {} {}{}{}\n", style.paint("1;34", fmt::format("{:>{}}", at.line, gutter)), bar, before, under, after);
  out += fmt::format("{} {} {}{}{}\n", std::string(gutter, ' '), bar, std::string(width(before), ' '),
                     style.paint(colour, std::string(std::max<std::size_t>(1, width(under)), mark)),
                     label.empty() ? "" : " " + style.paint(colour, label));
}

std::string place(const Sources& sources, Span span) {
  LineColumn at = sources.locate(span.source, span.begin);
  return fmt::format("{}:{}:{}", printable(sources.path(span.source)), at.line, at.column);
}

// Some texts have lines of their own, such as what the kernel says of a program.
std::string indented(std::string_view text, std::size_t columns) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::string out;
  for (std::size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
    out += printable(text.substr(0, end)) + "\n" + std::string(columns, ' ');
  }
  return out + printable(text);
}

// A name in a message can be as long as a file.
std::string clipped(std::string text) {
  constexpr std::size_t kMaxBytes = 16384;
  if (text.size() <= kMaxBytes) return text;
  std::size_t end = kMaxBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

void clip(Diagnostic& d) {
  for (std::string* text : {&d.message, &d.label}) *text = clipped(std::move(*text));
  for (Label& label : d.related) label.text = clipped(std::move(label.text));
  for (auto* texts : {&d.notes, &d.help}) {
    for (std::string& text : *texts) text = clipped(std::move(text));
  }
}

std::string human(const Sources& sources, const Diagnostic& d, const Style& style) {
  const CatalogueRow& row = catalogue_row(d.code);
  const char* colour = severity_colour(d.severity);
  std::string out = fmt::format("{}: {}\n", style.paint(colour, fmt::format("{}[{}]", severity_text(d.severity), row.name)),
                                style.paint("1", printable(d.message)));
  std::uint32_t last_line = 1;
  if (d.span.valid()) last_line = sources.locate(d.span.source, d.span.begin).line;
  for (const Label& label : d.related) {
    if (label.span.valid()) last_line = std::max(last_line, sources.locate(label.span.source, label.span.begin).line);
  }
  std::size_t gutter = fmt::format("{}", last_line).size();
  std::string pad(gutter, ' ');
  if (d.span.valid()) {
    out += fmt::format("{}{} {}\n{} {}\n", pad, style.paint("1;34", "-->"), place(sources, d.span), pad, style.paint("1;34", "|"));
    frame(sources, d.span, printable(d.label), '^', colour, gutter, style, out);
  }
  for (const Label& label : d.related) {
    if (!label.span.valid()) continue;
    out += fmt::format("{}{} {}\n", pad, style.paint("1;34", ":::"), place(sources, label.span));
    frame(sources, label.span, printable(label.text), '-', "1;34", gutter, style, out);
  }
  for (const std::string& note : d.notes) {
    out += fmt::format("{} {} note: {}\n", pad, style.paint("1;34", "="), indented(note, gutter + 9));
  }
  for (const std::string& help : d.help) {
    out += fmt::format("{} {} {} {}\n", pad, style.paint("1;34", "="), style.paint("1;32", "help:"), indented(help, gutter + 9));
  }
  return out + "\n";
}

std::string plain(const Sources& sources, const Diagnostic& d) {
  std::string out = fmt::format("{}{}[{}]: {}\n", d.span.valid() ? place(sources, d.span) + ": " : "",
                                severity_text(d.severity), catalogue_row(d.code).name, printable(d.message));
  for (const std::string& note : d.notes) out += fmt::format("  note: {}\n", printable(note));
  for (const std::string& help : d.help) out += fmt::format("  help: {}\n", printable(help));
  return out;
}

Json span_json(const Sources& sources, Span span, const std::string& text) {
  LineColumn from = sources.locate(span.source, span.begin);
  LineColumn to = sources.locate(span.source, span.end);
  return {{"file", sources.path(span.source)}, {"begin", span.begin}, {"end", span.end}, {"line", from.line},
          {"column", from.column}, {"end_line", to.line}, {"end_column", to.column}, {"text", text}};
}

std::string json_line(const Sources& sources, const Diagnostic& d) {
  Json related = Json::array();
  for (const Label& label : d.related) {
    if (label.span.valid()) related.push_back(span_json(sources, label.span, label.text));
  }
  Json fix = Json::array();
  for (const Edit& edit : d.fix) fix.push_back(span_json(sources, edit.span, edit.replacement));
  Json out = {{"schema", "kerf.diagnostic"}, {"version", 1}, {"code", std::string(catalogue_row(d.code).name)},
              {"severity", severity_text(d.severity)}, {"message", d.message}, {"related", std::move(related)},
              {"notes", d.notes}, {"help", d.help}, {"fix", std::move(fix)},
              {"policy", d.policy.empty() ? Json(nullptr) : Json(d.policy)}, {"environments", d.environments}};
  out["span"] = d.span.valid() ? span_json(sources, d.span, d.label) : Json(nullptr);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string render(const Sources& sources, const Diagnostics& diagnostics, ErrorFormat format, bool colour) {
  std::string out;
  auto write = [&](Diagnostic d) {
    clip(d);
    switch (format) {
      case ErrorFormat::human: out += human(sources, d, Style{colour}); break;
      case ErrorFormat::plain: out += plain(sources, d); break;
      case ErrorFormat::json: out += json_line(sources, d); break;
      case ErrorFormat::sarif: break;   // one document for all: driver/sarif.h
    }
  };
  for (const Diagnostic& d : diagnostics.all()) write(d);
  if (diagnostics.not_kept() != 0) {
    Diagnostics last;
    write(last.report(Code::K8004, {}, diagnostics.not_kept()));
  }
  return out;
}

std::string summary(std::size_t errors, std::size_t warnings) {
  auto count = [](std::size_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); };
  if (errors == 0) return count(warnings, "warning");
  return count(errors, "error") + (warnings == 0 ? "" : ", " + count(warnings, "warning"));
}

std::string explain(Code code) {
  const CatalogueRow& row = catalogue_row(code);
  return fmt::format("{} ({}): {}\n\nCause\n  {}\n\nExample\n  {}\n\nCure\n  {}\n", row.name, severity_text(row.severity),
                     row.message, row.cause, row.example, row.cure);
}

}  // namespace kerf
