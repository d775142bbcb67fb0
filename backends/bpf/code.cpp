// A code predicate -> operations for the generator. Cedar's names end here: what remains are observables, slots,
// constants and operators. The one decision: a node without a known form is an Error, never an approximation.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "backends/bpf/layout.h"
#include "ir/passes/exe_tests.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::bpf {
namespace {

std::optional<CodeObservable> code_observable(ObservableId id) {
  switch (id) {
    case ObservableId::endpoint_ip: return CodeObservable::ip;
    case ObservableId::file_fs_type: case ObservableId::mount_fs_type: return CodeObservable::name;
    case ObservableId::process_comm: return CodeObservable::comm;
    case ObservableId::process_exe: return std::nullopt;   // its match class is asked
    case ObservableId::endpoint_host: return std::nullopt;
    case ObservableId::syscall_name: case ObservableId::syscall_arg0: case ObservableId::syscall_arg1: case ObservableId::syscall_arg2: case ObservableId::syscall_arg3: case ObservableId::syscall_arg4: case ObservableId::syscall_arg5: return std::nullopt;   // filters ask
    case ObservableId::file_path: case ObservableId::directory_path: case ObservableId::system_operation: return std::nullopt;   // path tests ask
#define KERF_SEEN(observable, field, bits, when, type, events) case ObservableId::observable: return CodeObservable::observable;
#include "runtime/abi/seen.def"
  }
  return std::nullopt;
}

std::optional<CodeType> code_type(TypeKind kind) {
  switch (kind) {
    case TypeKind::long_: case TypeKind::datetime: case TypeKind::duration: return CodeType::long_;   // milliseconds
    case TypeKind::boolean: case TypeKind::true_: case TypeKind::false_: return CodeType::boolean;
    case TypeKind::ip: return CodeType::ip;
    case TypeKind::never: case TypeKind::string: case TypeKind::entity: case TypeKind::set: case TypeKind::empty_set:
    case TypeKind::record: case TypeKind::decimal: return std::nullopt;
  }
  return std::nullopt;
}

// The only texts that hooks hold.
std::optional<CodeType> observed_type(const Observable& row) {
  return row.from == ObservedFrom::name ? CodeType::name : code_type(row.type);
}

bool can_be_name(const std::string& text) { return text.size() < KERF_FS_TYPE_BYTES && text.find('\0') == std::string::npos; }

std::optional<std::int64_t> number_of(const Value& value) {
  if (value.as_long()) return *value.as_long();
  if (value.as_datetime()) return value.as_datetime()->ms;
  if (value.as_duration()) return value.as_duration()->ms;
  return std::nullopt;
}

struct TimeCall {
  std::string_view name;
  CodeOp op;
  std::uint64_t unit_ms;   // of a quotient
};
constexpr TimeCall kTimeCalls[] = {
    {"offset", CodeOp::add, 0}, {"durationSince", CodeOp::sub, 0}, {"toDate", CodeOp::to_date, 0}, {"toTime", CodeOp::to_time, 0},
    {"toMilliseconds", CodeOp::quotient, 1}, {"toSeconds", CodeOp::quotient, 1000}, {"toMinutes", CodeOp::quotient, 60'000},
    {"toHours", CodeOp::quotient, 3'600'000}, {"toDays", CodeOp::quotient, 86'400'000},
};

std::optional<CodeOp> code_operator(Op op) {
  switch (op) {
    case Op::and_: return CodeOp::and_;
    case Op::or_: return CodeOp::or_;
    case Op::not_: return CodeOp::not_;
    case Op::if_: return CodeOp::if_;
    case Op::eq: return CodeOp::eq;
    case Op::less: return CodeOp::less;
    case Op::less_eq: return CodeOp::less_eq;
    case Op::add: return CodeOp::add;
    case Op::sub: return CodeOp::sub;
    case Op::mul: return CodeOp::mul;
    case Op::neg: return CodeOp::neg;
    case Op::literal: case Op::variable: case Op::in: case Op::is: case Op::has_attr: case Op::get_attr: case Op::has_tag:
    case Op::get_tag: case Op::like: case Op::contains: case Op::contains_all: case Op::contains_any: case Op::is_empty:
    case Op::set: case Op::record: case Op::call: return std::nullopt;
  }
  return std::nullopt;
}

class Lowering {
 public:
  Lowering(const Module& module, const KernelEnv& env, const CodePredicate& predicate, const Executables& executables)
      : module_(module), env_(env), predicate_(predicate), executables_(executables), body_(env.body(module, predicate.policy)) {}

  Result<CodeExpr> run() {
    std::optional<std::uint32_t> root = lower(predicate_.node);
    if (root && expr_[*root].type != CodeType::boolean) root = refuse(predicate_.node, "is no Bool");
    if (root && expr_.size() > kMaxExprNodes) root = refuse(predicate_.node, "is too large");
    if (!root) return Error{error_};
    return std::move(expr_);
  }

 private:
  std::optional<std::uint32_t> refuse(NodeId node, std::string_view why) {
    error_ = fmt::format("policy {}: the hook cannot compute `{}`, which {}", module_.policies[predicate_.policy.index].id,
                         print_expr(body_, node), why);
    return std::nullopt;
  }
  std::uint32_t push(CodeNode node) {
    expr_.push_back(std::move(node));
    return static_cast<std::uint32_t>(expr_.size() - 1);
  }

  std::optional<std::uint32_t> lower(NodeId id) {
    if (auto slot = predicate_.slots.find(id); slot != predicate_.slots.end()) return lower_slot(id, slot->second);
    if (auto known = predicate_.constants.find(id); known != predicate_.constants.end()) return lower_constant(id, known->second);
    if (auto asked = executables_of(module_, env_, predicate_, id)) return lower_executable(*asked);
    switch (body_[id].op) {
      case Op::literal: return lower_constant(id, body_.literal(id));
      case Op::get_attr: return lower_observable(id, CodeOp::observe);
      case Op::has_attr: return lower_observable(id, CodeOp::has);
      case Op::contains: return lower_contains(id);
      case Op::call: return lower_call(id);
      case Op::and_: case Op::or_: case Op::not_: case Op::if_: case Op::eq: case Op::less: case Op::less_eq: case Op::add:
      case Op::sub: case Op::mul: case Op::neg: return lower_operator(id);
      case Op::like: return lower_like(id);
      case Op::variable: case Op::in: case Op::is: case Op::has_tag: case Op::get_tag: case Op::contains_all: case Op::contains_any: case Op::is_empty: case Op::set: case Op::record:
        return refuse(id, "has no form in hook code");
    }
    return refuse(id, "has no form in hook code");
  }

  std::optional<std::uint32_t> lower_slot(NodeId id, std::uint32_t index) {
    if (index >= env_.slots.size()) return refuse(id, "names a slot that does not exist");
    std::optional<CodeType> type = code_type(env_.slots[index].type);
    if (!type) return refuse(id, "is a bind value of a type that hooks do not hold");
    CodeNode node;
    node.op = CodeOp::slot;
    node.type = *type;
    node.slot = index;
    return push(node);
  }

  std::optional<std::uint32_t> lower_constant(NodeId id, const Value& value) {
    CodeNode node;
    if (const bool* truth = value.as_bool()) {
      node.type = CodeType::boolean;
      node.low = *truth;
    } else if (auto number = number_of(value)) {
      node.type = CodeType::long_;
      node.low = static_cast<std::uint64_t>(*number);
    } else if (const IpAddr* ip = value.as_ip()) {
      Key key = address_key(ip->bytes, ip->v6);
      node.type = CodeType::ip;
      node.high = key.high;
      node.low = key.low;
      node.v6 = ip->v6;
      node.prefix = ip->prefix;
    } else if (const std::string* text = value.as_string(); text && can_be_name(*text)) {
      node.type = CodeType::name;
      node.names = {*text};
    } else {
      return refuse(id, "is a constant of a type that hooks do not hold");
    }
    return push(node);
  }

  const AttrBinding* binding_of(Var var, const std::string& attribute) const {
    const RequestEnv& request = module_.environments.at(env_.environment);
    const std::map<std::string, AttrBinding>* bindings = nullptr;
    switch (var) {
      case Var::context:
        if (const Action* action = module_.schema.find_action(request.action)) bindings = &action->bindings;
        break;
      case Var::resource:
        if (const EntityType* type = module_.schema.find_type(request.resource)) bindings = &type->bindings;
        break;
      case Var::principal: case Var::action: break;
    }
    if (!bindings) return nullptr;
    auto found = bindings->find(attribute);
    return found == bindings->end() ? nullptr : &found->second;
  }

  // Do events of this environment carry it?
  bool observed_here(const Observable& row) const {
    return is_observed_with(row, env_.event);
  }

  // `resource.a`, `context.a`, `… has a`.
  std::optional<std::uint32_t> lower_observable(NodeId id, CodeOp op) {
    NodeId object = body_.arg(id, 0);
    if (body_[object].op != Op::variable) return refuse(id, "is an attribute of something else than the event");
    const AttrBinding* binding = binding_of(body_.variable(object), body_.name(id));
    if (!binding || binding->kind != AttrBinding::Kind::observable) return refuse(id, "no hook observes");
    const Observable* row = find_observable(binding->name);
    if (!row || !observed_here(*row)) return refuse(id, "no hook observes with this event");
    std::optional<CodeObservable> observable = code_observable(row->id);
    std::optional<CodeType> type = op == CodeOp::has ? CodeType::boolean : observed_type(*row);
    if (!observable || !type) return refuse(id, "hook code does not read");
    CodeNode node;
    node.op = op;
    node.type = *type;
    node.observable = *observable;
    return push(node);
  }

  // context.exe == "/usr/bin/curl": is its match class one of these?
  std::uint32_t lower_executable(const std::vector<Pattern>& patterns) {
    CodeNode observed;
    observed.op = CodeOp::observe;
    observed.type = CodeType::long_;
    observed.observable = CodeObservable::exe;
    CodeNode node;
    node.op = CodeOp::one_of;
    node.members = executables_.classes_of(patterns);
    node.args = {push(std::move(observed))};
    return push(std::move(node));
  }

  // resource.fs_type like "fuse*"
  std::optional<std::uint32_t> lower_like(NodeId id) {
    const std::vector<std::string>& pieces = body_.pattern(id).pieces;
    const bool exact = pieces.size() == 1;
    if (!exact && (pieces.size() != 2 || !pieces[1].empty())) return refuse(id, "has a wildcard that is not at its end");
    std::optional<std::uint32_t> name = lower(body_.arg(id, 0));
    if (!name) return std::nullopt;
    if (expr_[*name].op != CodeOp::observe || expr_[*name].type != CodeType::name || !can_be_name(pieces[0])) return refuse(id, "matches no name");
    CodeNode node;
    node.op = exact ? CodeOp::one_of : CodeOp::begins;
    node.args = {*name};
    node.names = {pieces[0]};
    return push(std::move(node));
  }

  // [1000, 1001].contains(x), ["ext4", "tmpfs"].contains(resource.fs_type): a constant set.
  std::optional<std::uint32_t> lower_contains(NodeId id) {
    const NodeId written = body_.arg(id, 0);
    auto known = predicate_.constants.find(written);   // without what no hook observes
    const ValueSet* set = known != predicate_.constants.end() ? known->second.as_set()
                          : body_[written].op == Op::literal ? body_.literal(written).as_set() : nullptr;
    if (!set) return refuse(id, "asks a set that is not known at compile time");
    std::optional<std::uint32_t> element = lower(body_.arg(id, 1));
    if (!element) return std::nullopt;
    CodeNode node;
    node.op = CodeOp::one_of;
    for (const Value& member : *set) {   // sorted, and so is what becomes of them
      if (!add_member(node, member, expr_[*element])) return refuse(id, "asks about something else than numbers and names");
    }
    node.args = {*element};
    return push(std::move(node));
  }
  static bool add_member(CodeNode& node, const Value& member, const CodeNode& element) {
    if (auto number = number_of(member); number && element.type == CodeType::long_) {
      node.members.push_back(*number);
      return true;
    }
    const std::string* text = member.as_string();
    if (!text || !can_be_name(*text) || element.op != CodeOp::observe || element.type != CodeType::name) return false;
    node.names.push_back(*text);
    return true;
  }

  std::optional<std::uint32_t> lower_time(NodeId id, const TimeCall& call) {
    CodeNode node;
    node.op = call.op;
    node.low = call.unit_ms;
    for (NodeId arg : body_.args(id)) {
      std::optional<std::uint32_t> lowered = lower(arg);
      if (!lowered) return std::nullopt;
      node.args.push_back(*lowered);
    }
    const std::size_t operands = call.op == CodeOp::add || call.op == CodeOp::sub ? 2 : 1;
    node.type = CodeType::long_;
    if (node.args.size() != operands || !all_are(node, CodeType::long_)) return refuse(id, "has operands of types that its operator does not take");
    return push(std::move(node));
  }

  // resource.ip.isInRange(r), r a bind value: the observed address is always a single one.
  std::optional<std::uint32_t> lower_call(NodeId id) {
    for (const TimeCall& call : kTimeCalls) {
      if (body_.name(id) == call.name) return lower_time(id, call);
    }
    if (body_.name(id) != "isInRange" || body_.args(id).size() != 2) return refuse(id, "has no form in hook code");
    CodeNode node;
    node.op = CodeOp::in_range;
    for (NodeId arg : body_.args(id)) {
      std::optional<std::uint32_t> lowered = lower(arg);
      if (!lowered) return std::nullopt;
      if (expr_[*lowered].type != CodeType::ip) return refuse(id, "asks about something else than addresses");
      node.args.push_back(*lowered);
    }
    if (expr_[node.args[1]].op == CodeOp::observe) node.op = CodeOp::eq;   // what is in a single address is that address
    else if (expr_[node.args[0]].op != CodeOp::observe) return refuse(id, "asks about an address that no hook observes");
    return push(std::move(node));
  }

  std::optional<std::uint32_t> lower_operator(NodeId id) {
    CodeNode node;
    node.op = *code_operator(body_[id].op);
    for (NodeId arg : body_.args(id)) {
      std::optional<std::uint32_t> lowered = lower(arg);
      if (!lowered) return std::nullopt;
      node.args.push_back(*lowered);
    }
    if (!type_operator(node)) return refuse(id, "has operands of types that its operator does not take");
    return push(std::move(node));
  }

  bool all_are(const CodeNode& node, CodeType type) const {
    return std::all_of(node.args.begin(), node.args.end(), [&](std::uint32_t arg) { return expr_[arg].type == type; });
  }
  bool type_operator(CodeNode& node) const {
    switch (node.op) {
      case CodeOp::and_: case CodeOp::or_: case CodeOp::not_: node.type = CodeType::boolean; return all_are(node, CodeType::boolean);
      case CodeOp::eq: node.type = CodeType::boolean; return type_equality(node);
      case CodeOp::less: case CodeOp::less_eq: node.type = CodeType::boolean; return all_are(node, CodeType::long_);
      case CodeOp::add: case CodeOp::sub: case CodeOp::mul: case CodeOp::neg: node.type = CodeType::long_; return all_are(node, CodeType::long_);
      case CodeOp::if_:
        node.type = expr_[node.args[1]].type;
        if (node.type == CodeType::name || node.type == CodeType::ip) return false;   // cases are made of these
        return expr_[node.args[0]].type == CodeType::boolean && expr_[node.args[2]].type == node.type;
      case CodeOp::constant: case CodeOp::observe: case CodeOp::slot: case CodeOp::one_of: case CodeOp::in_range: case CodeOp::has:
      case CodeOp::begins: case CodeOp::to_date: case CodeOp::to_time: case CodeOp::quotient:
        return false;
    }
    return false;
  }
  // An observed name is first, and meets a constant.
  bool type_equality(CodeNode& node) const {
    if (expr_[node.args[0]].type != expr_[node.args[1]].type) return false;
    if (expr_[node.args[0]].type != CodeType::name) return true;
    if (expr_[node.args[0]].op == CodeOp::constant) std::swap(node.args[0], node.args[1]);
    return expr_[node.args[0]].op == CodeOp::observe && expr_[node.args[1]].op == CodeOp::constant;
  }

  const Module& module_;
  const KernelEnv& env_;
  const CodePredicate& predicate_;
  const Executables& executables_;
  const Body& body_;
  CodeExpr expr_;
  std::string error_;
};

}  // namespace

Result<CodeExpr> lower_code(const Module& module, const KernelEnv& env, const CodePredicate& predicate, const Executables& executables) {
  return Lowering(module, env, predicate, executables).run();
}

}  // namespace kerf::bpf
