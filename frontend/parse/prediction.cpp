// The decisions are told apart by the grammar's rule; a test compares every pair of tokens with ANTLR's answer.
#include "frontend/parse/prediction.h"

#include "frontend/parse/syntax_error.h"

namespace kerf {
namespace {

constexpr std::size_t kUndecided = 0;

// A list goes on (1) or ends (2). `word`: its elements begin with words only.
std::size_t decide_list(std::size_t first, std::size_t second, std::size_t close, bool word) {
  if (first == close) return 2;
  if (first != Tokens::COMMA) return kUndecided;
  if (second == close) return 2;
  return is_word_token(second) || (!word && starts_expression(second)) ? 1 : kUndecided;
}

// `if` as a name (1), or an expression (2).
std::size_t decide_field(std::size_t first, std::size_t second) {
  if (first == Tokens::IF && second == Tokens::COLON) return 1;
  return starts_expression(first == Tokens::IF ? second : first) ? 2 : kUndecided;
}

}  // namespace

TwoTokens::TwoTokens(Cedar& parser, bool alone)
    : ParserATNSimulator(&parser, parser.getATN(), parser.getInterpreter<ParserATNSimulator>()->decisionToDFA,
                         parser.getInterpreter<ParserATNSimulator>()->getSharedContextCache()),
      alone_(alone) {}

std::size_t TwoTokens::decide(std::size_t decision, std::size_t first, std::size_t second) const {
  switch (atn.getDecisionState(decision)->ruleIndex) {
    case Cedar::RulePolicy: return decide_list(first, second, Tokens::RPAREN, true);
    case Cedar::RuleAccess: return decide_list(first, second, Tokens::RPAREN, false);
    case Cedar::RulePrimary: return decide_list(first, second, Tokens::RBRACK, false);
    case Cedar::RuleRecordLit: return decide_list(first, second, Tokens::RBRACE, false);
    case Cedar::RuleField: return decide_field(first, second);
  }
  return kUndecided;
}

std::size_t TwoTokens::adaptivePredict(antlr4::TokenStream* input, std::size_t decision,
                                       antlr4::ParserRuleContext* context) {
  std::size_t alternative = decide(decision, input->LA(1), input->LA(2));
  if (alternative != kUndecided) return alternative;
  if (!alone_) throw FirstError::Stop();
  return ParserATNSimulator::adaptivePredict(input, decision, context);
}

}  // namespace kerf
