// The one decision: nothing here recurses. Hostile text can nest operator chains without brackets, so the walk keeps its own
// stack, long `&&` and `||` chains become balanced trees (same order, same outcomes), and what is still deep or large is
// refused.
#include "frontend/sema/lower_expr.h"

#include <variant>

#include "ir/base/check.h"
#include "ir/values/operations.h"

namespace kerf {
namespace {

Var lower_var(ast::Var var) {
  switch (var) {
    case ast::Var::principal: return Var::principal;
    case ast::Var::action: return Var::action;
    case ast::Var::resource: return Var::resource;
    case ast::Var::context: return Var::context;
  }
  internal_error("unknown variable");
}

// A run of wildcards is one.
Pattern lower_pattern(const ast::LikePattern& written) {
  Pattern pattern{{}};
  for (std::size_t i = 0; i < written.pieces.size(); ++i) {
    bool between_stars = i != 0 && i + 1 != written.pieces.size() && written.pieces[i].empty();
    if (!between_stars) pattern.pieces.push_back(written.pieces[i]);
  }
  return pattern;
}

struct MethodRow {
  std::string_view name;
  std::size_t args;
  Op op;
};
constexpr MethodRow kMethods[] = {
    {"contains", 1, Op::contains},        {"containsAll", 1, Op::contains_all}, {"containsAny", 1, Op::contains_any},
    {"isEmpty", 0, Op::is_empty},         {"hasTag", 1, Op::has_tag},           {"getTag", 1, Op::get_tag},
};
const MethodRow* find_method(std::string_view name) {
  for (const MethodRow& row : kMethods) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// One expression. `steps_` is what remains to be done, `values_` the operands that are ready.
class ExprLowering {
 public:
  ExprLowering(const ast::PolicyFile& file, BodyBuilder& out) : file_(file), out_(out) {}

  NodeId run(ast::ExprId root) {
    visit(root);
    while (!steps_.empty() && !out_.failed()) {
      Step step = steps_.back();
      steps_.pop_back();
      switch (step.kind) {
        case Step::visit: expand(step.expr); break;
        case Step::finish: finish(step.expr); break;
        case Step::has: finish_has(step.expr, step.number); break;
        case Step::is: finish_type_test(step.expr); break;
        case Step::join: finish_join(step.expr, step.number); break;
      }
    }
    return out_.failed() ? NodeId() : pop();
  }

 private:
  struct Step {
    enum Kind { visit, finish, has, is, join } kind;
    ast::ExprId expr;
    std::size_t number = 0;
  };

  void visit(ast::ExprId id) { steps_.push_back({Step::visit, id}); }
  void finish_later(ast::ExprId id) { steps_.push_back({Step::finish, id}); }
  // In reverse, so that the first operand is lowered first.
  void visit_all(const std::vector<ast::ExprId>& ids) {
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) visit(*id);
  }
  void push(NodeId id) { values_.push_back(id); }
  NodeId pop() {
    check(!values_.empty(), "an operand is ready");
    NodeId id = values_.back();
    values_.pop_back();
    return id;
  }
  // Valid until the next call.
  const std::vector<NodeId>& pop(std::size_t count) {
    check(values_.size() >= count, "operands are ready");
    auto first = values_.end() - static_cast<std::ptrdiff_t>(count);
    popped_.assign(first, values_.end());
    values_.erase(first, values_.end());
    return popped_;
  }

  void expand(ast::ExprId id) {
    const ast::Expr& e = file_[id];
    Body& body = out_.body();
    std::visit(
        Overloaded{
            [&](const ast::BoolLit& n) { push(out_.leaf(body.add_literal(Value(n.value), e.span))); },
            [&](const ast::LongLit& n) { push(out_.leaf(body.add_literal(Value(n.value), e.span))); },
            [&](const ast::StringLit& n) { push(out_.leaf(body.add_literal(Value(n.value), e.span))); },
            [&](const ast::EntityLit& n) { push(out_.add_literal(n.uid)); },
            [&](const ast::VarExpr& n) { push(out_.leaf(body.add_variable(lower_var(n.var), e.span))); },
            [&](const ast::SlotExpr&) { internal_error("slots are in scopes only"); },
            [&](const ast::Not& n) { finish_later(id), visit(n.operand); },
            [&](const ast::Negate& n) { finish_later(id), visit(n.operand); },
            [&](const ast::Binary& n) { expand_binary(id, n); },
            [&](const ast::If& n) { finish_later(id), visit_all({n.condition, n.then_branch, n.else_branch}); },
            [&](const ast::HasAttr& n) { expand_has(id, n); },
            [&](const ast::Like& n) { finish_later(id), visit(n.object); },
            [&](const ast::Is& n) { expand_is(id, n); },
            [&](const ast::GetAttr& n) { finish_later(id), visit(n.object); },
            [&](const ast::MethodCall& n) { expand_call(id, n.object, n.args); },
            [&](const ast::FunctionCall& n) { expand_call(id, std::nullopt, n.args); },
            [&](const ast::SetLit& n) { finish_later(id), visit_all(n.elements); },
            [&](const ast::RecordLit& n) { expand_record(id, n); },
        },
        e.node);
  }

  static bool is_chain(ast::BinaryOp op) { return op == ast::BinaryOp::and_ || op == ast::BinaryOp::or_; }

  void expand_binary(ast::ExprId id, const ast::Binary& n) {
    if (!is_chain(n.op)) {
      finish_later(id), visit_all({n.left, n.right});
      return;
    }
    std::vector<ast::ExprId> operands;  // last to first
    std::vector<ast::ExprId> whole;     // the chain's own nodes, outermost first
    ast::ExprId at = id;
    for (;;) {
      const auto* link = std::get_if<ast::Binary>(&file_[at].node);
      if (link == nullptr || link->op != n.op) break;
      operands.push_back(link->right);
      whole.push_back(at);
      at = link->left;
    }
    operands.push_back(at);
    if (operands.size() > BodyBuilder::kLongChain) {
      steps_.push_back({Step::join, id, operands.size()});
      for (ast::ExprId operand : operands) visit(operand);
      return;
    }
    for (std::size_t i = 0; i < whole.size(); ++i) finish_later(whole[i]), visit(operands[i]);
    visit(at);
  }

  void finish_join(ast::ExprId id, std::size_t count) {
    const auto& n = std::get<ast::Binary>(file_[id].node);
    push(out_.join(n.op == ast::BinaryOp::and_ ? Op::and_ : Op::or_, pop(count), 0, count));
  }

  // `e has a.b.c` is `e has a && e.a has b && e.a.b has c`: the object is lowered once for each.
  void expand_has(ast::ExprId id, const ast::HasAttr& n) {
    check(!n.path.empty(), "`has` names an attribute");
    for (std::size_t i = n.path.size(); i-- > 0;) {
      steps_.push_back({Step::has, id, i});
      visit(n.object);
    }
  }

  void finish_has(ast::ExprId id, std::size_t last) {
    const ast::Expr& e = file_[id];
    const auto& n = std::get<ast::HasAttr>(e.node);
    NodeId object = pop();
    for (std::size_t i = 0; i < last && !out_.failed(); ++i) {
      object = out_.add_named(Op::get_attr, n.path[i].name, Body::Args(&object, 1), upto(e.span, n.path[i].span), n.path[i].span);
    }
    const ast::Attr& attr = n.path[last];
    NodeId has = out_.add_named(Op::has_attr, attr.name, Body::Args(&object, 1), upto(e.span, attr.span), attr.span);
    push(last == 0 ? has : out_.add(Op::and_, {pop(), has}, upto(e.span, attr.span), {}));
  }

  static Span upto(Span whole, Span part) {
    if (part.valid() && part.source == whole.source) whole.end = std::max(whole.begin, part.end);
    return whole;
  }

  void expand_is(ast::ExprId id, const ast::Is& n) {
    if (n.in) finish_later(id), visit_all({n.object, *n.in});
    steps_.push_back({Step::is, id});
    visit(n.object);
  }

  void expand_call(ast::ExprId id, std::optional<ast::ExprId> object, const std::vector<ast::ExprId>& args) {
    finish_later(id);
    visit_all(args);
    if (object) visit(*object);
  }

  // Cedar keeps a record's fields by name, and evaluates them in that order.
  static std::vector<std::size_t> by_name(const ast::RecordLit& n) {
    std::vector<std::size_t> order(n.fields.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return n.fields[a].name.name < n.fields[b].name.name; });
    return order;
  }

