// Level validation (RFC 76; cedar-policy-core validator/level_validate.rs). Every access of an entity is reported once, at
// the outermost: what it starts from is followed down to a variable, through records that are written out and both
// branches of `if`. What short circuits hide from the typechecker has no type and is not looked at.
#include "frontend/sema/levels.h"

#include <algorithm>

#include "ir/base/check.h"

namespace kerf {
namespace {

class LevelChecker {
 public:
  LevelChecker(const Body& body, const Types& types, const std::vector<TypeId>& node_types, const RequestEnv& env,
               std::size_t most, Diagnostics& diagnostics)
      : body_(body), types_(types), node_types_(node_types), env_(env), most_(most), diagnostics_(diagnostics) {}

  void visit(NodeId id) {
    if (kind(id) == TypeKind::never) return;
    switch (body_[id].op) {
      case Op::get_attr: case Op::has_attr:
        if (kind(body_.arg(id, 0)) == TypeKind::entity) return step(id);
        return visit(body_.arg(id, 0));
      case Op::get_tag: case Op::has_tag: case Op::in:
        step(id);
        return visit(body_.arg(id, 1));
      case Op::literal: case Op::variable: case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::eq:
      case Op::less: case Op::less_eq: case Op::add: case Op::sub: case Op::mul: case Op::neg: case Op::is:
      case Op::like: case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set:
      case Op::record: case Op::call:
        for (NodeId arg : body_.args(id)) visit(arg);
        return;
    }
    internal_error("unknown operator");
  }

 private:
  // Attributes read of records on the way up from where we are, the next one last.
  using Path = std::vector<std::string>;

  TypeKind kind(NodeId id) const { return types_[node_types_[id.index]].kind; }

  void step(NodeId id) {
    std::optional<std::size_t> level = level_of(body_.arg(id, 0), {});
    if (level && *level >= most_) diagnostics_.report(Code::K3115, body_[id].span, *level + 1, most_);
  }

  // How many steps it takes to the entity that an access starts from; nothing after a report.
  std::optional<std::size_t> level_of(NodeId id, Path path) {
    if (kind(id) == TypeKind::never) return 0;
    switch (body_[id].op) {
      case Op::variable: return 0;
      case Op::literal: return of_literal(id);
      case Op::get_attr: {
        if (kind(body_.arg(id, 0)) == TypeKind::entity) return after(level_of(body_.arg(id, 0), {}));
        path.push_back(body_.name(id));
        return level_of(body_.arg(id, 0), std::move(path));
      }
      case Op::get_tag:
        visit(body_.arg(id, 1));
        return after(level_of(body_.arg(id, 0), {}));
      case Op::if_: return of_conditional(id, path);
      case Op::record: return of_record(id, std::move(path));
      case Op::and_: case Op::or_: case Op::not_: case Op::eq: case Op::less: case Op::less_eq: case Op::add:
      case Op::sub: case Op::mul: case Op::neg: case Op::in: case Op::has_attr: case Op::has_tag: case Op::is:
      case Op::like: case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set:
      case Op::call: break;
    }
    internal_error("no entity or record comes from this operator");
  }

  static std::optional<std::size_t> after(std::optional<std::size_t> level) {
    if (level) ++*level;
    return level;
  }

  std::optional<std::size_t> of_literal(NodeId id) {
    const EntityUid* uid = body_.literal(id).as_entity();
    if (uid == nullptr || *uid == env_.action) return 0;
    diagnostics_.report(Code::K3116, body_[id].span);
    return std::nullopt;
  }

  std::optional<std::size_t> of_conditional(NodeId id, const Path& path) {
    visit(body_.arg(id, 0));
    std::optional<std::size_t> then = level_of(body_.arg(id, 1), path), otherwise = level_of(body_.arg(id, 2), path);
    if (!then || !otherwise) return std::nullopt;
    return std::max(*then, *otherwise);
  }

  std::optional<std::size_t> of_record(NodeId id, Path path) {
    check(!path.empty(), "a record is no entity, so an attribute of it was read");
    std::string wanted = std::move(path.back());
    path.pop_back();
    std::optional<std::size_t> level = 0;
    for (std::size_t i = 0; i < body_.args(id).size(); ++i) {
      if (body_.field(id, i) == wanted) level = level_of(body_.arg(id, i), path);
      else visit(body_.arg(id, i));
    }
    return level;
  }

  const Body& body_;
  const Types& types_;
  const std::vector<TypeId>& node_types_;
  const RequestEnv& env_;
  std::size_t most_;
  Diagnostics& diagnostics_;
};

}  // namespace

void check_levels(const Body& body, const Types& types, const std::vector<TypeId>& node_types, const RequestEnv& env,
                  std::size_t most, Diagnostics& diagnostics) {
  LevelChecker(body, types, node_types, env, most, diagnostics).visit(body.root);
}

}  // namespace kerf
