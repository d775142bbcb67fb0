// Policy text to a policy file, one policy at a time: tokens to `;`, parse tree, syntax tree. A policy with an error is reported and left out; the next one is read as if it were not there.
#include "frontend/parse/parse.h"
#include "frontend/parse/prediction.h"
#include "frontend/parse/scopes.h"
#include "frontend/parse/syntax_error.h"
#include "ir/base/parallel.h"

namespace kerf {

using antlr4::Token;

namespace {

class PolicyReader {
 public:
  PolicyReader(const TokenReader& reader, ast::PolicyFile& file, Diagnostics& diagnostics)
      : reader_(reader),
        file_(file),
        diagnostics_(diagnostics),
        expressions_(reader, file, diagnostics),
        scopes_(reader, expressions_, diagnostics) {}

  void read(Cedar::PolicyContext& context) {
    std::size_t errors = diagnostics_.error_count();
    std::size_t mark = file_.exprs.size();
    ast::Policy policy;
    policy.span = reader_.span(context);
    read_annotations(context, policy);
    read_effect(*context.effect, policy);
    scopes_.read(context, policy);
    read_conditions(context, policy);
    if (diagnostics_.error_count() == errors) file_.policies.push_back(std::move(policy));
    else file_.exprs.erase(file_.exprs.begin() + static_cast<std::ptrdiff_t>(mark), file_.exprs.end());
  }

 private:
  void read_annotations(Cedar::PolicyContext& context, ast::Policy& policy) {
    AnnotationReader annotations(reader_, diagnostics_);
    for (Cedar::AnnotationContext* annotation : context.annotations) {
      annotations.add(*annotation, *annotation->key->getStart(), annotation->value);
    }
    policy.annotations = annotations.take();
  }

  void read_effect(Cedar::WordContext& word, ast::Policy& policy) {
    policy.effect_span = reader_.span(word);
    std::size_t type = word.getStart()->getType();
    policy.effect = type == Tokens::FORBID ? ast::Effect::forbid : ast::Effect::permit;
    if (type == Tokens::PERMIT || type == Tokens::FORBID) return;
    std::string_view text = reader_.text(policy.effect_span);
    Diagnostic& diagnostic = diagnostics_.report(Code::K1101, policy.effect_span, text);
    if (text == "allow" || text == "Permit" || text == "PERMIT") diagnostic.with_fix(policy.effect_span, "permit");
    if (text == "deny" || text == "Forbid" || text == "FORBID") diagnostic.with_fix(policy.effect_span, "forbid");
    diagnostic.with_help("write `permit` or `forbid`");
  }

  void read_conditions(Cedar::PolicyContext& context, ast::Policy& policy) {
    for (Cedar::ConditionContext* clause : context.conditions) {
      Span at = reader_.span(*clause->kind);
      std::size_t kind = clause->kind->getType();
      if (kind != Tokens::WHEN && kind != Tokens::UNLESS) {
        diagnostics_.report(Code::K1102, at, reader_.text(at)).with_help("write `when` or `unless`");
        continue;
      }
      if (clause->body == nullptr) {
        diagnostics_.report(Code::K1103, reader_.span(*clause), reader_.text(at));
        continue;
      }
      ast::ExprId expr = expressions_.read(*clause->body);
      policy.conditions.push_back({kind == Tokens::UNLESS, expr, reader_.span(*clause)});
    }
  }

