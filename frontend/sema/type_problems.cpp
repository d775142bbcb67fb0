// TypeProblem -> diagnostic. The primary span is the narrowest wrong token (the attribute's name, the operator, the
// operand); what it conflicts with is a label at the schema's declaration or at the other operand.
#include "frontend/sema/type_problems.h"

#include "ir/base/check.h"

namespace kerf {
namespace {

std::string_view hint_text(TypeHint hint) {
  switch (hint) {
    case TypeHint::none: return {};
    case TypeHint::use_like: return "a string is examined with `like`";
    case TypeHint::use_contains: return "a set is examined with `contains`, `containsAny` or `containsAll`";
    case TypeHint::use_single_contains: return "one element is tested with `contains`";
    case TypeHint::use_has: return "attributes of a record are tested with `has`";
    case TypeHint::use_is: return "the type of an entity is tested with `is`";
    case TypeHint::use_in: return "membership in the entity hierarchy is tested with `in`";
    case TypeHint::compare_with_empty: return "the empty string is tested with `== \"\"`";
    case TypeHint::tests_entities_only: return "`is` tests entities only; other types are known from the schema";
    case TypeHint::no_concatenation: return "Cedar does not join strings; match the parts with `like`";
    case TypeHint::no_set_operations: return "Cedar has no union, intersection or difference of sets";
  }
  internal_error("unknown hint");
}

std::string_view mismatch_text(Mismatch mismatch) {
  switch (mismatch) {
    case Mismatch::kinds: return "strict validation asks for the same type";
    case Mismatch::entity_types: return "entities of different types never mix, whatever attributes they share";
    case Mismatch::entity_and_record: return "an entity is no record, whatever attributes they share";
    case Mismatch::record_fields: return "both records must have exactly the same attributes";
    case Mismatch::optionality: return "an attribute must be required in both records, or optional in both";
  }
  internal_error("unknown mismatch");
}

// Where the attribute of an access is looked up: `on entity type U`, and the declarations that say so.
struct AttrOwner {
  std::string where;
  Span declared;                    // of the type or action
  std::string declared_text;
  Span attr_declared;               // of the attribute itself or, in a nested record, of the attribute that holds it
  std::vector<std::string> names;   // that it does have
};

std::vector<std::string> attr_names(const Types& types, TypeId record) {
  std::vector<std::string> names;
  if (!record.valid() || types[record].kind != TypeKind::record) return names;
  for (const auto& [name, attr] : types[record].attrs) names.push_back(name);
  return names;
}

Span find_span(const std::map<std::string, Span>& spans, const std::string& name) {
  auto found = spans.find(name);
  return found == spans.end() ? Span() : found->second;
}

bool is_context(const Body& body, NodeId id) {
  return body[id].op == Op::variable && body.variable(id) == Var::context;
}

AttrOwner entity_owner(const TypedBody& in, const std::string& type, const std::string& attr) {
  AttrOwner owner;
  owner.where = fmt::format("on entity type `{}`", type);
  if (const EntityType* declared = in.schema.find_type(type)) {
    owner.declared = declared->span;
    owner.declared_text = fmt::format("entity type `{}` is declared here", type);
    owner.attr_declared = find_span(declared->attr_spans, attr);
    owner.names = attr_names(in.types, declared->attrs);
  }
  return owner;
}

AttrOwner context_owner(const TypedBody& in, const std::string& attr) {
  const Action& action = *in.schema.find_action(in.env.action);
  AttrOwner owner;
  owner.where = fmt::format("in the context of `{}`", to_text(action.uid));
  owner.declared = action.span;
  owner.declared_text = fmt::format("`{}` is declared here", to_text(action.uid));
  owner.attr_declared = find_span(action.context_spans, attr);
  owner.names = attr_names(in.types, action.context);
  return owner;
}

// `principal.a.b.c`: found by walking to the entity or context that declares `a`.
AttrOwner owner_of(const TypedBody& in, NodeId access) {
  NodeId object = in.body.arg(access, 0);
  std::string attr = in.body.name(access);
  bool nested = false;
  for (NodeId at = object;;) {
    const Type& type = in.types[in.node_types[at.index]];
    bool is_entity = type.kind == TypeKind::entity;
    if (is_entity || is_context(in.body, at)) {
      AttrOwner owner = is_entity ? entity_owner(in, type.entity_types.front(), attr) : context_owner(in, attr);
      if (!nested) return owner;
      owner.where = fmt::format("in `{}`", print_expr(in.body, object));
      owner.names = attr_names(in.types, in.node_types[object.index]);
      return owner;
    }
    if (in.body[at].op != Op::get_attr) {
      return {fmt::format("in `{}`", print_expr(in.body, object)), {}, {}, {},
              attr_names(in.types, in.node_types[object.index])};
    }
    attr = in.body.name(at);
    at = in.body.arg(at, 0);
    nested = true;
  }
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) {
    text += fmt::format("{}`{}`", i == 0 ? "" : ", ", names[i]);
  }
  return names.size() > kShown ? fmt::format("{} and {} more", text, names.size() - kShown) : text;
}

bool is_identifier(std::string_view name) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (name.empty() || !letter(name[0])) return false;
  for (char c : name) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

std::string has_test(const Body& body, NodeId access) {
  const std::string& name = body.name(access);
  return fmt::format("{} has {}", print_expr(body, body.arg(access, 0)), is_identifier(name) ? name : quote(name));
}

class Reporter {
 public:
  Reporter(const TypedBody& in, Diagnostics& diagnostics) : in_(in), diagnostics_(diagnostics) {}

