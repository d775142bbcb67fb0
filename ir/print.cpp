// Bodies as text: one node a line for goldens, or Cedar syntax for people. Expressions are emitted from a stack of
// pending pieces, so long chains need no recursion; `&&` and `||` are associative and printed without parentheses.
#include <fmt/format.h>

#include <algorithm>

#include "ir/base/check.h"
#include "ir/body.h"
#include "ir/values/operations.h"

namespace kerf {

namespace {

std::string payload_text(const Body& body, NodeId id) {
  switch (payload_of(body[id].op)) {
    case Payload::none: return "";
    case Payload::literal: return " " + to_text(body.literal(id));
    case Payload::variable: return " " + std::string(to_text(body.variable(id)));
    case Payload::name: return " " + quote(body.name(id));
    case Payload::pattern: return " " + to_text(body.pattern(id));
    case Payload::names: {
      std::string out;
      for (std::size_t i = 0; i < body[id].arg_count; ++i) out += " " + quote(body.field(id, i));
      return out;
    }
  }
  internal_error("unknown payload");
}

}  // namespace

std::string print_body(const Body& body) {
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    NodeId id(i);
    out += fmt::format("%{} = {}", i, op_row(body[id].op).text);
    for (NodeId arg : body.args(id)) out += fmt::format(" %{}", arg.index);
    out += payload_text(body, id) + "\n";
  }
  return out + fmt::format("root %{}\n", body.root.index);
}

namespace {

// How tightly an expression binds, as in Cedar's grammar.
enum class Level { expr, or_, and_, relation, sum, product, unary, member };

class Printer {
 public:
  explicit Printer(const Body& body) : body_(body) {}

  std::string print(NodeId root) {
    later(root, Level::expr);
    while (!pending_.empty()) {
      Piece piece = std::move(pending_.back());
      pending_.pop_back();
      if (!piece.node.valid()) {
        out_ += piece.text;
        continue;
      }
      std::size_t mark = pending_.size();
      bool parentheses = level(piece.node) < piece.level;
      if (parentheses) later("(");
      expand(piece.node);
      if (parentheses) later(")");
      std::reverse(pending_.begin() + static_cast<std::ptrdiff_t>(mark), pending_.end());
    }
    return std::move(out_);
  }

 private:
  struct Piece {
    std::string text;
    NodeId node;
    Level level = Level::expr;
  };

  void later(std::string_view text) { pending_.push_back({std::string(text), {}, Level::expr}); }
  void later(NodeId node, Level level) { pending_.push_back({{}, node, level}); }
  NodeId arg(NodeId id, std::size_t i) const { return body_.arg(id, i); }

  // The comparison that `!(…)` over this node is written as, or nothing.
  std::string_view negated(NodeId id) const {
    Op op = body_[id].op;
    return op == Op::eq ? "!=" : op == Op::less ? ">=" : op == Op::less_eq ? ">" : "";
  }

  Level level(NodeId id) const {
    switch (body_[id].op) {
      case Op::if_: return Level::expr;
      case Op::or_: return Level::or_;
      case Op::and_: return Level::and_;
      case Op::eq:
      case Op::less:
      case Op::less_eq:
      case Op::in:
      case Op::is:
      case Op::has_attr:
      case Op::like: return Level::relation;
      case Op::add:
      case Op::sub: return Level::sum;
      case Op::mul: return Level::product;
      case Op::neg: return Level::unary;
      case Op::not_: return negated(arg(id, 0)).empty() ? Level::unary : Level::relation;
      case Op::literal: {
        const std::int64_t* number = body_.literal(id).as_long();
        return number != nullptr && *number < 0 ? Level::unary : Level::member;
      }
      case Op::variable:
      case Op::get_attr:
      case Op::has_tag:
      case Op::get_tag:
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty:
      case Op::set:
      case Op::record:
      case Op::call: return Level::member;
    }
    internal_error("unknown operator");
  }