  void expand_record(ast::ExprId id, const ast::RecordLit& n) {
    finish_later(id);
    std::vector<std::size_t> order = by_name(n);
    for (auto i = order.rbegin(); i != order.rend(); ++i) visit(n.fields[*i].value);
  }

  void finish(ast::ExprId id) {
    const ast::Expr& e = file_[id];
    auto leaf = [](const auto&) { internal_error("a leaf has no operands to wait for"); };
    std::visit(
        Overloaded{
            [&](const ast::BoolLit& n) { leaf(n); },
            [&](const ast::LongLit& n) { leaf(n); },
            [&](const ast::StringLit& n) { leaf(n); },
            [&](const ast::EntityLit& n) { leaf(n); },
            [&](const ast::VarExpr& n) { leaf(n); },
            [&](const ast::SlotExpr& n) { leaf(n); },
            [&](const ast::HasAttr& n) { leaf(n); },
            [&](const ast::Not&) { push(out_.add(Op::not_, {pop()}, e.span, {})); },
            [&](const ast::Negate&) { push(out_.add(Op::neg, {pop()}, e.span, {})); },
            [&](const ast::Binary& n) { finish_binary(n, e.span); },
            [&](const ast::If&) { push(out_.add(Op::if_, pop(3), e.span, {})); },
            [&](const ast::Like& n) {
              push(out_.add_like(pop(), lower_pattern(n.pattern), e.span, n.pattern_span));
            },
            [&](const ast::Is&) { finish_is(e.span); },
            [&](const ast::GetAttr& n) {
              NodeId object = pop();
              push(out_.add_named(Op::get_attr, n.attr.name, Body::Args(&object, 1), e.span, n.attr.span));
            },
            [&](const ast::MethodCall& n) { finish_method(n, e.span); },
            [&](const ast::FunctionCall& n) { finish_function(n, e.span); },
            [&](const ast::SetLit& n) { push(out_.add(Op::set, pop(n.elements.size()), e.span, {})); },
            [&](const ast::RecordLit& n) { finish_record(n, e.span); },
        },
        e.node);
  }

