// Source text to chunks of tokens. Holds after: a `good` chunk has only tokens of Cedar and nests at most kMaxNesting
// deep, so that the recursive parser is safe on it. The one decision: a chunk ends at `;`, which in a correct file ends
// a policy and nothing else, so that one bad policy does not spoil the next.
#include "frontend/parse/tokens.h"

#include "frontend/parse/parse.h"

namespace kerf {

using antlr4::Token;

Token* ChunkStream::LT(ssize_t k) {
  if (k > 0) return &(*tokens_)[std::min(index_ + static_cast<std::size_t>(k) - 1, tokens_->size() - 1)];
  auto back = static_cast<std::size_t>(-k);
  return k == 0 || back > index_ ? nullptr : &(*tokens_)[index_ - back];
}

namespace {

// Where a chunk ends.
class ChunkEnd {
 public:
  explicit ChunkEnd(ChunkKind kind) : kind_(kind) {}

  bool at(std::size_t type) {
    switch (kind_) {
      case ChunkKind::whole: return false;
      case ChunkKind::policy: return type == Tokens::SEMI;
      case ChunkKind::declaration: return ends_declaration(type);
    }
    internal_error("chunk kind");
  }

 private:
  enum class State { head, annotation_name, annotation, body };

  // A declaration's keyword is its first token after the annotations.
  bool ends_declaration(std::size_t type) {
    switch (state_) {
      case State::head:
        if (type == Tokens::AT) state_ = State::annotation_name;
        else if (type == Tokens::LPAREN) state_ = State::annotation;
        else state_ = State::body, keyword_ = type;
        break;
      case State::annotation_name: state_ = State::head; break;
      case State::annotation:
        if (type == Tokens::RPAREN) state_ = State::head;
        break;
      case State::body: break;
    }
    return type == Tokens::SEMI || keyword_ == Tokens::RBRACE ||
           (keyword_ == Tokens::NAMESPACE && type == Tokens::LBRACE);
  }

