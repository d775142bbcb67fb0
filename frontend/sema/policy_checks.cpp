// What the kernel asks of policies beyond Cedar's validator: one spelling for each entity and path that it sees, and no
// data about its resources except through `resource`. The one decision: the second rule binds only where a policy can apply
// to a governed action, so each policy is typed in those environments to see what is reached.
#include "frontend/sema/path_literals.h"
#include "frontend/sema/policies.h"
#include "frontend/sema/type_body.h"
#include "ir/base/check.h"
#include "ir/canonical.h"
#include "ir/values/host_name.h"

namespace kerf {
namespace {

const KernelKind* kernel_kind(const Schema& schema, const std::string& type) {
  const EntityType* declared = schema.find_type(type);
  return declared != nullptr && declared->kernel ? &*declared->kernel : nullptr;
}

constexpr std::string_view kPathRule =
    "absolute paths without `.`, `..`, `//` or trailing slash, of at most 4096 bytes and 128 components";

struct Spelling {
  bool canonical = true;
  std::optional<std::string> suggestion;
  std::string_view rule;
};

Spelling spelling_of(KernelKind kind, const std::string& id) {
  switch (kind) {
    case KernelKind::process: return {};
    case KernelKind::syscall: return {};   // names are checked with the plan
    case KernelKind::host:
      if (is_canonical_host(id)) return {};
      return {false, suggest_host(id), "`example.com`: lower case, no final dot, no wildcard"};
    case KernelKind::directory:
      if (is_canonical_path(id)) return {};
      return {false, suggest_path(id), kPathRule};
    case KernelKind::file:
      if (is_canonical_file_id(id)) return {};
      return {false, suggest_path(id), kPathRule};
    case KernelKind::endpoint:
      if (parse_endpoint_id(id)) return {};
      return {false, suggest_endpoint_id(id), "`10.0.0.1:443` or `[2001:db8::1]:443`"};
    case KernelKind::system:
      if (event_of_operation(id)) return {};
      return {false, std::nullopt, "operations, such as `mount`, `umount` or `ptrace`, or `sysctl/` and a variable's name"};
    case KernelKind::socket:
      if (is_socket_id(id)) return {};
      return {false, std::nullopt, "`FAMILY/TYPE`, such as `inet/stream`, `inet6/dgram`, `packet/raw` or `netlink/raw`"};
  }
  internal_error("unknown kernel kind");
}

void check_spelling(const Policy& policy, const Schema& schema, Diagnostics& diagnostics) {
  std::set<Span> seen;
  for (std::size_t i = 0; i < policy.body.size(); ++i) {
    NodeId id(i);
    if (policy.body[id].op != Op::literal) continue;
    const EntityUid* uid = policy.body.literal(id).as_entity();
    const KernelKind* kind = uid == nullptr ? nullptr : kernel_kind(schema, uid->type);
    if (kind == nullptr) continue;
    Spelling spelling = spelling_of(*kind, uid->id);
    Span span = policy.body[id].span;
    if (spelling.canonical || !seen.insert(span).second) continue;
    Diagnostic& d = diagnostics.report(Code::K4101, span, to_text(*uid), to_text(*kind));
    d.with_label(fmt::format("ids are {}", spelling.rule));
    d.with_note(fmt::format("policy `{}`", policy.id));
    if (uid->id.starts_with("kerf:")) d.with_help("files without a name are `kerf:memfd`, `kerf:pipe`, `kerf:socket`, `kerf:anon`, and unix sockets `kerf:abstract/NAME`");
    if (!spelling.suggestion) continue;
    std::string fixed = to_text(EntityUid{uid->type, *spelling.suggestion});
    d.with_help(fmt::format("write `{}`", fixed)).with_fix(span, fixed);
  }
}

// Reads of kernel resources that do not start at `resource`, in one typed body.
class ResourceReads {
 public:
  ResourceReads(const Policy& policy, const Schema& schema, std::set<Span>& seen, Diagnostics& diagnostics)
      : policy_(policy), body_(policy.body), schema_(schema), seen_(seen), diagnostics_(diagnostics) {}

