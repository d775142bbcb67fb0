// What ANTLR says about a chunk that does not follow the grammar, in Cedar's words. Internal to this folder.
#pragma once
#include <antlr4-runtime.h>

#include <vector>

#include "frontend/parse/tokens.h"

namespace kerf {

// Stops at the first error and keeps it.
class FirstError : public antlr4::DefaultErrorStrategy {
 public:
  struct Stop {};  // thrown through the generated parser, caught by parse_rule()

  void recover(antlr4::Parser* parser, std::exception_ptr error) override;
  antlr4::Token* recoverInline(antlr4::Parser* parser) override;
  void sync(antlr4::Parser*) override {}
  void reportError(antlr4::Parser*, const antlr4::RecognitionException&) override {}

  bool describe = true;                  // else what follows stays empty: it takes tables that parsers share
  const antlr4::Token* token = nullptr;  // the first token that does not fit
  std::vector<std::size_t> expected;     // token types; empty: unknown
  std::size_t rule = 0;                  // index of the grammar rule
  antlr4::ParserRuleContext* context = nullptr;  // its node, as far as it got; valid until the tree is dropped

 private:
  void keep(antlr4::Parser& parser, const antlr4::Token* at);
};

// Runs one rule of the parser; nothing after a syntax error, which `error` then describes.
template <class Parser, class Context>
Context* parse_rule(Parser& parser, Context* (Parser::*rule)()) {
  try {
    return (parser.*rule)();
  } catch (const FirstError::Stop&) {
    return nullptr;
  }
}

// "`,`, `)` or an operator". `operand`: the previous token ends an operand, so an operator could follow it.
std::string expected_text(const std::vector<std::size_t>& types, bool operator_fits);
// "`,`", "the end of the file"; at the end of a chunk its `;` is an ordinary token.
std::string found_text(const TokenReader& reader, const antlr4::Token& token);
bool starts_expression(std::size_t type);
// Ends a value: after it an operator may follow.
bool ends_operand(std::size_t type);
// Reports what stopped the parser in a policy or an expression.
void report_policy_syntax(TokenReader& reader, const FirstError& error, Diagnostics& diagnostics);
// The token before, or none.
const antlr4::Token* token_before(TokenReader& reader, const antlr4::Token& token);

}  // namespace kerf
