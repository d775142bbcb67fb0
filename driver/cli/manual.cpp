// A command's row to a manual page.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "driver/cli/command_table.h"
#include "driver/cli/manual_text.h"
#include "driver/version.h"

namespace kerf::cli {
namespace {

std::string roff(std::string_view text) {
  std::string out;
  if (!text.empty() && (text[0] == '.' || text[0] == '\'')) out = "\\&";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') out += "\\e";
    else if (text[i] == '-') out += "\\-";
    else if (text.substr(i).starts_with("…")) out += "...", i += 2;
    else out += text[i];
  }
  return out;
}

std::string paragraphs(std::string_view text) {
  std::string out;
  for (std::size_t end; !text.empty(); text.remove_prefix(std::min(end + 2, text.size()))) {
    end = std::min(text.find("\n\n"), text.size());
    out += fmt::format("{}{}\n", out.empty() ? "" : ".PP\n", roff(text.substr(0, end)));
  }
  return out;
}

std::string lines(std::string_view text) {
  std::string out = ".nf\n";
  for (std::size_t end; !text.empty(); text.remove_prefix(std::min(end + 1, text.size()))) {
    end = std::min(text.find('\n'), text.size());
    out += roff(text.substr(0, end)) + "\n";
  }
  return out + ".fi\n";
}

std::string page_name(const CommandRow& command) { return command.path.empty() ? "kerf" : "kerf-" + command.path.front(); }

std::string option_text(const OptionRow& option) {
  std::string names;
  for (const std::string& name : option.names) names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
  if (!option.value.empty()) names += fmt::format("{}\\fI{}\\fR{}", names.empty() ? "" : " ", roff(option.value), option.many ? " ..." : "");
  std::string what = option.what + (option.required ? std::string(option.what.empty() ? "" : "; ") + "required" : "");
  return fmt::format(".TP\n{}\n{}\n", names, what.empty() ? "\\&" : roff(what));
}

std::string options_text(const CommandRow& command) {
  std::string out;
  for (const OptionRow& option : command.options) out += option_text(option);
  return out;
}

std::string synopsis(const CommandRow& command) {
  std::string out = fmt::format(".B {}\n[\\fIoptions\\fR]", roff(command.path.empty() ? "kerf" : fmt::format("kerf {}", fmt::join(command.path, " "))));
  for (const OptionRow& option : command.options) {
    if (!option.names.empty()) continue;
    std::string name = fmt::format("\\fI{}\\fR{}", roff(option.value), option.many ? " ..." : "");
    out += option.required ? " " + name : " [" + name + "]";
  }
  return out + (command.commands.empty() ? "" : " \\fIcommand\\fR") + "\n";
}

const ManualText* text_of(const CommandRow& command) {
  std::string name = command.path.empty() ? "" : command.path.front();
  for (const ManualText& text : kManual) {
    if (text.command == name) return &text;
  }
  return nullptr;
}

std::string commands_text(const CommandRow& command) {
  std::string out;
  for (const CommandRow& below : command.commands) {
    if (command.path.empty()) {
      out += fmt::format(".TP\n\\fB{}\\fR(1)\n{}\n", roff(page_name(below)), roff(below.what));
    } else {
      out += fmt::format(".SS {}\n{}.br\n{}\n{}", roff(fmt::format("kerf {}", fmt::join(below.path, " "))), synopsis(below), roff(below.what),
                         options_text(below));
    }
  }
  return out;
}

}  // namespace

std::string manual_page(const CommandRow& kerf, const CommandRow& command) {
  std::string name = page_name(command), upper;
  for (char c : name) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  const ManualText* text = text_of(command);
  std::string out = fmt::format(".TH {} 1 \"\" \"kerf {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}", roff(upper), version(),
                                roff(name), roff(command.path.empty() ? "compile Cedar policies for a gateway and the kernel" : command.what),
                                synopsis(command));
  out += ".SH DESCRIPTION\n" + (text ? paragraphs(text->description) : roff(command.what) + ".\n");
  for (const std::string& alias : command.aliases) out += fmt::format(".PP\nThe command can also be called \\fB{}\\fR.\n", roff(alias));
  if (!command.commands.empty()) out += ".SH COMMANDS\n" + commands_text(command);
  out += ".SH OPTIONS\n" + options_text(command);
  if (!command.path.empty()) out += ".PP\nThe options of \\fBkerf\\fR(1) hold for every command.\n";
  out += ".SH EXIT STATUS\n" + lines(kerf.footer);
  if (command.path.empty()) {
    out += ".SH ENVIRONMENT\n.TP\n.B KERF_ERROR_FORMAT\nas \\fB\\-\\-error\\-format\\fR\n.TP\n.B NO_COLOR\nif set and not empty: no colour\n";
  }
  if (text && !text->example.empty()) out += ".SH EXAMPLES\n" + lines(text->example);
  out += ".SH SEE ALSO\n";
  out += command.path.empty() ? "https://docs.cedarpolicy.com\n" : ".BR kerf (1)\n";
  return out;
}

}  // namespace kerf::cli