  void operator()(const UnexpectedType& p) {
    Diagnostic& d = diagnostics_.report(Code::K3105, span(p.node), p.expected, show(p.actual));
    d.with_label(fmt::format("this is {}", show(p.actual)));
    if (p.hint != TypeHint::none) d.with_help(std::string(hint_text(p.hint)));
  }

  void operator()(const IncompatibleTypes& p) {
    bool at_operator = p.place != LubPlace::set && p.place != LubPlace::conditional;
    Span at = at_operator ? in_.body.name_span(p.node) : span(p.second_node);
    Diagnostic& d = diagnostics_.report(Code::K3106, at, show(p.first), show(p.second));
    std::string_view first = p.place == LubPlace::contains ? "the elements are" : "this is";
    d.with_related(span(p.first_node), fmt::format("{} {}", first, show(p.first)));
    std::string second = fmt::format("this is {}", show(p.second));
    if (at_operator) d.with_related(span(p.second_node), second);
    else d.with_label(second);
    d.with_help(std::string(mismatch_text(p.mismatch)));
  }

  void operator()(const MissingAttr& p) {
    const std::string& name = in_.body.name(p.node);
    AttrOwner owner = owner_of(in_, p.node);
    Diagnostic& d = diagnostics_.report(Code::K3107, in_.body.name_span(p.node), name, owner.where);
    d.with_label("not declared");
    if (owner.declared.valid()) d.with_related(owner.declared, owner.declared_text);
    if (std::optional<std::string> near = closest(name, owner.names)) {
      d.with_help(fmt::format("did you mean `{}`?", *near));
    } else if (!owner.names.empty()) {
      d.with_help(fmt::format("it has {}", some_of(owner.names)));
    }
  }

  void operator()(const UnsafeAttr& p) {
    AttrOwner owner = owner_of(in_, p.node);
    Diagnostic& d = diagnostics_.report(Code::K3108, in_.body.name_span(p.node), in_.body.name(p.node), owner.where);
    d.with_label("optional");
    if (owner.attr_declared.valid()) d.with_related(owner.attr_declared, "declared here");
    d.with_help(fmt::format("test for it first: `{} && …`", has_test(in_.body, p.node)));
  }

  void operator()(const UnsafeTag& p) {
    NodeId object = in_.body.arg(p.node, 0), key = in_.body.arg(p.node, 1);
    std::string key_text = print_expr(in_.body, key);
    diagnostics_.report(Code::K3109, in_.body.name_span(p.node), key_text, show(type_of(object)))
        .with_help(fmt::format("test for it first: `{}.hasTag({}) && …`", print_expr(in_.body, object), key_text));
  }