  const TokenReader& reader_;
  ast::PolicyFile& file_;
  Diagnostics& diagnostics_;
  ExpressionReader expressions_;
  ScopeReader scopes_;
};

// Index of the next token at or after `from` that begins a policy; the chunk's size if there is none.
std::size_t next_policy(const TokenReader& reader, std::size_t from) {
  const std::vector<Lexeme>& tokens = reader.lexemes();
  for (std::size_t i = from; i + 1 < tokens.size(); ++i) {
    std::size_t type = tokens[i].type;
    bool effect = type == Tokens::PERMIT || type == Tokens::FORBID;
    bool attribute = i != 0 && tokens[i - 1].type == Tokens::DOT;
    if (type == Tokens::AT || (effect && !attribute && tokens[i + 1].type == Tokens::LPAREN)) return i;
  }
  return tokens.size();
}

// The labels of the rules are all that is read, so the lists of children are not kept. `alone`: no other thread parses.
std::shared_ptr<FirstError> prepare(Cedar& parser, bool alone) {
  auto error = std::make_shared<FirstError>();
  error->describe = alone;
  parser.setInterpreter(new TwoTokens(parser, alone));   // the parser deletes it
  parser.removeErrorListeners();
  parser.setErrorHandler(error);
  parser.setBuildParseTree(false);
  return error;
}

// One policy after the other. What ANTLR makes of a policy depends on the types of its tokens alone, so the tree of a
// policy is kept and serves each later policy with the same types: its tokens are moved there.
class FileReader {
 public:
  // `whole`: else other threads read other parts, and the first error ends the reading.
  FileReader(const Sources& sources, Span part, bool whole, ast::PolicyFile& file, Diagnostics& diagnostics)
      : reader_(sources, part, ChunkKind::policy, diagnostics),
        diagnostics_(diagnostics),
        policies_(reader_, file, diagnostics),
        parser_(&reader_.stream()),
        error_(prepare(parser_, whole)),
        whole_(whole) {}

  // False: a part has an error.
  bool read() {
    for (auto chunk = reader_.next(); chunk != TokenReader::Chunk::end; chunk = reader_.next()) {
      if (!whole_ && (failed_ || !diagnostics_.all().empty())) return false;
      std::size_t at = lost_ ? next_policy(reader_, 0) : 0;
      lost_ = lost_ && at == reader_.lexemes().size();
      if (chunk == TokenReader::Chunk::wrong) lost_ = reader_.open_brackets() != 0;
      else if (at != 0 || !read_known()) read_from(at);
    }
    return whole_ || (!failed_ && diagnostics_.all().empty());
  }

 private:
  struct Known {
    std::vector<SourceToken> tokens;
    Cedar::PolicyContext* tree;
  };
  static constexpr std::size_t kMostKnownTokens = 65536;   // of all trees that are kept

  bool read_known() {
    shape_.clear();
    for (const Lexeme& lexeme : reader_.lexemes()) shape_ += static_cast<char>(lexeme.type);
    auto found = known_.find(shape_);
    if (found == known_.end()) return false;
    Known& known = found->second;
    for (std::size_t i = 0; i < known.tokens.size(); ++i) known.tokens[i].move_to(reader_.lexemes()[i]);
    policies_.read(*known.tree);
    return true;
  }

  void read_from(std::size_t at) {
    const std::size_t end = reader_.lexemes().size();
    if (known_tokens_ + end > kMostKnownTokens) forget();
    while (at + 1 < end) {
      reader_.stream().seek(at);
      if (Cedar::PolicyContext* tree = parse_rule(parser_, &Cedar::policy)) {
        policies_.read(*tree);
        std::size_t next = reader_.stream().index();
        if (at == 0 && next + 1 == end) return keep(*tree);
        at = next;
      } else if (!whole_) {
        failed_ = true;
        return;
      } else {
        report_policy_syntax(reader_, *error_, diagnostics_);
        at = next_policy(reader_, std::max(error_->token->getTokenIndex(), at + 1));
        lost_ = reader_.open_brackets() != 0;
      }
      forget();
    }
  }

  void keep(Cedar::PolicyContext& tree) {
    known_tokens_ += reader_.lexemes().size();
    known_.emplace(shape_, Known{reader_.take_tokens(), &tree});
  }

  void forget() {
    known_.clear();
    known_tokens_ = 0;
    parser_.reset();
    parser_.trees().reset();
  }

