// Artefacts -> a directory. Everything that enters the bytes is sorted or comes in program order; no time, no path of
// a machine, no hash order. The one decision: an output directory changes by one rename, so a reader never sees half.
#include "backends/bundle.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "backends/features.h"
#include "ir/kernel_model.h"
#include "ir/passes/exe_tests.h"
#include "ir/passes/split.h"
#include "runtime/abi/policy_abi.h"

namespace kerf {
namespace {

namespace fs = std::filesystem;

std::string hex(const unsigned char* bytes, std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

std::array<std::uint8_t, 16> hash_bytes(std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  std::array<std::uint8_t, 16> out;
  std::memcpy(out.data(), canonical.digest, out.size());
  return out;
}

Json span_json(const Sources& sources, Span span) {
  LineColumn at = sources.locate(span.source, span.begin);
  return {{"file", sources.name(span.source)}, {"begin", span.begin}, {"end", span.end},
          {"line", at.line}, {"column", at.column}};
}

Json files_json(const std::vector<NamedBytes>& files, bool with_kind) {
  Json list = Json::array();
  for (const NamedBytes& file : files) {
    Json row = {{"name", file.name}, {"xxh3_128", xxh3_128(file.bytes)}, {"size", file.bytes.size()}};
    if (with_kind) row["kind"] = file.kind;
    list.push_back(std::move(row));
  }
  return list;
}

Json when_json(const std::vector<Requirement>& when) {
  Json list = Json::array();
  for (const Requirement& r : when) list.push_back(Json::array({r.atom, std::string(to_text(r.outcome))}));
  return list;
}

std::string_view type_text(TypeKind kind) {
  switch (kind) {
    case TypeKind::long_: return "Long";
    case TypeKind::ip: return "ipaddr";
    case TypeKind::datetime: return "datetime";
    case TypeKind::duration: return "duration";
    default: return "Bool";
  }
}

// The published facts that a governed action's context can read, by attribute name.
Json facts_json(const Schema& schema, const Action& action) {
  Json list = Json::array();
  for (const auto& [attribute, binding] : action.bindings) {
    if (binding.kind != AttrBinding::Kind::fact) continue;
    const AttrType& type = schema.types[action.context].attrs.at(attribute);
    Json& row = list.emplace_back(Json{{"name", binding.name}, {"attribute", attribute}, {"type", schema.types.text(type.type)}});
    const Type& declared = schema.types[type.type];
    if (declared.kind != TypeKind::entity) continue;
    if (const auto& ids = schema.entity_types.at(declared.entity_types.front()).enum_ids) row["ids"] = *ids;
  }
  return list;
}

// Which attribute of the resource or the context shows which observable: what the event listener materialises.
Json observed_json(const Schema& schema, const RequestEnv& request, const Action& action) {
  Json list = Json::array();
  auto add = [&](const std::map<std::string, AttrBinding>& bindings, const char* of) {
    for (const auto& [attribute, binding] : bindings) {
      if (binding.kind == AttrBinding::Kind::observable) {
        list.push_back({{"observable", binding.name}, {"attribute", attribute}, {"of", of}});
      }
    }
  };
  add(schema.entity_types.at(request.resource).bindings, "resource");
  add(action.bindings, "context");
  return list;
}

Json env_json(const Module& module, const Sources& sources, const KernelEnv& env, const EnvLayout& layout) {
  const RequestEnv& request = module.environments.at(env.environment);
  const Action& action = module.schema.actions.at(request.action);
  Json predicates = Json::array();
  for (const Predicate& p : env.predicates) {
    predicates.push_back({{"expr", userspace_expr(module, env, p.policy, p.node)},
                          {"stage", std::string(to_text(p.stage))}, {"policy", p.policy.index}});
  }
  Json slots = Json::array();
  for (const ValueSlot& s : env.slots) {
    slots.push_back({{"expr", userspace_expr(module, env, s.policy, s.node)}, {"stage", std::string(to_text(s.stage))},
                     {"type", std::string(type_text(s.type))}, {"policy", s.policy.index}});
  }
  std::vector<std::pair<std::uint32_t, std::size_t>> order;
  for (std::size_t i = 0; i < env.rows.size(); ++i) order.emplace_back(layout.row_of.at(i), i);
  std::sort(order.begin(), order.end());
  Json active = Json::array();
  for (auto [number, row] : order) active.push_back({{"row", number}, {"when", when_json(env.rows[row].bind)}});
  Json json = {{"principal", request.principal}, {"action", uid_to_json(request.action)}, {"resource", request.resource},
          {"resource_kind", std::string(to_text(env.resource))},
          {"event", std::string(kernel_event(env.event).text)}, {"errno", env.refusal_errno},
          {"rows", layout.rows}, {"row_words", layout.row_words}, {"summary_words", layout.summary_words},
          {"forbid_words", layout.forbid_words}, {"permit_words", layout.permit_words},
          {"active_offset", layout.active_offset}, {"values_offset", layout.values_offset},
          {"value_count", layout.value_count}, {"facts", facts_json(module.schema, action)},
          {"observed", observed_json(module.schema, request, action)},
          {"predicates", std::move(predicates)}, {"slots", std::move(slots)}, {"active", std::move(active)}};
  for (const ApproximatedPolicy& approximated : env.approximated) {
    Json one = approximation_to_json(module, sources, approximated);
    one["policy"] = approximated.policy.index;
    json["approximated"].push_back(std::move(one));
  }
  return json;
}

// The programs of a feature that this object has.
Json features_json(std::uint64_t governed, const std::vector<std::string>& programs) {
  Json list = Json::array();
  for (const Feature& feature : features_of(governed)) {
    Json names = Json::array();
    for (std::string_view program : feature.programs) {
      if (std::find(programs.begin(), programs.end(), program) != programs.end()) names.push_back(std::string(program));
    }
    list.push_back({{"name", std::string(feature.name)}, {"what", std::string(feature.what)}, {"programs", std::move(names)}});
  }
  return list;
}

// Paths that somebody can look up at bind, with the first few policies that name each.
class NamedPaths {
 public:
  void add(const KernelEnv& env) {
    std::vector<std::set<std::uint32_t>> policies(env.paths.size());
    for (const KernelRow& row : env.rows) {
      for (const Requirement& requirement : row.path) {
        auto& few = policies.at(requirement.atom);
        if (few.size() < kPolicies) few.insert(row.policy.index);
      }
    }
    for (std::size_t i = 0; i < env.paths.size(); ++i) {
      const PathTest& test = env.paths[i];
      for (const std::string& file : test.files) add(file, "file", policies[i]);
      for (const std::string& tree : test.trees) add(tree, "tree", policies[i]);
      if (test.pattern) add(test.pattern->pieces.front(), "prefix", policies[i]);
    }
  }

  void add_executables(const Module& module, const KernelEnv& env) {
    for (const CodePredicate& predicate : env.code) {
      for (const Pattern& asked : executables_of(module, env, predicate)) {
        add(asked.pieces.front(), asked.pieces.size() == 1 ? "file" : "prefix", {predicate.policy.index});
      }
    }
  }

  Json to_json() const {
    Json list = Json::array();
    for (const auto& [path, policies] : paths_) {
      list.push_back({{"path", path.first}, {"kind", path.second}, {"policies", policies}});
    }
    return list;
  }

 private:
  static constexpr std::size_t kPolicies = 8;

  void add(const std::string& path, const char* kind, const std::set<std::uint32_t>& policies) {
    if (!path.starts_with('/')) return;   // objects without a name, patterns that begin with a wildcard
    std::set<std::uint32_t>& few = paths_[{path, kind}];
    for (std::uint32_t policy : policies) {
      if (few.size() < kPolicies) few.insert(policy);
    }
  }

  std::map<std::pair<std::string, std::string>, std::set<std::uint32_t>> paths_;
};

Json paths_json(const Module& module, const KernelPlan& plan) {
  NamedPaths paths;
  for (const KernelEnv& env : plan.envs) {
    paths.add(env);
    paths.add_executables(module, env);
  }
  return paths.to_json();
}

Json governed_json(std::uint64_t governed) {
  Json names = event_names(governed);
  if (governed & KERF_READS_EXE) names.push_back("process.exe");
  return names;
}

// The type of the directories that resources are in; nothing where the schema lets none be in directories.
std::optional<std::string> directory_type(const Schema& schema) {
  const EntityType* directory = schema.kernel_type(KernelKind::directory);
  const EntityType* file = schema.kernel_type(KernelKind::file);
  if (!directory || !file || !file->ancestors.contains(directory->name)) return std::nullopt;
  return directory->name;
}

// The type of the hosts that endpoints are in by the names of their address.
std::optional<std::string> host_type(const Schema& schema) {
  const EntityType* host = schema.kernel_type(KernelKind::host);
  const EntityType* endpoint = schema.kernel_type(KernelKind::endpoint);
  if (!host || !endpoint || !endpoint->ancestors.contains(host->name)) return std::nullopt;
  return host->name;
}

Json principal_types_json(const Schema& schema) {
  Json list = Json::array();
  for (const auto& [name, type] : schema.entity_types) {
    if (type.kernel == KernelKind::process) list.push_back({{"type", name}});
  }
  return list;
}

bool replaceable(const fs::path& directory, std::string& why) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    why = fmt::format("`{}` exists and is no directory", directory.string());
    return false;
  }
  if (fs::is_empty(directory, error) || fs::exists(directory / "manifest.json", error)) return true;
  why = fmt::format("`{}` is not empty and holds no bundle (no manifest.json); choose another directory",
                    directory.string());
  return false;
}

Status write_file(const fs::path& path, std::string_view bytes) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return Error{fmt::format("cannot create `{}`: {}", path.string(), std::strerror(errno))};
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      Error error{fmt::format("cannot write `{}`: {}", path.string(), std::strerror(errno))};
      ::close(fd);
      return error;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  bool synced = ::fsync(fd) == 0;
  if (::close(fd) != 0 || !synced) {
    return Error{fmt::format("cannot write `{}`: {}", path.string(), std::strerror(errno))};
  }
  return Unit{};
}