  void operator()(const WrongArity& p) {
    const std::string& name = in_.body.name(p.node);
    std::size_t object = find_function_type(name)->constructor ? 0 : 1;
    std::size_t expected = p.expected - object;
    diagnostics_.report(Code::K3111, in_.body.name_span(p.node), name, expected, expected == 1 ? "" : "s",
                        p.actual - object);
  }

  void operator()(const BadArgument& p) {
    NodeId argument = in_.body.arg(p.node, 0);
    std::string text = quote(*in_.body.literal(argument).as_string());
    auto [what, example] = constructor_text(find_function_type(in_.body.name(p.node))->result);
    diagnostics_.report(Code::K3112, span(argument), text, what).with_help(std::string(example));
  }

  void operator()(const NonLiteralArgument& p) {
    NodeId wrong = p.node;
    for (NodeId argument : in_.body.args(p.node)) {
      if (in_.body[argument].op == Op::literal) continue;
      wrong = argument;
      break;
    }
    diagnostics_.report(Code::K3113, span(wrong), in_.body.name(p.node))
        .with_help("construct the value where entities and contexts are made, not in the policy");
  }

  void operator()(const EmptySet& p) { diagnostics_.report(Code::K3114, span(p.node)); }

 private:
  static std::pair<std::string_view, std::string_view> constructor_text(TypeKind kind) {
    switch (kind) {
      case TypeKind::ip: return {"IP address", "`10.0.0.1`, `10.0.0.0/8`, `2001:db8::1` and `2001:db8::/32` are valid"};
      case TypeKind::decimal:
        return {"decimal", "digits on both sides of the point, one to four after it, as in `12.34`, within 64 bits"};
      case TypeKind::datetime:
        return {"datetime", "`2024-10-15`, `2024-10-15T11:35:00Z` and `2024-10-15T11:35:00.000+0100` are valid"};
      case TypeKind::duration: return {"duration", "units go from large to small, as in `1d2h3m4s5ms` or `-1h30m`"};
      case TypeKind::never: case TypeKind::true_: case TypeKind::false_: case TypeKind::boolean: case TypeKind::long_:
      case TypeKind::string: case TypeKind::entity: case TypeKind::set: case TypeKind::empty_set: case TypeKind::record:
        break;
    }
    internal_error("only extension types have constructors");
  }

  Span span(NodeId id) const { return in_.body[id].span; }
  TypeId type_of(NodeId id) const { return in_.node_types[id.index]; }
  std::string show(TypeId type) const { return show_type(in_.types, type); }

  const TypedBody& in_;
  Diagnostics& diagnostics_;
};

}  // namespace

namespace {

// A record deep inside is `{…}`: a message is to be read, and types that share parts can be huge when written out.
std::string show_type(const Types& types, TypeId id, int records_left) {
  const Type& type = types[id];
  if (is_boolean(type.kind)) return "Bool";
  if (type.kind == TypeKind::set) return fmt::format("Set<{}>", show_type(types, type.element, records_left));
  if (type.kind != TypeKind::record) return types.text(id);
  if (records_left == 0 && !type.attrs.empty()) return "{…}";
  constexpr std::size_t kShown = 12;
  std::string text;
  std::size_t shown = 0;
  for (const auto& [name, attr] : type.attrs) {
    if (shown++ == kShown) return "{" + text + ", …}";
    text += fmt::format("{}{}{}: {}", text.empty() ? "" : ", ", is_identifier(name) ? name : quote(name),
                        attr.required ? "" : "?", show_type(types, attr.type, records_left - 1));
  }
  return "{" + text + "}";
}

}  // namespace

std::string show_type(const Types& types, TypeId id) {
  constexpr int kRecords = 3;
  return show_type(types, id, kRecords);
}

std::string show_environment(const RequestEnv& env) {
  return fmt::format("({}, {}, {})", env.principal, to_text(env.action), env.resource);
}

void report_problem(const TypeProblem& problem, const TypedBody& in, Diagnostics& diagnostics) {
  std::visit(Reporter(in, diagnostics), problem);
}

}  // namespace kerf
