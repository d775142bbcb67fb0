// Source text as tokens, one policy or declaration at a time, so that memory follows the largest of them and not the
// file. Internal to this folder.
#pragma once
#include <antlr4-runtime.h>

#include <memory>
#include <string_view>

#include "CedarTokens.h"
#include "ir/base/check.h"
#include "ir/base/diagnostic.h"

namespace kerf {

using Tokens = grammar::CedarTokens;

// What a chunk of tokens is: a policy up to its `;`, a declaration up to its `;` (or the `{` and `}` of a namespace),
// or everything.
enum class ChunkKind { policy, declaration, whole };

// ANTLR counts code points, spans count bytes.
class Offsets {
 public:
  Offsets(SourceId source, std::string_view text);
  Span span(const antlr4::Token& token) const { return span(token, token); }
  Span span(const antlr4::Token& first, const antlr4::Token& last) const;

 private:
  std::uint32_t byte(std::size_t code_point) const;
  SourceId source_;
  std::vector<std::uint32_t> bytes_;  // empty: all ASCII
  std::uint32_t size_;
};

class ChunkSource;

class TokenReader {
 public:
  // The text must have passed check_text().
  TokenReader(const Sources& sources, SourceId source, ChunkKind kind, Diagnostics& diagnostics);
  ~TokenReader();

  enum class Chunk { good, wrong, end };
  // Reads the next chunk. `wrong`: a token or the nesting was reported, do not parse it.
  Chunk next();

  // The tokens of the chunk, ended by an EOF token which is the end of the file only if at_end_of_file().
  antlr4::CommonTokenStream& stream() { return *stream_; }
  bool at_end_of_file() const;
  std::size_t open_brackets() const { return open_brackets_; }  // at the end of the chunk

  Span span(const antlr4::Token& token) const { return offsets_.span(token); }
  Span span(const antlr4::ParserRuleContext& rule) const { return offsets_.span(*rule.start, *rule.stop); }
  Span span(const antlr4::Token& first, const antlr4::Token& last) const { return offsets_.span(first, last); }
  std::string_view text(Span span) const { return sources_.text(span); }
  std::string_view text(const antlr4::Token& token) const { return text(span(token)); }

 private:
  bool check_tokens();
  void report_wrong(const antlr4::Token& token);

  const Sources& sources_;
  Diagnostics& diagnostics_;
  Offsets offsets_;
  std::unique_ptr<antlr4::ANTLRInputStream> input_;
  std::unique_ptr<Tokens> lexer_;
  std::unique_ptr<ChunkSource> chunks_;
  std::unique_ptr<antlr4::CommonTokenStream> stream_;
  bool angle_brackets_;  // `<` nests in schemas
  bool ended_ = false;
  std::size_t open_brackets_ = 0;
};

// UTF-8 and byte order mark. False: reported, do not read.
bool check_text(const Sources& sources, SourceId source, Diagnostics& diagnostics);

bool is_word_token(std::size_t type);  // an identifier or a keyword

}  // namespace kerf