  void finish_binary(const ast::Binary& n, Span span) {
    const std::vector<NodeId>& args = pop(2);
    auto add = [&](Op op) { return out_.add(op, args, span, n.op_span); };
    auto add_negated = [&](Op op) {
      NodeId inner = add(op);
      return out_.add(Op::not_, {inner}, span, n.op_span);
    };
    switch (n.op) {
      case ast::BinaryOp::or_: return push(add(Op::or_));
      case ast::BinaryOp::and_: return push(add(Op::and_));
      case ast::BinaryOp::eq: return push(add(Op::eq));
      case ast::BinaryOp::not_eq_: return push(add_negated(Op::eq));
      case ast::BinaryOp::less: return push(add(Op::less));
      case ast::BinaryOp::less_eq: return push(add(Op::less_eq));
      case ast::BinaryOp::greater: return push(add_negated(Op::less_eq));
      case ast::BinaryOp::greater_eq: return push(add_negated(Op::less));
      case ast::BinaryOp::in: return push(add(Op::in));
      case ast::BinaryOp::add: return push(add(Op::add));
      case ast::BinaryOp::sub: return push(add(Op::sub));
      case ast::BinaryOp::mul: return push(add(Op::mul));
    }
  }

  void finish_type_test(ast::ExprId id) {
    const ast::Expr& e = file_[id];
    const auto& n = std::get<ast::Is>(e.node);
    NodeId object = pop();
    push(out_.add_named(Op::is, n.type.text, Body::Args(&object, 1), n.in ? upto(e.span, n.type.span) : e.span, n.type.span));
  }

  // `x is T in e` is `x is T && x in e`; the test is ready.
  void finish_is(Span span) {
    const std::vector<NodeId>& args = pop(3);
    NodeId in = out_.add(Op::in, {args[1], args[2]}, span, {});
    push(out_.add(Op::and_, {args[0], in}, span, {}));
  }

  // Which names are functions and methods, and the arity of Cedar's own methods, the parser has made sure of.
  void finish_method(const ast::MethodCall& n, Span span) {
    const std::vector<NodeId>& args = pop(n.args.size() + 1);
    if (const MethodRow* row = find_method(n.method.name)) {
      check(row->args == n.args.size(), "methods of Cedar itself have their arguments");
      return push(out_.add(row->op, args, span, n.method.span));
    }
    check(is_extension_method(n.method.name), "methods have names of Cedar");
    push(out_.add_named(Op::call, n.method.name, args, span, n.method.span));
  }

  void finish_function(const ast::FunctionCall& n, Span span) {
    check(is_extension_function(n.function.text), "functions have names of Cedar");
    push(out_.add_named(Op::call, n.function.text, pop(n.args.size()), span, n.function.span));
  }

  void finish_record(const ast::RecordLit& n, Span span) {
    std::vector<std::string> names;
    for (std::size_t i : by_name(n)) names.push_back(n.fields[i].name.name);
    push(out_.add_record(std::move(names), pop(n.fields.size()), span));
  }

  const ast::PolicyFile& file_;
  BodyBuilder& out_;
  std::vector<Step> steps_;
  std::vector<NodeId> values_, popped_;
};

}  // namespace

NodeId lower_expr(const ast::PolicyFile& file, ast::ExprId root, BodyBuilder& out) { return ExprLowering(file, out).run(root); }

}  // namespace kerf
