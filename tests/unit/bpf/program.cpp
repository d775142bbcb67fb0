#include "rig.h"

namespace kerf::test {

Program make_program() {
  Program program;
  Schema& schema = program.module.schema;
  EntityUid connect{"Action", "connect"};
  Action action;
  action.uid = connect;
  action.principals = {"Agent"};
  action.resources = {"Destination"};
  action.context = schema.types.record({});
  action.events = {KernelEventId::net_connect};
  for (auto [attribute, observable] : {std::pair{"uid", "process.uid"}, {"gid", "process.gid"}, {"pid", "process.pid"}, {"protocol", "net.protocol"}}) {
    action.bindings[attribute] = {AttrBinding::Kind::observable, observable, {}};
  }
  schema.actions[connect] = action;
  EntityType destination;
  destination.name = "Destination";
  destination.attrs = schema.types.record({});
  destination.kernel = KernelKind::endpoint;
  destination.bindings["ip"] = {AttrBinding::Kind::observable, "endpoint.ip", {}};
  destination.bindings["port"] = {AttrBinding::Kind::observable, "endpoint.port", {}};
  schema.entity_types["Destination"] = destination;
  EntityType agent;
  agent.name = "Agent";
  agent.attrs = schema.types.record({});
  schema.entity_types["Agent"] = agent;
  program.module.environments = {{"Agent", connect, "Destination"}};
  KernelEnv env{};
  env.event = KernelEventId::net_connect;
  env.resource = KernelKind::endpoint;
  env.refusal_errno = "ECONNREFUSED";
  program.plan.envs.push_back(std::move(env));
  return program;
}

Program make_file_program() {
  Program program;
  Schema& schema = program.module.schema;
  EntityUid read{"Action", "read"};
  Action action;
  action.uid = read;
  action.principals = {"Agent"};
  action.resources = {"FilePath", "Directory"};
  action.context = schema.types.record({});
  action.events = {KernelEventId::file_read};
  for (auto [attribute, observable] : {std::pair{"uid", "process.uid"}, {"gid", "process.gid"}, {"pid", "process.pid"}}) {
    action.bindings[attribute] = {AttrBinding::Kind::observable, observable, {}};
  }
  schema.actions[read] = action;
  EntityType file, directory, agent;
  file.name = "FilePath";
  file.attrs = schema.types.record({});
  file.kernel = KernelKind::file;
  for (auto [attribute, observable] : {std::pair{"path", "file.path"}, {"fs_type", "file.fs_type"}, {"owner", "file.owner"},
                                       {"mode", "file.mode"}, {"setuid", "file.setuid"}, {"nlink", "file.nlink"}}) {
    file.bindings[attribute] = {AttrBinding::Kind::observable, observable, {}};
  }
  schema.entity_types["FilePath"] = file;
  directory.name = "Directory";
  directory.attrs = schema.types.record({});
  directory.kernel = KernelKind::directory;
  schema.entity_types["Directory"] = directory;
  agent.name = "Agent";
  agent.attrs = schema.types.record({});
  schema.entity_types["Agent"] = agent;
  program.module.environments = {{"Agent", read, "FilePath"}, {"Agent", read, "Directory"}};
  for (std::size_t i = 0; i < 2; ++i) {
    KernelEnv env{};
    env.environment = i;
    env.event = KernelEventId::file_read;
    env.resource = i == 0 ? KernelKind::file : KernelKind::directory;
    env.refusal_errno = "ENOENT";
    program.plan.envs.push_back(std::move(env));
  }
  return program;
}

KernelEnv& env_of(Program& program) { return program.plan.envs.front(); }

PolicyId add_policy(Program& program, Effect effect) {
  Policy policy{};
  policy.id = "policy" + std::to_string(program.module.policies.size());
  policy.effect = effect;
  policy.body.root = policy.body.add_literal(Value(true), {});
  program.module.policies.push_back(std::move(policy));
  return PolicyId(program.module.policies.size() - 1);
}

KernelRow& add_row(Program& program, Effect effect, Outcome result) { return add_row(program, 0, effect, result); }

KernelRow& add_row(Program& program, std::size_t env, Effect effect, Outcome result) {
  KernelRow row{};
  row.policy = add_policy(program, effect);
  row.result = result;
  program.plan.envs[env].rows.push_back(std::move(row));
  return program.plan.envs[env].rows.back();
}

NodeId context_attr(Body& body, const std::string& name) {
  return body.add_named(Op::get_attr, name, {body.add_variable(Var::context, {})}, {});
}
NodeId principal_attr(Body& body, const std::string& name) {
  return body.add_named(Op::get_attr, name, {body.add_variable(Var::principal, {})}, {});
}
NodeId resource_attr(Body& body, const std::string& name) {
  return body.add_named(Op::get_attr, name, {body.add_variable(Var::resource, {})}, {});
}
NodeId number(Body& body, std::int64_t value) { return body.add_literal(Value(value), {}); }

Address address4(std::uint32_t value) {
  Address address{};
  for (int i = 0; i < 4; ++i) address[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  return address;
}

Address address6(std::uint64_t high, std::uint64_t low) {
  Address address{};
  for (std::size_t i = 0; i < 8; ++i) {
    address[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    address[i + 8] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return address;
}

AddressRange prefix4(std::uint32_t value, unsigned bits) {
  std::uint32_t mask = bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
  return {address4(value & mask), address4(value | ~mask)};
}

AddressRange prefix6(std::uint64_t high, std::uint64_t low, unsigned bits) {
  std::uint64_t high_mask = bits == 0 ? 0 : bits >= 64 ? ~std::uint64_t{0} : ~std::uint64_t{0} << (64 - bits);
  std::uint64_t low_mask = bits <= 64 ? 0 : ~std::uint64_t{0} << (128 - bits);
  return {address6(high & high_mask, low & low_mask), address6(high | ~high_mask, low | ~low_mask)};
}

EndpointKey endpoint4(std::uint32_t value, std::uint16_t port) { return {false, address4(value), port}; }

std::array<std::uint8_t, 16> digest() { return {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}; }

Result<BpfObject> emit(const Program& program) {
  return emit_bpf(program.module, program.plan, digest(), {std::string(KERF_BINARY_DIR) + "/kerf-codegen"});
}

}  // namespace kerf::test