  ChunkKind kind_;
  State state_ = State::head;
  std::size_t keyword_ = Token::EOF;
};

Span whole(const Sources& sources, SourceId source) {
  return {source, 0, static_cast<std::uint32_t>(sources.text(source).size())};
}

}  // namespace

TokenReader::TokenReader(const Sources& sources, Span part, ChunkKind kind, Diagnostics& diagnostics)
    : source_(part.source),
      text_(sources.text(part.source).substr(0, part.end)),
      diagnostics_(diagnostics),
      kind_(kind),
      lexer_(text_, part.begin) {}

TokenReader::TokenReader(const Sources& sources, SourceId source, ChunkKind kind, Diagnostics& diagnostics)
    : TokenReader(sources, whole(sources, source), kind, diagnostics) {}

TokenReader::Chunk TokenReader::next() {
  if (end_of_file_) return Chunk::end;
  bool good = read_lexemes();
  if (lexemes_.size() <= 1) return Chunk::end;
  if (!good) {
    diagnostics_.report(Code::K8003, span(lexemes_.front()), kMaxTokens);
    return Chunk::wrong;
  }
  return check_lexemes() ? Chunk::good : Chunk::wrong;
}

bool TokenReader::read_lexemes() {
  lexemes_.clear();
  tokens_.clear();
  ChunkEnd end(kind_);
  bool too_long = false;
  for (bool done = false; !done;) {
    Lexeme lexeme = lexer_.next();
    too_long = lexemes_.size() >= kMaxTokens;
    while (too_long && lexeme.type != Tokens::SEMI && lexeme.type != Token::EOF) lexeme = lexer_.next();
    lexemes_.push_back(lexeme);
    // What follows the quote of an unclosed string cannot be read as Cedar.
    end_of_file_ = lexeme.type == Token::EOF || lexeme.type == Tokens::WRONG_STRING;
    done = end.at(lexeme.type) || end_of_file_;
  }
  if (lexemes_.back().type != Token::EOF) lexemes_.push_back({Token::EOF, lexemes_.back().end, lexemes_.back().end});
  return !too_long;
}

ChunkStream& TokenReader::stream() {
  if (!tokens_.empty()) return stream_;
  tokens_.reserve(lexemes_.size());
  for (const Lexeme& lexeme : lexemes_) tokens_.emplace_back(lexeme, tokens_.size());
  stream_.read(tokens_);
  return stream_;
}

std::vector<SourceToken> TokenReader::take_tokens() { return std::move(tokens_); }

bool TokenReader::check_lexemes() {
  const bool angle_brackets = kind_ == ChunkKind::declaration;  // `<` nests in schemas
  // An `if` ends at a comma or with its bracket.
  open_ifs_.assign(1, 0);
  std::size_t depth = 0;
  for (const Lexeme& lexeme : lexemes_) {
    switch (lexeme.type) {
      case Tokens::WRONG:
      case Tokens::WRONG_STRING:
      case Tokens::WRONG_COMMENT:
      case Tokens::QUESTION:
        if (lexeme.type == Tokens::QUESTION && angle_brackets) break;
        report_wrong(lexeme);
        return false;
      case Tokens::LESS:
        if (!angle_brackets) break;
        [[fallthrough]];
      case Tokens::LPAREN:
      case Tokens::LBRACK:
      case Tokens::LBRACE:
        open_ifs_.push_back(0);
        ++depth;
        break;
      case Tokens::GREATER:
        if (!angle_brackets) break;
        [[fallthrough]];
      case Tokens::RPAREN:
      case Tokens::RBRACK:
      case Tokens::RBRACE:
        if (open_ifs_.size() > 1) {
          depth -= open_ifs_.back() + 1;
          open_ifs_.pop_back();
        }
        break;
      case Tokens::COMMA:
        depth -= open_ifs_.back();
        open_ifs_.back() = 0;
        break;
      case Tokens::IF:
        ++open_ifs_.back();
        ++depth;
        break;
    }
    if (depth > static_cast<std::size_t>(kMaxNesting)) {
      diagnostics_.report(Code::K8001, span(lexeme), kMaxNesting);
      open_brackets_ = open_ifs_.size() - 1;
      return false;
    }
  }
  open_brackets_ = open_ifs_.size() - 1;
  return true;
}

namespace {

// The first scalar of the text, for messages: itself if it prints, else its number.
std::string shown(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) ++length;
  unsigned char first = static_cast<unsigned char>(text[0]);
  if (first > 0x20 && first < 0x7f) return fmt::format("`{}`", text.substr(0, 1));
  char32_t scalar = first;
  if (length == 2) scalar = first & 0x1f;
  if (length == 3) scalar = first & 0x0f;
  if (length == 4) scalar = first & 0x07;
  for (std::size_t i = 1; i < length; ++i) scalar = (scalar << 6) | (static_cast<unsigned char>(text[i]) & 0x3f);
  return fmt::format("the character U+{:04X}", static_cast<std::uint32_t>(scalar));
}

std::string_view help_for(std::string_view wrong) {
  if (wrong == "'") return "strings are written in double quotes";
  if (wrong == "&") return "\"and\" is written `&&`";
  if (wrong == "|") return "\"or\" is written `||`";
  if (wrong == "#") return "comments start with `//`";
  if (wrong == "?") return "slots are `?principal` and `?resource`; a choice is written `if .. then .. else ..`";
  if (wrong == "\xe2\x80\x9c" || wrong == "\xe2\x80\x9d") return "strings are written in straight double quotes";
  if (wrong == "\xef\xbb\xbf") return "save the file without a byte order mark";
  return {};
}

}  // namespace

void TokenReader::report_wrong(const Lexeme& lexeme) {
  Span at = span(lexeme);
  if (lexeme.type == Tokens::WRONG_STRING) {
    at.end = at.begin + 1;
    diagnostics_.report(Code::K1004, at).with_label("it starts here");
    return;
  }
  if (lexeme.type == Tokens::WRONG_COMMENT) {
    at.end = at.begin + 2;
    diagnostics_.report(Code::K1003, at, "`/*`").with_help("comments start with `//` and end with the line");
    return;
  }
  Diagnostic& diagnostic = diagnostics_.report(Code::K1003, at, shown(text(at)));
  if (std::string_view help = help_for(text(at)); !help.empty()) diagnostic.with_help(std::string(help));
}

bool check_text(const Sources& sources, SourceId source, Diagnostics& diagnostics) {
  std::string_view text = sources.text(source);
  std::size_t wrong = find_invalid_utf8(text);
  if (wrong != std::string_view::npos) {
    auto at = static_cast<std::uint32_t>(wrong);
    diagnostics.report(Code::K1001, Span{source, at, at + 1}, wrong);
    return false;
  }
  // ANTLR would drop the mark, the official engine refuses it.
  if (text.starts_with("\xef\xbb\xbf")) {
    Span at{source, 0, 3};
    diagnostics.report(Code::K1003, at, shown(text)).with_help(std::string(help_for("\xef\xbb\xbf"))).with_fix(at, "");
    return false;
  }
  return true;
}

}  // namespace kerf
