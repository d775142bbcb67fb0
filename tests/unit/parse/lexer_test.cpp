// The lexer against the one that ANTLR makes from grammar/CedarTokens.g4: the same tokens at the same places, on the
// project's own inputs, on the shared corpus where it is there, and on both spoiled at random.
#include <antlr4-runtime.h>
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "frontend/parse/lexer.h"
#include "ir/base/source.h"

using namespace kerf;
namespace fs = std::filesystem;

namespace {

using Token = std::array<std::size_t, 3>;   // type, begin, end

std::vector<Token> ours(const std::string& text) {
  std::vector<Token> tokens;
  Lexer lexer(text);
  do {
    Lexeme lexeme = lexer.next();
    tokens.push_back({lexeme.type, lexeme.begin, lexeme.end});
  } while (tokens.back()[0] != antlr4::Token::EOF);
  return tokens;
}

// ANTLR counts code points.
std::vector<std::size_t> byte_offsets(const std::string& text) {
  std::vector<std::size_t> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) bytes.push_back(i);
  }
  bytes.push_back(text.size());
  return bytes;
}

std::vector<Token> generated(const std::string& text) {
  antlr4::ANTLRInputStream input(text);
  Tokens lexer(&input);
  lexer.removeErrorListeners();
  const std::vector<std::size_t> bytes = byte_offsets(text);
  std::vector<Token> tokens;
  do {
    std::unique_ptr<antlr4::Token> token = lexer.nextToken();
    std::size_t begin = bytes.at(token->getStartIndex());
    bool end = token->getType() == antlr4::Token::EOF;
    tokens.push_back({token->getType(), begin, end ? begin : bytes.at(token->getStopIndex() + 1)});
  } while (tokens.back()[0] != antlr4::Token::EOF);
  return tokens;
}

bool can_be_read(const std::string& text) {
  return find_invalid_utf8(text) == std::string::npos && !text.starts_with("\xef\xbb\xbf");
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void add_folder(const fs::path& folder, std::vector<std::string>& texts) {
  if (!fs::exists(folder)) return;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::string ending = entry.path().extension().string();
    bool cedar = ending == ".cedar" || ending == ".cedarschema" || ending == ".test" || ending == ".json";
    if (entry.is_regular_file() && cedar && entry.file_size() < 1'000'000) texts.push_back(read_file(entry.path()));
  }
}

// The policies and schemas of the corpus' archives, one behind the other.
void add_archive(const fs::path& archive, std::vector<std::string>& texts) {
  if (!fs::exists(archive)) return;
  std::string command = fmt::format("tar -xzOf '{}' --wildcards '*.cedar' '*.cedarschema'", archive.string());
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::vector<char> buffer(1 << 16);
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
  REQUIRE(::pclose(pipe) == 0);
  texts.push_back(std::move(text));
}

constexpr std::string_view kPieces[] = {
    "\"", "\\", "\\\"", "\\\n", "\n", "\r", "*", "**", "/", "//", "/*", "*/", "/**/", "?", "?a", "|", "&", "=", "!", "<",
    ">", ":", "::", "'", "#", "0", "_", "A", "in", "if", "true", "\t", "\v", "\x1c", "\u0085", "\u00a0", "\u1680",
    "\u180e", "\u2000", "\u200a", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u00e9", "\u20ac",
    "\U0001f600", "\x7f", ";", "{", "}"};

// One to four places get a piece, some lose what stood there.
std::string spoiled(const std::string& text, std::mt19937& random) {
  std::string out = text;
  auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
    const std::vector<std::size_t> bytes = byte_offsets(out);
    std::size_t at = below(bytes.size());
    std::size_t gone = std::min(bytes.size() - 1 - at, below(3));
    out.replace(bytes[at], bytes[at + gone] - bytes[at], kPieces[below(std::size(kPieces))]);
  }
  return out;
}

void compare(const std::string& text) {
  if (!can_be_read(text)) return;
  std::vector<Token> a = ours(text), b = generated(text);
  if (a == b) return;
  std::size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  const Token &x = a[std::min(i, a.size() - 1)], &y = b[std::min(i, b.size() - 1)];
  FAIL_CHECK(fmt::format("token {}: type {} at {}..{}, ANTLR: type {} at {}..{} in\n{}", i, x[0], x[1], x[2], y[0], y[1],
                         y[2], text.substr(x[1] < 40 ? 0 : x[1] - 40, 80)));
}

}  // namespace

TEST_CASE("each piece, and each two in a row") {
  for (std::string_view a : kPieces) {
    compare(std::string(a));
    for (std::string_view b : kPieces) {
      compare(std::string(a) + std::string(b));
      for (std::string_view c : kPieces) compare(std::string(a) + std::string(b) + std::string(c));
    }
  }
}

TEST_CASE("the texts that are at hand, and the same texts spoiled") {
  std::vector<std::string> texts;
  add_folder(fs::path(KERF_SOURCE_DIR) / "tests" / "golden", texts);
  add_folder(fs::path(KERF_SOURCE_DIR) / "examples", texts);
  REQUIRE(texts.size() > 100);
  add_folder(KERF_CORPUS_DIR, texts);
  add_archive(fs::path(KERF_CORPUS_DIR) / "integration" / "corpus-tests.tar.gz", texts);
  unsigned seed = std::random_device()();
  fmt::print("seed {}, {} texts\n", seed, texts.size());
  std::mt19937 random(seed);
  for (const std::string& text : texts) {
    compare(text);
    if (text.size() > 4000 || !can_be_read(text)) continue;
    for (int i = 0; i < 10; ++i) compare(spoiled(text, random));
  }
}
