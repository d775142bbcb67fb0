// Every access is looked at on its own: the level of what it starts from, plus one, must not pass the bound. What short
// circuits hide from the typechecker has no type and is not looked at.
#include "frontend/sema/levels.h"

#include <algorithm>

#include "ir/base/check.h"

namespace kerf {
namespace {

class Levels {
 public:
  Levels(const Body& body, const Types& types, const std::vector<TypeId>& node_types, const RequestEnv& env)
      : body_(body), types_(types), node_types_(node_types), env_(env) {}

  // The data that an access starts from; an access of a record is no step.
  std::optional<NodeId> start(NodeId id) const {
    switch (body_[id].op) {
      case Op::get_attr: case Op::has_attr: case Op::get_tag: case Op::has_tag: case Op::in: {
        NodeId object = body_.arg(id, 0);
        if (!is_entity(object)) return std::nullopt;
        return object;
      }
      case Op::literal: case Op::variable: case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::eq:
      case Op::less: case Op::less_eq: case Op::add: case Op::sub: case Op::mul: case Op::neg: case Op::is:
      case Op::like: case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set:
      case Op::record: case Op::call: return std::nullopt;
    }
    internal_error("unknown operator");
  }

  struct Level {
    std::size_t steps = 0;
    std::optional<NodeId> literal;   // it starts here
  };
  Level of(NodeId id) const {
    switch (body_[id].op) {
      case Op::variable: return {};
      case Op::literal: {
        const EntityUid* uid = body_.literal(id).as_entity();
        if (uid == nullptr || *uid == env_.action) return {};
        return {0, id};
      }
      case Op::get_attr: return of_attr(id);
      case Op::get_tag: return after(of(body_.arg(id, 0)));
      case Op::if_: {
        Level then = is_seen(body_.arg(id, 1)) ? of(body_.arg(id, 1)) : Level{};
        Level otherwise = is_seen(body_.arg(id, 2)) ? of(body_.arg(id, 2)) : Level{};
        return {std::max(then.steps, otherwise.steps), then.literal ? then.literal : otherwise.literal};
      }
      case Op::and_: case Op::or_: case Op::not_: case Op::eq: case Op::less: case Op::less_eq: case Op::add:
      case Op::sub: case Op::mul: case Op::neg: case Op::in: case Op::has_attr: case Op::has_tag: case Op::is:
      case Op::like: case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set:
      case Op::record: case Op::call: return {};
    }
    internal_error("unknown operator");
  }

  bool is_seen(NodeId id) const { return types_[node_types_[id.index]].kind != TypeKind::never; }

 private:
  bool is_entity(NodeId id) const { return types_[node_types_[id.index]].kind == TypeKind::entity; }
  static Level after(Level level) { return {level.steps + 1, level.literal}; }

  Level of_attr(NodeId id) const {
    NodeId object = body_.arg(id, 0);
    if (is_entity(object)) return after(of(object));
    if (body_[object].op != Op::record) return of(object);
    for (std::size_t i = 0; i < body_.args(object).size(); ++i) {
      if (body_.field(object, i) == body_.name(id)) return of(body_.arg(object, i));
    }
    return {};
  }

  const Body& body_;
  const Types& types_;
  const std::vector<TypeId>& node_types_;
  const RequestEnv& env_;
};

}  // namespace

void check_levels(const Body& body, const Types& types, const std::vector<TypeId>& node_types, const RequestEnv& env,
                  std::size_t most, Diagnostics& diagnostics) {
  Levels levels(body, types, node_types, env);
  for (std::size_t i = 0; i < body.size(); ++i) {
    NodeId id(i);
    std::optional<NodeId> start = levels.is_seen(id) ? levels.start(id) : std::nullopt;
    if (!start) continue;
    Levels::Level level = levels.of(*start);
    if (level.literal) {
      diagnostics.report(Code::K3116, body[*level.literal].span);
    } else if (level.steps + 1 > most) {
      diagnostics.report(Code::K3115, body[id].span, level.steps + 1, most);
    }
  }
}

}  // namespace kerf
