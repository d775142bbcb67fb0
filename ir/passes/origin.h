// Where the values of an expression come from, at a hook of a governed action: the sets that stages are made of.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "ir/module.h"
#include "ir/passes/fold.h"

namespace kerf {

// A set of bits. None: known at compile time.
using Origins = std::uint16_t;
inline constexpr Origins kFromPrincipal = 1;   // bind
inline constexpr Origins kFromFact = 2;        // publish
inline constexpr Origins kFromAddress = 4;     // endpoint.ip
inline constexpr Origins kFromPort = 8;        // endpoint.port
inline constexpr Origins kFromEndpoint = 16;   // which endpoint: identity, stored attributes, stored ancestors
inline constexpr Origins kFromScalar = 32;     // observables of the context; of a file what its path does not tell
inline constexpr Origins kFromHost = 64;       // learn
inline constexpr Origins kFromGateway = 128;   // context attributes that nothing binds
inline constexpr Origins kFromContext = 256;   // the context as a whole
inline constexpr Origins kThroughOther = 512;  // data of a kernel-bound entity, not reached through `resource`
inline constexpr Origins kFromFile = 1024;     // which file or directory: identity, stored attributes
inline constexpr Origins kFromPath = 2048;     // file.path, directory.path; directories and groups that it is in
inline constexpr Origins kUserspace = kFromPrincipal | kFromFact;
inline constexpr Origins kRecorded = kUserspace | kFromHost;   // userspace evaluates conditions over these, and writes records
inline constexpr Origins kNotInKernel = kFromGateway | kFromContext | kThroughOther;

// The static type as far as staging needs it. `type` is set for what the schema declares.
struct StaticType {
  TypeKind kind = TypeKind::never;
  std::string_view entity;   // of an entity, or of a set's elements
  TypeId type;
};

struct Analysis {
  Folded folded;
  std::vector<StaticType> types;     // by node
  std::vector<Origins> origins;      // by node; of what is evaluated there: decided branches do not count
  std::vector<bool> can_error;       // by node; at a hook, with data that conforms to the schema
};

Analysis analyse(const Module& module, const Body& body, const RequestEnv& env);

// The observable or fact that `resource.a` or `context.a` is bound to, or nullptr.
const AttrBinding* binding_of(const Module& module, const Body& body, const RequestEnv& env, NodeId id);
const Observable* observable_of(const Module& module, const Body& body, const RequestEnv& env, NodeId id);

}  // namespace kerf
