// Decides an event by the rows of a kernel plan, as a kernel would: predicates and slots through the gateway's
// evaluator and their written form, rows by their sets, code by this file's own small evaluator. For tests.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ir/base/check.h"
#include "ir/passes/materialise.h"
#include "ir/passes/origin.h"
#include "ir/passes/plan.h"
#include "runtime/gateway/expr.h"

namespace kerf::test {

class PlanInterpreter {
 public:
  PlanInterpreter(const Module& module, const KernelEnv& env) : module_(module), env_(env) {
    for (const Predicate& p : env.predicates) predicates_.push_back(read(p.policy, p.node));
    for (const ValueSlot& s : env.slots) slots_.push_back(read(s.policy, s.node));
  }

  struct Result {
    std::vector<Outcome> policies;   // by policy
    bool exclusive = true;           // no two rows of one policy held
  };

  Result decide(const KernelEventData& event) const {
    const RequestEnv& request = module_.environments[env_.environment];
    State state{event, {}, {}, {}};
    ValueRecord facts;
    for (const auto& [attr, binding] : module_.schema.find_action(request.action)->bindings) {
      auto it = event.facts.find(binding.name);
      if (binding.kind == AttrBinding::Kind::fact && it != event.facts.end()) facts.emplace(attr, it->second);
    }
    gateway::RequestParts known{&event.principal, nullptr, nullptr, &facts}, learned = known;
    const EntityUid endpoint{request.resource, "of whatever is known the hosts"};
    learned.resource = &endpoint;
    const Entities with_hosts = entities_with(endpoint, event.hosts);
    for (std::size_t i = 0; i < predicates_.size(); ++i) {
      const bool learn = env_.predicates[i].stage == Stage::learn;
      state.predicates.push_back(outcome(learn ? predicates_[i].evaluate(learned, with_hosts) : predicates_[i].evaluate(known, module_.entities)));
    }
    for (const gateway::Expr& expr : slots_) state.slots.push_back(expr.evaluate(known, module_.entities));
    for (const CodePredicate& code : env_.code) {
      state.code.push_back(outcome(run(code, env_.body(module_, code.policy), code.node, state)));
    }
    Result result{std::vector<Outcome>(module_.policies.size(), Outcome::false_), true};
    std::vector<bool> held(module_.policies.size());
    for (const KernelRow& row : env_.rows) {
      if (!holds(row, state)) continue;
      if (held[row.policy.index]) result.exclusive = false;
      held[row.policy.index] = true;
      result.policies[row.policy.index] = row.result;
    }
    return result;
  }

 private:
  struct State {
    const KernelEventData& event;
    std::vector<Outcome> predicates;
    std::vector<EvalResult> slots;
    std::vector<Outcome> code;
  };

  gateway::Expr read(PolicyId policy, NodeId node) const {
    auto expr = gateway::Expr::from_json(userspace_expr(module_, env_, policy, node));
    check(expr.ok(), "the written form of a predicate can be read");
    return *expr;
  }

  Entities entities_with(const EntityUid& uid, const std::vector<std::string>& names) const {
    if (names.empty()) return module_.entities;
    const std::set<std::string> hosts(names.begin(), names.end());
    Entity endpoint{uid, {}, {}, {}};
    if (const EntityType* type = module_.schema.kernel_type(KernelKind::host)) {
      for (const std::string& host : hosts) endpoint.parents.push_back({type->name, host});
    }
    for (const auto& [attr, binding] : module_.schema.find_type(uid.type)->bindings) {
      if (binding.name == "endpoint.host" && hosts.size() == 1) endpoint.attrs.emplace(attr, Value(*hosts.begin()));
    }
    return *module_.entities.with({endpoint});
  }

  static Outcome outcome(const EvalResult& result) {
    if (!result.ok() || !result->as_bool()) return Outcome::error;
    return *result->as_bool() ? Outcome::true_ : Outcome::false_;
  }

