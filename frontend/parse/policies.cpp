// Policy text to a policy file, one policy at a time: tokens to `;`, parse tree, syntax tree. A policy with an error is reported and left out; the next one is read as if it were not there.
#include "frontend/parse/parse.h"
#include "frontend/parse/scopes.h"
#include "frontend/parse/syntax_error.h"

namespace kerf {

using antlr4::Token;

namespace {

// Rules whose end can follow a complete operand.
bool takes_operators(std::size_t rule) {
  switch (rule) {
    case Cedar::RuleCondition:
    case Cedar::RuleExpression:
    case Cedar::RuleExpr:
    case Cedar::RuleAccess:
    case Cedar::RulePrimary:
    case Cedar::RuleRecordLit:
    case Cedar::RuleField: return true;
  }
  return false;
}

bool opens(std::size_t type) { return type == Tokens::LPAREN || type == Tokens::LBRACK || type == Tokens::LBRACE; }

bool expects_only(const FirstError& error, std::size_t type) {
  return error.expected == std::vector<std::size_t>{type};
}

// ANTLR forgets the optional parts that it has passed; they are named again here.
std::string expected_here(const FirstError& error, const Token* before) {
  std::size_t previous = before == nullptr ? Token::EOF : before->getType();
  bool in_scope = error.rule == Cedar::RulePolicy && !expects_only(error, Tokens::LPAREN);
  if (error.rule == Cedar::RulePolicy && expects_only(error, Tokens::SEMI)) return "`when`, `unless` or `;`";
  if (in_scope && previous == Tokens::LPAREN) return "`principal`";
  if (in_scope && is_word_token(previous)) return "`==`, `in`, `is`, `,` or `)`";
  if (error.expected.empty()) return error.rule == Cedar::RuleRecordLit ? "an attribute" : in_scope ? "`)`" : "an expression";
  std::string text = expected_text(error.expected, ends_operand(previous) && takes_operators(error.rule));
  if (!opens(previous) || error.expected.size() > 1) return text;
  if (error.rule == Cedar::RuleRecordLit) return "an attribute or " + text;
  return takes_operators(error.rule) ? "an expression or " + text : text;
}

std::string_view help_for(TokenReader& reader, const Token& token, const Token* before) {
  std::string_view text = reader.text(token);
  std::size_t previous = before == nullptr ? Token::EOF : before->getType();
  bool touches = before != nullptr && before->getStopIndex() + 1 == token.getStartIndex();
  if (text == "and") return "\"and\" is written `&&`";
  if (text == "or") return "\"or\" is written `||`";
  if (before != nullptr && reader.text(*before) == "not") return "\"not\" is written `!`";
  if (text == "not") return "write `!(a in b)`";
  if (text == "contains") return "write `e.contains(x)`";
  if (previous == Tokens::ASSIGN && touches && token.getType() == Tokens::LESS) return "write `<=`";
  if (previous == Tokens::ASSIGN && touches && token.getType() == Tokens::GREATER) return "write `>=`";
  if (previous == Tokens::LESS && touches && token.getType() == Tokens::GREATER) return "\"not equal\" is written `!=`";
  if (previous == Tokens::DOT && token.getType() == Tokens::NUMBER) return "write `decimal(\"1.5\")` for a decimal";
  if (token.getType() == Tokens::COLON && previous == Tokens::IDENT) return "an entity is written `User::\"alice\"`";
  if (token.getType() == Tokens::LBRACE && (previous == Tokens::WHEN || previous == Tokens::UNLESS)) {
    return "the policy before ends at its `;`; remove that one to go on with a clause";
  }
  if (token.getType() == Tokens::SEMI) return "only the end of a policy has a `;`";
  return {};
}

void report_syntax(TokenReader& reader, const FirstError& error, Diagnostics& diagnostics) {
  const Token& token = *error.token;
  const Token* before = token_before(reader, token);
  std::size_t type = token.getType();
  bool starts_policy = type == Tokens::PERMIT || type == Tokens::FORBID || type == Tokens::AT || type == Token::EOF;
  bool wants_end = error.rule == Cedar::RulePolicy && expects_only(error, Tokens::SEMI);
  if (wants_end && starts_policy && before != nullptr) {
    Span at = reader.span(*before);
    at.begin = at.end - 1;
    diagnostics.report(Code::K1011, at, "policy").with_fix({at.source, at.end, at.end}, ";");
    return;
  }
  if (type == Tokens::IF && before != nullptr && before->getType() != Tokens::IS && !ends_operand(before->getType())) {
    diagnostics.report(Code::K1140, reader.span(token)).with_help("put parentheses around the `if`");
    return;
  }
  Span at = reader.span(token);
  Diagnostic& diagnostic = diagnostics.report(Code::K1002, at, expected_here(error, before), found_text(reader, token));
  if (std::string_view help = help_for(reader, token, before); !help.empty()) diagnostic.with_help(std::string(help));
}

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

// The labels of the rules are all that is read, so the lists of children are not kept.
std::shared_ptr<FirstError> prepare(antlr4::Parser& parser) {
  auto error = std::make_shared<FirstError>();
  parser.removeErrorListeners();
  parser.setErrorHandler(error);
  parser.setBuildParseTree(false);
  return error;
}

// One policy after the other. What ANTLR makes of a policy depends on the types of its tokens alone, so the tree of a
// policy is kept and serves each later policy with the same types: its tokens are moved there.
class FileReader {
 public:
  FileReader(const Sources& sources, Span part, ast::PolicyFile& file, Diagnostics& diagnostics)
      : reader_(sources, part, ChunkKind::policy, diagnostics),
        diagnostics_(diagnostics),
        policies_(reader_, file, diagnostics),
        parser_(&reader_.stream()),
        error_(prepare(parser_)) {}

  void read() {
    for (auto chunk = reader_.next(); chunk != TokenReader::Chunk::end; chunk = reader_.next()) {
      std::size_t at = lost_ ? next_policy(reader_, 0) : 0;
      lost_ = lost_ && at == reader_.lexemes().size();
      if (chunk == TokenReader::Chunk::wrong) lost_ = reader_.open_brackets() != 0;
      else if (at != 0 || !read_known()) read_from(at);
    }
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
      } else {
        report_syntax(reader_, *error_, diagnostics_);
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
  bool lost_ = false;   // after an error, up to the next beginning of a policy
  std::string shape_;   // the types of the chunk's tokens
  std::unordered_map<std::string, Known> known_;
  std::size_t known_tokens_ = 0;
};

Span whole(const Sources& sources, SourceId source) {
  return {source, 0, static_cast<std::uint32_t>(sources.text(source).size())};
}

}  // namespace

ast::PolicyFile parse_policies(const Sources& sources, SourceId source, Diagnostics& diagnostics) {
  ast::PolicyFile file;
  file.source = source;
  if (!check_text(sources, source, diagnostics)) return file;
  FileReader(sources, whole(sources, source), file, diagnostics).read();
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
  std::shared_ptr<FirstError> error = prepare(parser);
  Cedar::ExpressionContext* context = parse_rule(parser, &Cedar::expression);
  if (context == nullptr) {
    report_syntax(reader, *error, diagnostics);
    return parsed;
  }
  ExpressionReader expressions(reader, parsed.file, diagnostics);
  ast::ExprId expr = expressions.read(*context->body);
  if (expr.valid()) parsed.expr = expr;
  return parsed;
}

}  // namespace kerf