Status fill_and_rename(const Bundle& bundle, const fs::path& temporary, const fs::path& target) {
  for (const NamedBytes& file : bundle.files) {
    if (Status s = write_file(temporary / file.name, file.bytes); !s) return s;
  }
  if (::chmod(temporary.c_str(), 0755) != 0) return Error{fmt::format("chmod: {}", std::strerror(errno))};
  std::error_code error;
  if (!fs::exists(target, error)) {
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) return Unit{};
  } else {
    std::string why;
    if (!replaceable(target, why)) return Error{why};
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
      fs::remove_all(temporary, error);   // now the old content
      return Unit{};
    }
  }
  return Error{fmt::format("cannot move the bundle to `{}`: {}", target.string(), std::strerror(errno))};
}

constexpr std::size_t kFlatWidth = 160;

void pretty(const Json& json, int depth, int indent, std::string& out) {
  std::string flat = json.dump();
  if (!json.is_structured() || depth == 0 || flat.size() <= kFlatWidth) {
    out += flat;
    return;
  }
  std::string pad(static_cast<std::size_t>(indent) + 2, ' ');
  out += json.is_object() ? "{\n" : "[\n";
  bool first = true;
  for (auto it = json.begin(); it != json.end(); ++it) {
    if (!first) out += ",\n";
    first = false;
    out += pad;
    if (json.is_object()) out += Json(it.key()).dump() + ": ";
    pretty(*it, depth - 1, indent + 2, out);
  }
  out += "\n" + std::string(static_cast<std::size_t>(indent), ' ') + (json.is_object() ? "}" : "]");
}

}  // namespace