  void run(const Types& types, const std::vector<TypeId>& node_types, const RequestEnv& env) {
    for (std::size_t i = 0; i < body_.size(); ++i) {
      NodeId id(i);
      if (types[node_types[i]].kind == TypeKind::never) continue;   // short circuits hide it
      std::optional<std::string_view> reads = what_is_read(body_[id].op);
      if (!reads || is_resource(body_.arg(id, 0))) continue;
      const Type& object = types[node_types[body_.arg(id, 0).index]];
      if (object.kind != TypeKind::entity) continue;
      const KernelKind* kind = kernel_kind(schema_, object.entity_types.front());
      if (kind != nullptr && *kind != KernelKind::process) report(id, *reads, object.entity_types.front(), env);
    }
  }

 private:
  static std::optional<std::string_view> what_is_read(Op op) {
    switch (op) {
      case Op::get_attr: case Op::has_attr: return "attributes";
      case Op::get_tag: case Op::has_tag: return "tags";
      case Op::in: return "ancestors";
      case Op::literal: case Op::variable: case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::eq:
      case Op::less: case Op::less_eq: case Op::add: case Op::sub: case Op::mul: case Op::neg: case Op::is:
      case Op::like: case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set:
      case Op::record: case Op::call: return std::nullopt;
    }
    internal_error("unknown operator");
  }

  bool is_resource(NodeId id) const { return body_[id].op == Op::variable && body_.variable(id) == Var::resource; }

  void report(NodeId id, std::string_view reads, const std::string& type, const RequestEnv& env) {
    Span object = body_[body_.arg(id, 0)].span;
    if (!seen_.insert(object).second) return;
    diagnostics_.report(Code::K4102, object, reads, type)
        .with_label("not `resource`")
        .with_note(fmt::format("policy `{}`, which can apply to the governed action `{}`", policy_.id, to_text(env.action)))
        .with_help("compare with `==`, `is` or `contains(resource)`, or ask `resource` itself");
  }

  const Policy& policy_;
  const Body& body_;
  const Schema& schema_;
  std::set<Span>& seen_;
  Diagnostics& diagnostics_;
};

bool reads_entities(const Body& body) {
  for (std::size_t i = 0; i < body.size(); ++i) {
    switch (body[NodeId(i)].op) {
      case Op::get_attr: case Op::has_attr: case Op::get_tag: case Op::has_tag: case Op::in: return true;
      case Op::literal: case Op::variable: case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::eq:
      case Op::less: case Op::less_eq: case Op::add: case Op::sub: case Op::mul: case Op::neg: case Op::is:
      case Op::like: case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set:
      case Op::record: case Op::call: break;
    }
  }
  return false;
}

bool is_governed(const Schema& schema, const RequestEnv& env) {
  const Action* action = schema.find_action(env.action);
  return action != nullptr && !action->events.empty();
}

// `governed`: the environments of governed actions.
void check_resource_reads(const Module& module, const Policy& policy, const SchemaTypes& schema_types,
                          const std::vector<RequestEnv>& governed, Diagnostics& diagnostics) {
  if (governed.empty() || !reads_entities(policy.body)) return;
  BodyTyper typer(schema_types, policy.body);
  std::set<Span> seen, paths;
  ResourceReads reads(policy, module.schema, seen, diagnostics);
  std::vector<TypeProblem> problems;
  for (const RequestEnv& env : governed) {
    problems.clear();
    if (typer.run(env, problems).always_false) continue;
    reads.run(schema_types.types(), typer.types(), env);
    check_path_literals(policy, module.schema, schema_types.types(), typer.types(), env, paths, diagnostics);
  }
}

}  // namespace

void check_kernel_literals(const Module& module, Diagnostics& diagnostics) {
  Types types = module.schema.types;
  SchemaTypes schema_types(module.schema, types);
  std::vector<RequestEnv> governed;
  for (const RequestEnv& env : module.environments) {
    if (is_governed(module.schema, env)) governed.push_back(env);
  }
  for (const Policy& policy : module.policies) {
    check_spelling(policy, module.schema, diagnostics);
    check_resource_reads(module, policy, schema_types, governed, diagnostics);
  }
}

}  // namespace kerf
