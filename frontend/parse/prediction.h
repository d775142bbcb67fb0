// The few decisions of the policy grammar that take two tokens: does another element follow the comma, or the end? Is
// `if` a field's name or an expression? Internal to this folder.
#pragma once
#include <antlr4-runtime.h>

#include "Cedar.h"
#include "frontend/parse/tokens.h"

namespace kerf {

using grammar::Cedar;

// Decides them by the two tokens where these fit, and leaves the rest, which is wrong input, to ANTLR's prediction. That
// one learns by writing to tables that all parsers of a process share; with `alone` false it is not asked, and the parser
// stops as after an error.
class TwoTokens final : public antlr4::atn::ParserATNSimulator {
 public:
  TwoTokens(Cedar& parser, bool alone);

  std::size_t adaptivePredict(antlr4::TokenStream* input, std::size_t decision, antlr4::ParserRuleContext* context) override;
  // The alternative, or 0: not decided by these.
  std::size_t decide(std::size_t decision, std::size_t first, std::size_t second) const;

 private:
  bool alone_;
};

}  // namespace kerf