  static bool in_ranges(const std::vector<AddressRange>& ranges, const Address& address) {
    for (const AddressRange& range : ranges) {
      if (range.first <= address && address <= range.last) return true;
    }
    return false;
  }

  bool holds(const KernelRow& row, const State& state) const {
    if (!(env_.resource == KernelKind::endpoint ? endpoint_holds(row, state) : path_holds(row, state))) return false;
    for (const Requirement& r : row.bind) {
      if (state.predicates.at(r.atom) != r.outcome) return false;
    }
    for (const Requirement& r : row.code) {
      if (state.code.at(r.atom) != r.outcome) return false;
    }
    return true;
  }

  bool path_holds(const KernelRow& row, const State& state) const {
    const std::string& path = *state.event.observed.at("file.path").as_string();
    for (const Requirement& r : row.path) {
      check(r.outcome != Outcome::error, "tests of the path cannot fail");
      if (env_.paths.at(r.atom).holds(path) != (r.outcome == Outcome::true_)) return false;
    }
    return !row.address && !row.port && !row.endpoint;
  }

  bool endpoint_holds(const KernelRow& row, const State& state) const {
    const IpAddr& ip = *state.event.observed.at("endpoint.ip").as_ip();
    const auto port = static_cast<std::uint16_t>(*state.event.observed.at("endpoint.port").as_long());
    if (row.address && !in_ranges(ip.v6 ? row.address->v6 : row.address->v4, ip.bytes)) return false;
    if (row.port) {
      bool found = false;
      for (const PortRange& range : *row.port) found = found || (range.first <= port && port <= range.last);
      if (!found) return false;
    }
    return row.path.empty() && (!row.endpoint || row.endpoint->holds({ip.v6, ip.bytes, port}));
  }

  EvalResult run(const CodePredicate& code, const Body& body, NodeId id, const State& state) const {
    if (auto it = code.slots.find(id); it != code.slots.end()) return state.slots.at(it->second);
    if (auto it = code.constants.find(id); it != code.constants.end()) return it->second;
    const RequestEnv& request = module_.environments[env_.environment];
    if (const Observable* observable = observable_of(module_, body, request, id)) {
      auto value = state.event.observed.find(std::string(observable->text));
      const bool absent = value == state.event.observed.end();
      if (body[id].op == Op::has_attr) return Value(!absent);
      if (absent) return EvalError{EvalErrorKind::attribute_does_not_exist, "absent at the hook"};
      return value->second;
    }
    const Op op = body[id].op;
    EvalResult first = run(code, body, body.arg(id, 0), state);
    if (!first.ok() || op == Op::not_) {
      return first.ok() ? EvalResult(Value(!*first->as_bool())) : first;
    }
    if (op == Op::neg) return op_neg(*first);
    if (op == Op::and_ || op == Op::or_) {
      if (*first->as_bool() == (op == Op::or_)) return first;
      return run(code, body, body.arg(id, 1), state);
    }
    if (op == Op::if_) return run(code, body, body.arg(id, *first->as_bool() ? 1 : 2), state);
    if (op == Op::like) return op_like(*first, body.pattern(id));
    if (op == Op::call && body.args(id).size() == 1) return op_call(body.name(id), {*first});
    EvalResult second = run(code, body, body.arg(id, 1), state);
    if (!second.ok()) return second;
    if (op == Op::eq) return Value(*first == *second);
    if (op == Op::less) return op_less(*first, *second);
    if (op == Op::less_eq) return op_less_eq(*first, *second);
    if (op == Op::add) return op_add(*first, *second);
    if (op == Op::sub) return op_sub(*first, *second);
    if (op == Op::mul) return op_mul(*first, *second);
    if (op == Op::contains) return op_contains(*first, *second);
    check(op == Op::call, "an operator that the hook can compute");
    return op_call(body.name(id), {*first, *second});
  }

  const Module& module_;
  const KernelEnv& env_;
  std::vector<gateway::Expr> predicates_, slots_;
};

}  // namespace kerf::test