  void infix(NodeId left, std::string_view op, NodeId right, Level left_level, Level right_level) {
    later(left, left_level);
    later(" ");
    later(op);
    later(" ");
    later(right, right_level);
  }

  void list(std::span<const NodeId> nodes) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (i > 0) later(", ");
      later(nodes[i], Level::expr);
    }
  }

  void method(std::string_view name, std::span<const NodeId> args) {
    later(args[0], Level::member);
    later(".");
    later(name);
    later("(");
    list(args.subspan(1));
    later(")");
  }

  void chained(NodeId id, std::string_view separator, Level operand) {
    std::vector<NodeId> operands = chain(body_, id, body_[id].op);
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (i > 0) later(separator);
      later(operands[i], operand);
    }
  }

  void expand(NodeId id) {
    std::string_view text = op_row(body_[id].op).text;
    switch (body_[id].op) {
      case Op::literal: return later(to_text(body_.literal(id)));
      case Op::variable: return later(to_text(body_.variable(id)));
      case Op::and_: return chained(id, " && ", Level::relation);
      case Op::or_: return chained(id, " || ", Level::and_);
      case Op::not_: return expand_not(arg(id, 0));
      case Op::if_:
        later("if ");
        later(arg(id, 0), Level::expr);
        later(" then ");
        later(arg(id, 1), Level::expr);
        later(" else ");
        return later(arg(id, 2), Level::expr);
      case Op::eq:
      case Op::less:
      case Op::less_eq:
      case Op::in: return infix(arg(id, 0), text, arg(id, 1), Level::sum, Level::sum);
      case Op::add:
      case Op::sub: return infix(arg(id, 0), text, arg(id, 1), Level::sum, Level::product);
      case Op::mul: return infix(arg(id, 0), text, arg(id, 1), Level::product, Level::unary);
      case Op::neg: later("-"); return later(arg(id, 0), Level::member);
      case Op::is: later(arg(id, 0), Level::sum); return later(" is " + body_.name(id));
      case Op::has_attr: later(arg(id, 0), Level::sum); return later(" has " + attribute(body_.name(id)));
      case Op::like: later(arg(id, 0), Level::sum); return later(" like " + to_text(body_.pattern(id)));
      case Op::get_attr: return expand_get(id);
      case Op::has_tag:
      case Op::get_tag:
      case Op::contains:
      case Op::contains_all:
      case Op::contains_any:
      case Op::is_empty: return method(text, body_.args(id));
      case Op::set: later("["); list(body_.args(id)); return later("]");
      case Op::record: return expand_record(id);
      case Op::call: return expand_call(id);
    }
  }

  void expand_not(NodeId operand) {
    std::string_view comparison = negated(operand);
    if (!comparison.empty()) return infix(arg(operand, 0), comparison, arg(operand, 1), Level::sum, Level::sum);
    later("!");
    later(operand, Level::member);
  }

  static bool is_identifier(const std::string& name) { return is_name(name) && name.find(':') == std::string::npos; }
  static std::string attribute(const std::string& name) { return is_identifier(name) ? name : quote(name); }

  void expand_get(NodeId id) {
    later(arg(id, 0), Level::member);
    const std::string& name = body_.name(id);
    later(is_identifier(name) ? "." + name : "[" + quote(name) + "]");
  }

  void expand_record(NodeId id) {
    later("{");
    for (std::size_t i = 0; i < body_[id].arg_count; ++i) {
      if (i > 0) later(", ");
      later(attribute(body_.field(id, i)) + ": ");
      later(arg(id, i), Level::expr);
    }
    later("}");
  }

  void expand_call(NodeId id) {
    const std::string& name = body_.name(id);
    if (is_extension_method(name) && body_[id].arg_count > 0) return method(name, body_.args(id));
    later(name + "(");
    list(body_.args(id));
    later(")");
  }

  const Body& body_;
  std::string out_;
  std::vector<Piece> pending_;
};

}  // namespace

std::string print_expr(const Body& body, NodeId id) { return Printer(body).print(id); }

}  // namespace kerf