std::string xxh3_128(std::string_view bytes) {
  auto hash = hash_bytes(bytes);
  return hex(hash.data(), hash.size());
}

std::array<std::uint8_t, 16> inputs_digest(const std::vector<NamedBytes>& inputs) {
  std::vector<std::string> rows;
  for (const NamedBytes& input : inputs) rows.push_back(input.kind + " " + input.name + " " + xxh3_128(input.bytes) + "\n");
  std::sort(rows.begin(), rows.end());
  std::string all;
  for (const std::string& row : rows) all += row;
  return hash_bytes(all);
}

std::string pretty_json(const Json& json) {
  std::string out;
  pretty(json, 4, 0, out);
  return out + "\n";
}

Json make_manifest(const Module& module, const Sources& sources, const KernelPlan& plan, const BpfLayout& layout,
                   const std::vector<NamedBytes>& inputs, const std::vector<NamedBytes>& outputs,
                   const std::vector<std::string>& waived) {
  Json policies = Json::array();
  for (const Policy& policy : module.policies) {
    policies.push_back({{"id", policy.id}, {"effect", policy.effect == Effect::permit ? "permit" : "forbid"},
                        {"source", span_json(sources, policy.span)}});
  }
  Json environments = Json::array();
  for (const EnvLayout& env : layout.envs) environments.push_back(env_json(module, sources, plan.envs.at(env.plan_env), env));
  auto digest = inputs_digest(inputs);
  const std::uint64_t governed = governed_events(module.schema);
  Json manifest = {
      {"format", "kerf-bundle"}, {"version", kBundleFormat}, {"abi", KERF_ABI_VERSION}, {"compiler", KERF_VERSION},
      {"digest", ""}, {"inputs_digest", hex(digest.data(), digest.size())},
      {"inputs", files_json(inputs, true)}, {"outputs", files_json(outputs, false)},
      {"programs", layout.programs}, {"maps", layout.maps},
      {"governed", governed_json(governed)}, {"features", features_json(governed, layout.programs)}, {"waived", waived},
      {"principal_types", principal_types_json(module.schema)}, {"policies", std::move(policies)},
      {"layout", {{"segment_words", layout.segment_words}, {"binding_bytes", layout.binding_bytes}}},
      {"environments", std::move(environments)}, {"paths", paths_json(module, plan)}};
  if (auto directory = directory_type(module.schema)) manifest["directory_type"] = *directory;
  if (auto host = host_type(module.schema)) manifest["host_type"] = *host;
  manifest["digest"] = xxh3_128(manifest.dump());
  return manifest;
}

Status write_bundle(const Bundle& bundle, const std::string& directory) {
  std::error_code error;
  fs::path target = fs::absolute(directory, error).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  fs::create_directories(target.parent_path(), error);
  if (error) return Error{fmt::format("cannot create `{}`: {}", target.parent_path().string(), error.message())};
  std::string pattern = (target.parent_path() / ("." + target.filename().string() + ".kerf-XXXXXX")).string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return Error{fmt::format("cannot create a directory beside `{}`: {}", directory, std::strerror(errno))};
  }
  Status done = fill_and_rename(bundle, pattern, target);
  if (!done) fs::remove_all(pattern, error);
  return done;
}

}  // namespace kerf
