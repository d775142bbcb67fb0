// Source text as tokens, one policy or declaration at a time, so that memory follows the largest of them and not the
// file. Internal to this folder.
#pragma once
#include <antlr4-runtime.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "frontend/parse/lexer.h"
#include "ir/base/check.h"
#include "ir/base/diagnostic.h"

namespace kerf {

// What a chunk of tokens is: a policy up to its `;`, a declaration up to its `;` (or the `{` and `}` of a namespace),
// or everything.
enum class ChunkKind { policy, declaration, whole };

// A token as ANTLR's parsers ask for it; offsets are bytes. The text is the reader's.
class SourceToken final : public antlr4::Token {
 public:
  SourceToken(const Lexeme& lexeme, std::size_t index) : lexeme_(lexeme), index_(index) {}
  void move_to(const Lexeme& lexeme) { lexeme_ = lexeme; }   // another token of this type
  std::uint32_t begin() const { return lexeme_.begin; }
  std::uint32_t end() const { return lexeme_.end; }

  std::string getText() const override { return {}; }
  std::size_t getType() const override { return lexeme_.type; }
  std::size_t getLine() const override { return 0; }
  std::size_t getCharPositionInLine() const override { return 0; }
  std::size_t getChannel() const override { return DEFAULT_CHANNEL; }
  std::size_t getTokenIndex() const override { return index_; }
  std::size_t getStartIndex() const override { return lexeme_.begin; }
  std::size_t getStopIndex() const override { return std::size_t{lexeme_.end} - 1; }
  antlr4::TokenSource* getTokenSource() const override { return nullptr; }
  antlr4::CharStream* getInputStream() const override { return nullptr; }
  std::string toString() const override { return {}; }

 private:
  Lexeme lexeme_;
  std::size_t index_;
};

// The tokens of one chunk, for ANTLR's parsers. The last is an EOF token.
class ChunkStream final : public antlr4::TokenStream {
 public:
  void read(std::vector<SourceToken>& tokens) { tokens_ = &tokens, index_ = 0; }

  antlr4::Token* LT(ssize_t k) override;
  std::size_t LA(ssize_t k) override { return LT(k)->getType(); }
  void consume() override { ++index_; }
  antlr4::Token* get(std::size_t index) const override { return &tokens_->at(index); }
  std::size_t index() override { return index_; }
  void seek(std::size_t index) override { index_ = index; }
  std::size_t size() override { return tokens_->size(); }
  ssize_t mark() override { return 0; }
  void release(ssize_t) override {}
  std::string getSourceName() const override { return {}; }
  antlr4::TokenSource* getTokenSource() const override { return nullptr; }
  std::string getText(const antlr4::misc::Interval&) override { return {}; }
  std::string getText() override { return {}; }
  std::string getText(antlr4::RuleContext*) override { return {}; }
  std::string getText(antlr4::Token*, antlr4::Token*) override { return {}; }

 private:
  std::vector<SourceToken>* tokens_ = nullptr;
  std::size_t index_ = 0;
};

class TokenReader {
 public:
  // The text must have passed check_text(). `part` begins and ends between chunks.
  TokenReader(const Sources& sources, Span part, ChunkKind kind, Diagnostics& diagnostics);
  TokenReader(const Sources& sources, SourceId source, ChunkKind kind, Diagnostics& diagnostics);

  enum class Chunk { good, wrong, end };
  // Reads the next chunk. `wrong`: a token or the nesting was reported, do not parse it.
  Chunk next();

  // The chunk, ended by an EOF token which is the end of the file only if at_end_of_file().
  const std::vector<Lexeme>& lexemes() const { return lexemes_; }
  ChunkStream& stream();                     // the same as tokens, made when first asked for
  std::vector<SourceToken> take_tokens();    // of the stream, which then has none
  bool at_end_of_file() const { return end_of_file_; }
  std::size_t open_brackets() const { return open_brackets_; }  // at the end of the last chunk whose tokens are all Cedar's

  Span span(const antlr4::Token& token) const { return span(token, token); }
  Span span(const antlr4::ParserRuleContext& rule) const { return span(*rule.start, *rule.stop); }
  Span span(const antlr4::Token& first, const antlr4::Token& last) const {
    std::uint32_t begin = static_cast<const SourceToken&>(first).begin();
    return {source_, begin, std::max(begin, static_cast<const SourceToken&>(last).end())};
  }
  std::string_view text(Span span) const { return text_.substr(span.begin, span.end - span.begin); }
  std::string_view text(const antlr4::Token& token) const { return text(span(token)); }

 private:
  bool read_lexemes();   // false: too many
  bool check_lexemes();
  void report_wrong(const Lexeme& lexeme);
  Span span(const Lexeme& lexeme) const { return {source_, lexeme.begin, lexeme.end}; }

  SourceId source_;
  std::string_view text_;
  Diagnostics& diagnostics_;
  ChunkKind kind_;
  Lexer lexer_;
  std::vector<Lexeme> lexemes_;
  std::vector<SourceToken> tokens_;
  ChunkStream stream_;
  bool end_of_file_ = false;
  std::size_t open_brackets_ = 0;
  std::vector<std::size_t> open_ifs_ = {0};   // per open bracket, the outside first: how many `if` are open inside
};

// UTF-8 and byte order mark. False: reported, do not read.
bool check_text(const Sources& sources, SourceId source, Diagnostics& diagnostics);

inline bool is_word_token(std::size_t type) { return type >= Tokens::TRUE && type <= Tokens::IDENT; }  // or a keyword

}  // namespace kerf
