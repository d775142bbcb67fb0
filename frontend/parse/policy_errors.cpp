// A policy that does not follow the grammar: what was expected there, in the words of whoever wrote it, and a way out.
#include "Cedar.h"
#include "frontend/parse/syntax_error.h"

namespace kerf {

using antlr4::Token;
using grammar::Cedar;

namespace {

// Rules whose end can follow a complete operand.
bool takes_operators(std::size_t rule) {
  switch (rule) {
    case Cedar::RuleCondition:
    case Cedar::RuleExpression:
    case Cedar::RuleExpr:
    case Cedar::RuleAccess:
    case Cedar::RulePrimary:
    case Cedar::RuleRecordLit:
    case Cedar::RuleField: return true;
  }
  return false;
}

bool opens(std::size_t type) { return type == Tokens::LPAREN || type == Tokens::LBRACK || type == Tokens::LBRACE; }

bool expects_only(const FirstError& error, std::size_t type) {
  return error.expected == std::vector<std::size_t>{type};
}

// ANTLR forgets the optional parts that it has passed; they are named again here.
std::string expected_here(const FirstError& error, const Token* before) {
  std::size_t previous = before == nullptr ? Token::EOF : before->getType();
  bool in_scope = error.rule == Cedar::RulePolicy && !expects_only(error, Tokens::LPAREN);
  if (error.rule == Cedar::RulePolicy && expects_only(error, Tokens::SEMI)) return "`when`, `unless` or `;`";
  if (in_scope && previous == Tokens::LPAREN) return "`principal`";
  if (in_scope && is_word_token(previous)) return "`==`, `in`, `is`, `,` or `)`";
  if (error.expected.empty()) return error.rule == Cedar::RuleRecordLit ? "an attribute" : in_scope ? "`)`" : "an expression";
  std::string text = expected_text(error.expected, ends_operand(previous) && takes_operators(error.rule));
  if (!opens(previous) || error.expected.size() > 1) return text;
  if (error.rule == Cedar::RuleRecordLit) return "an attribute or " + text;
  return takes_operators(error.rule) ? "an expression or " + text : text;
}

std::string_view help_for(TokenReader& reader, const Token& token, const Token* before) {
  std::string_view text = reader.text(token);
  std::size_t previous = before == nullptr ? Token::EOF : before->getType();
  bool touches = before != nullptr && before->getStopIndex() + 1 == token.getStartIndex();
  if (text == "and") return "\"and\" is written `&&`";
  if (text == "or") return "\"or\" is written `||`";
  if (before != nullptr && reader.text(*before) == "not") return "\"not\" is written `!`";
  if (text == "not") return "write `!(a in b)`";
  if (text == "contains") return "write `e.contains(x)`";
  if (previous == Tokens::ASSIGN && touches && token.getType() == Tokens::LESS) return "write `<=`";
  if (previous == Tokens::ASSIGN && touches && token.getType() == Tokens::GREATER) return "write `>=`";
  if (previous == Tokens::LESS && touches && token.getType() == Tokens::GREATER) return "\"not equal\" is written `!=`";
  if (previous == Tokens::DOT && token.getType() == Tokens::NUMBER) return "write `decimal(\"1.5\")` for a decimal";
  if (token.getType() == Tokens::COLON && previous == Tokens::IDENT) return "an entity is written `User::\"alice\"`";
  if (token.getType() == Tokens::LBRACE && (previous == Tokens::WHEN || previous == Tokens::UNLESS)) {
    return "the policy before ends at its `;`; remove that one to go on with a clause";
  }
  if (token.getType() == Tokens::SEMI) return "only the end of a policy has a `;`";
  return {};
}

}  // namespace

void report_policy_syntax(TokenReader& reader, const FirstError& error, Diagnostics& diagnostics) {
  const Token& token = *error.token;
  const Token* before = token_before(reader, token);
  std::size_t type = token.getType();
  bool starts_policy = type == Tokens::PERMIT || type == Tokens::FORBID || type == Tokens::AT || type == Token::EOF;
  bool wants_end = error.rule == Cedar::RulePolicy && expects_only(error, Tokens::SEMI);
  if (wants_end && starts_policy && before != nullptr) {
    Span at = reader.span(*before);
    at.begin = at.end - 1;
    diagnostics.report(Code::K1011, at, "policy").with_fix({at.source, at.end, at.end}, ";");
    return;
  }
  if (type == Tokens::IF && before != nullptr && before->getType() != Tokens::IS && !ends_operand(before->getType())) {
    diagnostics.report(Code::K1140, reader.span(token)).with_help("put parentheses around the `if`");
    return;
  }
  Span at = reader.span(token);
  Diagnostic& diagnostic = diagnostics.report(Code::K1002, at, expected_here(error, before), found_text(reader, token));
  if (std::string_view help = help_for(reader, token, before); !help.empty()) diagnostic.with_help(std::string(help));
}

}  // namespace kerf
