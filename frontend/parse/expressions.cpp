// Operators of the parse tree to expressions. Chains lean to the left, as in the official parser; a minus directly
// before a number is part of it. Recursion follows brackets only, chains are loops.
#include "frontend/parse/expressions.h"

#include "frontend/parse/unescape.h"

namespace kerf {

using antlr4::Token;
using ast::BinaryOp;
using ast::ExprId;

namespace {

constexpr std::size_t kMaxUnaryRun = 4;

BinaryOp binary_op(std::size_t type) {
  switch (type) {
    case Tokens::OROR: return BinaryOp::or_;
    case Tokens::ANDAND: return BinaryOp::and_;
    case Tokens::EQEQ:
    case Tokens::ASSIGN: return BinaryOp::eq;  // after its report
    case Tokens::NOT_EQ: return BinaryOp::not_eq_;
    case Tokens::LESS: return BinaryOp::less;
    case Tokens::LESS_EQ: return BinaryOp::less_eq;
    case Tokens::GREATER: return BinaryOp::greater;
    case Tokens::GREATER_EQ: return BinaryOp::greater_eq;
    case Tokens::IN: return BinaryOp::in;
    case Tokens::PLUS: return BinaryOp::add;
    case Tokens::MINUS: return BinaryOp::sub;
    case Tokens::STAR: return BinaryOp::mul;
  }
  internal_error("token of a binary operator");
}

Cedar::RelationContext* lone_relation(Cedar::ExprContext& expr) {
  if (expr.chain == nullptr || expr.chain->items.size() != 1 || expr.chain->items[0]->items.size() != 1) return nullptr;
  return expr.chain->items[0]->items[0];
}

Cedar::UnaryContext* lone_unary(Cedar::SumContext& sum) {
  if (sum.items.size() != 1 || sum.items[0]->items.size() != 1) return nullptr;
  return sum.items[0]->items[0];
}

std::string describe_primary(Cedar::PrimaryContext& primary) {
  if (primary.number != nullptr) return "a number";
  if (primary.text != nullptr) return "a string";
  if (primary.slot != nullptr) return "a slot";
  if (primary.head != nullptr) {
    return primary.tails.empty() || primary.tails.back()->part != nullptr ? "a name" : "an entity";
  }
  if (primary.inner != nullptr) return describe(*primary.inner) + " in parentheses";
  return primary.set != nullptr ? "a set" : "a record";
}

}  // namespace

Cedar::MemberContext* lone_member(Cedar::SumContext& sum) {
  Cedar::UnaryContext* unary = lone_unary(sum);
  return unary == nullptr || !unary->ops.empty() ? nullptr : unary->operand;
}

Cedar::PrimaryContext* lone_primary(Cedar::ExprContext& expr, bool through_parentheses) {
  Cedar::RelationContext* relation = lone_relation(expr);
  if (relation == nullptr || !relation->tails.empty()) return nullptr;
  Cedar::MemberContext* member = lone_member(*relation->left);
  if (member == nullptr || !member->accesses.empty()) return nullptr;
  Cedar::PrimaryContext* primary = member->object;
  bool parenthesised = primary->inner != nullptr;
  return parenthesised && through_parentheses ? lone_primary(*primary->inner, true) : primary;
}

std::string describe(Cedar::SumContext& sum) {
  if (sum.items.size() > 1) return "a `+` or `-` expression";
  if (sum.items[0]->items.size() > 1) return "a `*` expression";
  Cedar::UnaryContext* unary = sum.items[0]->items[0];
  if (!unary->ops.empty()) return unary->ops[0]->getType() == Tokens::NOT ? "a `!` expression" : "a `-` expression";
  if (unary->operand->accesses.empty()) return describe_primary(*unary->operand->object);
  return unary->operand->accesses.back()->call != nullptr ? "a call" : "an attribute";
}

std::string describe(Cedar::ExprContext& expr) {
  if (expr.chain == nullptr) return "an `if`";
  if (expr.chain->items.size() > 1) return "an `||` expression";
  if (expr.chain->items[0]->items.size() > 1) return "an `&&` expression";
  Cedar::RelationContext& relation = *expr.chain->items[0]->items[0];
  return relation.tails.empty() ? describe(*relation.left) : "a comparison";
}

ExprId ExpressionReader::add(ast::Expr expr, std::initializer_list<ExprId> children) {
  for (ExprId child : children) {
    if (!child.valid()) return {};
  }
  return file_.add(std::move(expr));
}

ExprId ExpressionReader::add(ast::Expr expr, const std::vector<ExprId>& children) {
  for (ExprId child : children) {
    if (!child.valid()) return {};
  }
  return file_.add(std::move(expr));
}

ExprId ExpressionReader::read(Cedar::ExprContext& expr) {
  return expr.chain == nullptr ? read_if(expr) : read(*expr.chain);
}

ExprId ExpressionReader::read_if(Cedar::ExprContext& expr) {
  ExprId test = read(*expr.test);
  ExprId yes = read(*expr.yes);
  ExprId no = read(*expr.no);
  return add({ast::If{test, yes, no}, span(expr)}, {test, yes, no});
}

// `items` joined by `ops`, leaning to the left.
template <class Chain>
ExprId ExpressionReader::read_chain(Chain& chain) {
  ExprId left = read(*chain.items[0]);
  Span first = span(*chain.items[0]);
  for (std::size_t i = 0; i < chain.ops.size(); ++i) {
    ExprId right = read(*chain.items[i + 1]);
    Span op_span = reader_.span(*chain.ops[i]);
    Span whole = join(first, span(*chain.items[i + 1]));
    left = add({ast::Binary{binary_op(chain.ops[i]->getType()), left, right, op_span}, whole}, {left, right});
  }
  return left;
}

ExprId ExpressionReader::read(Cedar::OrChainContext& chain) { return read_chain(chain); }
ExprId ExpressionReader::read(Cedar::AndChainContext& chain) { return read_chain(chain); }
ExprId ExpressionReader::read(Cedar::SumContext& sum) { return read_chain(sum); }

ExprId ExpressionReader::read(Cedar::ProductContext& product) {
  bool good = true;
  for (const Token* op : product.ops) {
    if (op->getType() == Tokens::STAR) continue;
    good = false;
    diagnostics_.report(Code::K1121, reader_.span(*op), op->getType() == Tokens::SLASH ? "division" : "remainder");
  }
  if (good) return read_chain(product);
  for (Cedar::UnaryContext* item : product.items) read(*item);
  return {};
}

bool ExpressionReader::check_relation(Cedar::RelationContext& relation) {
  const auto& tails = relation.tails;
  bool good = true;
  for (Cedar::RelTailContext* tail : tails) {
    if (tail->op->getType() != Tokens::ASSIGN) continue;
    good = false;
    Span at = reader_.span(*tail->op);
    diagnostics_.report(Code::K1120, at).with_help("equality is written `==`").with_fix(at, "==");
  }
  if (tails.size() == 1) return good;
  bool is_in = tails[0]->op->getType() == Tokens::IS && tails[1]->op->getType() == Tokens::IN;
  if (is_in && tails.size() == 2) return good;
  const Token& second = *tails[is_in ? 2 : 1]->op;
  Span at = reader_.span(second);
  if (second.getType() == Tokens::IS) {
    diagnostics_.report(Code::K1110, at, reader_.text(*tails[0]->op)).with_help("put one of the two tests into parentheses");
  } else {
    diagnostics_.report(Code::K1122, at).with_help("write `a < b && b < c`, or put parentheses around one comparison");
  }
  return false;
}

ExprId ExpressionReader::read(Cedar::RelationContext& relation) {
  if (relation.tails.empty()) return read(*relation.left);
  if (!check_relation(relation)) return {};
  std::size_t op = relation.tails[0]->op->getType();
  if (op == Tokens::HAS) return read_has(relation);
  if (op == Tokens::LIKE) return read_like(relation);
  if (op == Tokens::IS) return read_is(relation);
  return read_comparison(relation, binary_op(op));
}

ExprId ExpressionReader::read_comparison(Cedar::RelationContext& relation, BinaryOp op) {
  ExprId left = read(*relation.left);
  ExprId right = read(*relation.tails[0]->right);
  return add({ast::Binary{op, left, right, reader_.span(*relation.tails[0]->op)}, span(relation)}, {left, right});
}

ExprId ExpressionReader::read_has(Cedar::RelationContext& relation) {
  ExprId object = read(*relation.left);
  Cedar::SumContext& operand = *relation.tails[0]->right;
  Cedar::MemberContext* member = lone_member(operand);
  std::vector<ast::Attr> path;
  bool good = member != nullptr;
  auto add_word = [&](const Token& word) {
    std::optional<ast::Attr> attr = read_attr_word(word);
    if (!attr) return false;
    path.push_back(std::move(*attr));
    return true;
  };
  if (good && member->object->text != nullptr && member->accesses.empty()) {
    std::optional<ast::Attr> attr = read_attr_string(*member->object->text);
    if (!attr) return {};
    path.push_back(std::move(*attr));
  } else if (good && member->object->head != nullptr && member->object->tails.empty()) {
    if (!add_word(*member->object->head->getStart())) return {};
    for (Cedar::AccessContext* access : member->accesses) {
      good = good && access->attr != nullptr;
      if (good && !add_word(*access->attr->getStart())) return {};
    }
  } else {
    good = false;
  }
  if (!good) {
    diagnostics_.report(Code::K1125, span(operand), describe(operand));
    return {};
  }
  return add({ast::HasAttr{object, std::move(path)}, span(relation)}, {object});
}

ExprId ExpressionReader::read_like(Cedar::RelationContext& relation) {
  ExprId object = read(*relation.left);
  Cedar::SumContext& operand = *relation.tails[0]->right;
  Cedar::MemberContext* member = lone_member(operand);
  if (member == nullptr || !member->accesses.empty() || member->object->text == nullptr) {
    diagnostics_.report(Code::K1126, span(operand), describe(operand));
    return {};
  }
  Span at = reader_.span(*member->object->text);
  std::optional<ast::LikePattern> pattern = unescape_pattern(reader_.text(at), at, diagnostics_);
  if (!pattern) return {};
  return add({ast::Like{object, std::move(*pattern), at}, span(relation)}, {object});
}

std::optional<ast::Name> ExpressionReader::read_type(Cedar::SumContext& sum) {
  Cedar::MemberContext* member = lone_member(sum);
  bool name = member != nullptr && member->accesses.empty() && member->object->head != nullptr;
  std::vector<const Token*> words;
  if (name) {
    words.push_back(member->object->head->getStart());
    for (Cedar::PathTailContext* tail : member->object->tails) {
      name = name && tail->part != nullptr;
      if (name) words.push_back(tail->part->getStart());
    }
  }
  if (name) return read_path(reader_, words, false, diagnostics_);
  Span at = span(sum);
  Diagnostic& diagnostic = diagnostics_.report(Code::K1127, at, describe(sum));
  bool string = member != nullptr && member->accesses.empty() && member->object->text != nullptr;
  if (string) diagnostic.with_help("remove the quotes").with_fix(at, std::string(reader_.text({at.source, at.begin + 1, at.end - 1})));
  else diagnostic.with_help("use `==` to compare with one entity, `in` for a group");
  return std::nullopt;
}

ExprId ExpressionReader::read_is(Cedar::RelationContext& relation) {
  ExprId object = read(*relation.left);
  std::optional<ast::Name> type = read_type(*relation.tails[0]->right);
  std::optional<ExprId> in;
  if (relation.tails.size() == 2) in = read(*relation.tails[1]->right);
  if (!type || (in && !in->valid())) return {};
  ast::Expr expr{ast::Is{object, std::move(*type), in}, span(relation)};
  return in ? add(std::move(expr), {object, *in}) : add(std::move(expr), {object});
}

ExprId ExpressionReader::read(Cedar::UnaryContext& unary) {
  if (unary.ops.empty()) return read(*unary.operand);
  std::size_t type = unary.ops[0]->getType();
  for (const Token* op : unary.ops) {
    if (op->getType() == type) continue;
    diagnostics_.report(Code::K1124, reader_.span(*op));
    return {};
  }
  if (unary.ops.size() > kMaxUnaryRun) {
    diagnostics_.report(Code::K1123, reader_.span(*unary.ops[kMaxUnaryRun]), reader_.text(*unary.ops[0]));
    return {};
  }
  bool fuses = type == Tokens::MINUS && unary.operand->accesses.empty() && unary.operand->object->number != nullptr;
  std::size_t left = unary.ops.size() - (fuses ? 1 : 0);
  ExprId operand = fuses ? read_number(*unary.operand->object->number, unary.ops.back()) : read(*unary.operand);
  Span end = span(*unary.operand);
  for (; left > 0; --left) {
    Span whole = join(reader_.span(*unary.ops[left - 1]), end);
    if (type == Tokens::NOT) operand = add({ast::Not{operand}, whole}, {operand});
    else operand = add({ast::Negate{operand}, whole}, {operand});
  }
  return operand;
}

}  // namespace kerf
