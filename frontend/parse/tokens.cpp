// Source text to chunks of tokens. Holds after: a `good` chunk has only tokens of Cedar and nests at most kMaxNesting
// deep, so that the recursive parser is safe on it. The one decision: a chunk ends at `;`, which in a correct file ends
// a policy and nothing else, so that one bad policy does not spoil the next.
#include "frontend/parse/tokens.h"

#include "frontend/parse/parse.h"

namespace kerf {

using antlr4::Token;

Offsets::Offsets(SourceId source, std::string_view text)
    : source_(source), size_(static_cast<std::uint32_t>(text.size())) {
  auto starts_scalar = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  bool ascii = true;
  for (char c : text) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (ascii) return;
  for (std::uint32_t i = 0; i < size_; ++i) {
    if (starts_scalar(text[i])) bytes_.push_back(i);
  }
}

std::uint32_t Offsets::byte(std::size_t code_point) const {
  if (bytes_.empty()) return std::min(static_cast<std::uint32_t>(code_point), size_);
  return code_point < bytes_.size() ? bytes_[code_point] : size_;
}

Span Offsets::span(const Token& first, const Token& last) const {
  std::uint32_t begin = byte(first.getStartIndex());
  std::uint32_t end = last.getType() == Token::EOF ? begin : byte(last.getStopIndex() + 1);
  return {source_, begin, std::max(begin, end)};
}

bool is_word_token(std::size_t type) { return type >= Tokens::TRUE && type <= Tokens::IDENT; }

// Ends a chunk with an EOF token of its own.
class ChunkSource : public antlr4::TokenSource {
 public:
  ChunkSource(Tokens& lexer, ChunkKind kind) : lexer_(lexer), kind_(kind) {}

  void start_chunk() {
    done_ = too_long_ = false;
    count_ = 0;
    state_ = State::head;
    keyword_ = Token::EOF;
  }
  bool at_end_of_file() const { return end_of_file_; }
  bool too_long() const { return too_long_; }

  std::unique_ptr<Token> nextToken() override {
    if (done_ || end_of_file_) return end(last_stop_ + 1);
    std::unique_ptr<Token> token = lexer_.nextToken();
    if (++count_ > kMaxTokens) token = skip_rest(std::move(token));
    if (token->getType() == Token::EOF) end_of_file_ = true;
    else last_stop_ = token->getStopIndex();
    // What follows the quote of an unclosed string cannot be read as Cedar.
    if (token->getType() == Tokens::WRONG_STRING) end_of_file_ = true;
    done_ = ends_chunk(token->getType());
    return token;
  }

  size_t getLine() const override { return lexer_.getLine(); }
  size_t getCharPositionInLine() override { return lexer_.getCharPositionInLine(); }
  antlr4::CharStream* getInputStream() override { return lexer_.getInputStream(); }
  std::string getSourceName() override { return {}; }
  antlr4::TokenFactory<antlr4::CommonToken>* getTokenFactory() override { return lexer_.getTokenFactory(); }

 private:
  enum class State { head, annotation_name, annotation, body };

  std::unique_ptr<Token> end(std::size_t at) {
    return getTokenFactory()->create({this, getInputStream()}, Token::EOF, "", Token::DEFAULT_CHANNEL, at, at - 1, 0, 0);
  }

  std::unique_ptr<Token> skip_rest(std::unique_ptr<Token> token) {
    too_long_ = true;
    while (token->getType() != Tokens::SEMI && token->getType() != Token::EOF) token = lexer_.nextToken();
    return token;
  }

  bool ends_chunk(std::size_t type) {
    switch (kind_) {
      case ChunkKind::whole: return false;
      case ChunkKind::policy: return type == Tokens::SEMI;
      case ChunkKind::declaration: return ends_declaration(type);
    }
    internal_error("chunk kind");
  }

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

  Tokens& lexer_;
  ChunkKind kind_;
  State state_ = State::head;
  std::size_t keyword_ = Token::EOF;
  std::size_t count_ = 0;
  std::size_t last_stop_ = static_cast<std::size_t>(-1);
  bool done_ = false, too_long_ = false, end_of_file_ = false;
};

TokenReader::TokenReader(const Sources& sources, SourceId source, ChunkKind kind, Diagnostics& diagnostics)
    : sources_(sources),
      diagnostics_(diagnostics),
      offsets_(source, sources.text(source)),
      input_(std::make_unique<antlr4::ANTLRInputStream>(std::string(sources.text(source)))),
      lexer_(std::make_unique<Tokens>(input_.get())),
      chunks_(std::make_unique<ChunkSource>(*lexer_, kind)),
      stream_(std::make_unique<antlr4::CommonTokenStream>(chunks_.get())),
      angle_brackets_(kind == ChunkKind::declaration) {
  lexer_->removeErrorListeners();
}

TokenReader::~TokenReader() = default;

bool TokenReader::at_end_of_file() const { return chunks_->at_end_of_file(); }

TokenReader::Chunk TokenReader::next() {
  if (chunks_->at_end_of_file()) return Chunk::end;
  chunks_->start_chunk();
  stream_->setTokenSource(chunks_.get());
  stream_->fill();
  if (stream_->size() <= 1) return Chunk::end;
  if (chunks_->too_long()) {
    diagnostics_.report(Code::K8003, span(*stream_->get(0)), kMaxTokens);
    return Chunk::wrong;
  }
  return check_tokens() ? Chunk::good : Chunk::wrong;
}

bool TokenReader::check_tokens() {
  // One entry per open bracket: how many `if` are open inside of it. An `if` ends at a comma or with its bracket.
  std::vector<std::size_t> open_ifs = {0};
  std::size_t depth = 0;
  for (std::size_t i = 0; i < stream_->size(); ++i) {
    const Token& token = *stream_->get(i);
    switch (token.getType()) {
      case Tokens::WRONG:
      case Tokens::WRONG_STRING:
      case Tokens::WRONG_COMMENT:
      case Tokens::QUESTION:
        if (token.getType() == Tokens::QUESTION && angle_brackets_) break;
        report_wrong(token);
        return false;
      case Tokens::LESS:
        if (!angle_brackets_) break;
        [[fallthrough]];
      case Tokens::LPAREN:
      case Tokens::LBRACK:
      case Tokens::LBRACE:
        open_ifs.push_back(0);
        ++depth;
        break;
      case Tokens::GREATER:
        if (!angle_brackets_) break;
        [[fallthrough]];
      case Tokens::RPAREN:
      case Tokens::RBRACK:
      case Tokens::RBRACE:
        if (open_ifs.size() > 1) {
          depth -= open_ifs.back() + 1;
          open_ifs.pop_back();
        }
        break;
      case Tokens::COMMA:
        depth -= open_ifs.back();
        open_ifs.back() = 0;
        break;
      case Tokens::IF:
        ++open_ifs.back();
        ++depth;
        break;
    }
    if (depth > static_cast<std::size_t>(kMaxNesting)) {
      diagnostics_.report(Code::K8001, span(token), kMaxNesting);
      open_brackets_ = open_ifs.size() - 1;
      return false;
    }
  }
  open_brackets_ = open_ifs.size() - 1;
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

void TokenReader::report_wrong(const Token& token) {
  Span at = span(token);
  if (token.getType() == Tokens::WRONG_STRING) {
    at.end = at.begin + 1;
    diagnostics_.report(Code::K1004, at).with_label("it starts here");
    return;
  }
  if (token.getType() == Tokens::WRONG_COMMENT) {
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
