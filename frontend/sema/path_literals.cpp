// `resource.path == "/srv/"` to K4103. Paths have one spelling, so another one would never match: a permit that does
// nothing, or worse, a forbid.
#include "frontend/sema/path_literals.h"

#include <algorithm>

#include "ir/base/check.h"
#include "ir/canonical.h"

namespace kerf {
namespace {

// Whether some path or object without a name begins with the text.
bool can_begin(std::string_view text) {
  if (text.empty() || text.front() == '/') return true;
  return std::string_view("kerf:").starts_with(text) || text.starts_with("kerf:");
}

bool can_match(const Pattern& pattern) {
  const std::vector<std::string>& pieces = pattern.pieces;
  if (pieces.size() == 1) return is_canonical_file_id(pieces.front());
  if (!can_begin(pieces.front())) return false;
  if (pieces.back().ends_with('/') && !(pieces.size() == 2 && pieces.front().empty() && pieces.back() == "/")) return false;
  return std::none_of(pieces.begin(), pieces.end(), [](const std::string& piece) {
    return piece.find("//") != std::string::npos || piece.find("/./") != std::string::npos ||
           piece.find("/../") != std::string::npos || piece.find('\0') != std::string::npos;
  });
}

class PathLiterals {
 public:
  PathLiterals(const Policy& policy, const Schema& schema, const RequestEnv& env, std::set<Span>& seen, Diagnostics& diagnostics)
      : policy_(policy), body_(policy.body), schema_(schema), env_(env), seen_(seen), diagnostics_(diagnostics) {}

  void check_node(NodeId id) {
    switch (body_[id].op) {
      case Op::eq:
        if (is_path(body_.arg(id, 0))) check_text(body_.arg(id, 1));
        if (is_path(body_.arg(id, 1))) check_text(body_.arg(id, 0));
        return;
      case Op::contains:
        if (is_path(body_.arg(id, 1))) check_texts(body_.arg(id, 0));
        return;
      case Op::like:
        if (is_path(body_.arg(id, 0)) && !can_match(body_.pattern(id))) report(id, to_text(body_.pattern(id)), std::nullopt);
        return;
      case Op::literal: case Op::variable: case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::less:
      case Op::less_eq: case Op::add: case Op::sub: case Op::mul: case Op::neg: case Op::in: case Op::is: case Op::has_attr:
      case Op::get_attr: case Op::has_tag: case Op::get_tag: case Op::contains_all: case Op::contains_any: case Op::is_empty:
      case Op::set: case Op::record: case Op::call: return;
    }
    internal_error("unknown operator");
  }

 private:
  bool is_path(NodeId id) const {
    if (body_[id].op != Op::get_attr) return false;
    const NodeId object = body_.arg(id, 0);
    if (body_[object].op != Op::variable) return false;
    if (body_.variable(object) == Var::context) return is_executable(body_.name(id));
    if (body_.variable(object) != Var::resource) return false;
    const EntityType* type = schema_.find_type(env_.resource);
    if (type == nullptr) return false;
    auto binding = type->bindings.find(body_.name(id));
    return binding != type->bindings.end() && (binding->second.name == "file.path" || binding->second.name == "directory.path");
  }

  bool is_executable(const std::string& attribute) const {
    const Action* action = schema_.find_action(env_.action);
    if (action == nullptr) return false;
    auto binding = action->bindings.find(attribute);
    return binding != action->bindings.end() && binding->second.name == "process.exe";
  }

  void check_texts(NodeId id) {
    if (body_[id].op == Op::set) {
      for (NodeId element : body_.args(id)) check_text(element);
    }
  }

  void check_text(NodeId id) {
    if (body_[id].op != Op::literal) return;
    const std::string* text = body_.literal(id).as_string();
    if (text && !is_canonical_file_id(*text)) report(id, quote(*text), suggest_path(*text));
  }

  void report(NodeId id, const std::string& text, const std::optional<std::string>& suggestion) {
    const Span span = body_[id].span;
    if (!seen_.insert(span).second) return;
    Diagnostic& d = diagnostics_.report(Code::K4103, span, text);
    d.with_note(fmt::format("policy `{}`, which can apply to the governed action `{}`", policy_.id, to_text(env_.action)));
    if (suggestion) {
      d.with_help(fmt::format("write {}", quote(*suggestion))).with_fix(span, quote(*suggestion));
    } else {
      d.with_help("paths are absolute, without `.`, `..`, `//` and trailing slash, of at most 4096 bytes and 128 components");
    }
  }

  const Policy& policy_;
  const Body& body_;
  const Schema& schema_;
  const RequestEnv& env_;
  std::set<Span>& seen_;
  Diagnostics& diagnostics_;
};

}  // namespace

void check_path_literals(const Policy& policy, const Schema& schema, const Types& types,
                         const std::vector<TypeId>& node_types, const RequestEnv& env, std::set<Span>& seen,
                         Diagnostics& diagnostics) {
  PathLiterals literals(policy, schema, env, seen, diagnostics);
  for (std::size_t i = 0; i < policy.body.size(); ++i) {
    if (types[node_types[i]].kind != TypeKind::never) literals.check_node(NodeId(i));
  }
}

}  // namespace kerf
