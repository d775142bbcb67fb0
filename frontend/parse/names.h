// Words, paths and annotations, shared by policies and schemas. Internal to this folder.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "frontend/ast/policy.h"
#include "frontend/parse/tokens.h"

namespace kerf {

// Reports reserved words (K1008) and, unless `allow_cedar`, the reserved component (K1009). True: nothing to report.
bool check_word(const TokenReader& reader, const antlr4::Token& word, bool allow_cedar, Diagnostics& diagnostics);

// A path from its words; nothing after a report.
std::optional<ast::Name> read_path(const TokenReader& reader, const std::vector<const antlr4::Token*>& words,
                                   bool allow_cedar, Diagnostics& diagnostics);

std::optional<std::string> read_string(const TokenReader& reader, const antlr4::Token& token, Diagnostics& diagnostics);

// Annotations of one policy or declaration: keys are any words, each once.
class AnnotationReader {
 public:
  AnnotationReader(const TokenReader& reader, Diagnostics& diagnostics) : reader_(reader), diagnostics_(diagnostics) {}
  void add(const antlr4::ParserRuleContext& rule, const antlr4::Token& key, const antlr4::Token* value);
  std::vector<ast::Annotation> take() { return std::move(annotations_); }

 private:
  const TokenReader& reader_;
  Diagnostics& diagnostics_;
  std::vector<ast::Annotation> annotations_;
  std::unordered_map<std::string, Span> seen_;
};

}  // namespace kerf