  TokenReader reader_;
  Diagnostics& diagnostics_;
  PolicyReader policies_;
  Cedar parser_;
  std::shared_ptr<FirstError> error_;
  bool whole_, failed_ = false;
  bool lost_ = false;   // after an error, up to the next beginning of a policy
  std::string shape_;   // the types of the chunk's tokens
  std::unordered_map<std::string, Known> known_;
  std::size_t known_tokens_ = 0;
};

constexpr std::size_t kLeastBytes = std::size_t{1} << 16;   // of text, for a thread of their own

// `count` parts of about the same size, each the text of some policies; fewer if there are not so many.
std::vector<Span> parts_of(std::string_view text, SourceId source, std::size_t count) {
  std::vector<Span> parts;
  Lexer lexer(text);
  std::uint32_t begin = 0;
  while (parts.size() + 1 < count) {
    const std::size_t least = text.size() * (parts.size() + 1) / count;
    Lexeme token = lexer.next();
    while (token.type != Token::EOF && (token.type != Tokens::SEMI || token.end < least)) token = lexer.next();
    if (token.type == Token::EOF) break;
    parts.push_back({source, begin, token.end});
    begin = token.end;
  }
  parts.push_back({source, begin, static_cast<std::uint32_t>(text.size())});
  return parts;
}

// Parts of a file on threads. False if there is anything to report: how an error is told and where reading goes on
// after it depends on all that was before, so the file is then read from the start.
bool read_parts(const Sources& sources, const std::vector<Span>& parts, ast::PolicyFile& file) {
  std::vector<ast::PolicyFile> files(parts.size());
  std::vector<char> good(parts.size(), false);
  run_jobs(parts.size(), parts.size(), [&](std::size_t job, std::size_t, std::size_t) {
    Diagnostics ignored;
    good[job] = FileReader(sources, parts[job], false, files[job], ignored).read();
  });
  if (std::find(good.begin(), good.end(), false) != good.end()) return false;
  std::size_t exprs = 0, policies = 0;
  for (const ast::PolicyFile& part : files) exprs += part.exprs.size(), policies += part.policies.size();
  file.exprs.reserve(exprs);
  file.policies.reserve(policies);
  for (ast::PolicyFile& part : files) ast::append(file, std::move(part));
  return true;
}

}  // namespace

ast::PolicyFile parse_policies(const Sources& sources, SourceId source, Diagnostics& diagnostics, std::size_t jobs) {
  ast::PolicyFile file;
  file.source = source;
  if (!check_text(sources, source, diagnostics)) return file;
  std::string_view text = sources.text(source);
  std::vector<Span> parts = parts_of(text, source, job_count(jobs, text.size(), kLeastBytes));
  if (parts.size() > 1 && read_parts(sources, parts, file)) return file;
  Span all{source, 0, static_cast<std::uint32_t>(text.size())};
  FileReader(sources, all, true, file, diagnostics).read();
  return file;
}

ParsedExpr parse_expression(const Sources& sources, SourceId source, Diagnostics& diagnostics) {
  ParsedExpr parsed;
  parsed.file.source = source;
  if (!check_text(sources, source, diagnostics)) return parsed;
  TokenReader reader(sources, source, ChunkKind::whole, diagnostics);
  TokenReader::Chunk chunk = reader.next();
  if (chunk == TokenReader::Chunk::wrong) return parsed;
  Cedar parser(&reader.stream());
  std::shared_ptr<FirstError> error = prepare(parser, true);
  Cedar::ExpressionContext* context = parse_rule(parser, &Cedar::expression);
  if (context == nullptr) {
    report_policy_syntax(reader, *error, diagnostics);
    return parsed;
  }
  ExpressionReader expressions(reader, parsed.file, diagnostics);
  ast::ExprId expr = expressions.read(*context->body);
  if (expr.valid()) parsed.expr = expr;
  return parsed;
}

}  // namespace kerf
