// Object bytes -> an opened bpf_object that is what the manifest and the ABI say. The one decision: the ABI's own table
// is the measure; the manifest can only promise the same. Debian's libbpf crashes on some damaged objects, so a child
// process opens an object first, and only what it survived is opened here.
#include "runtime/loader/object.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string_view>

#include "runtime/abi/policy_abi.h"
#include "runtime/loader/elf.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/features.h"
#include "runtime/loader/files.h"
#include "runtime/loader/trial.h"

namespace kerf::loader {
namespace {

constexpr std::uint32_t kMaxRingBytes = 64u << 20;
constexpr std::uint32_t kMaxDataBytes = 64u << 20;
constexpr std::uint32_t kMaxScratchBytes = 64u << 10;   // of one slot: private to the glue

struct MapShape {
  const char* name;
  bpf_map_type type;
  std::uint32_t key_size, value_size, max_entries, flags;
  std::uint64_t events;      // must be in an object iff one of them is governed
};

// Events that programs of a cgroup decide.
constexpr std::uint64_t kOfCgroups = (KERF_ENDPOINT_EVENTS & ~KERF_BIT(KERF_EVENT_NET_LISTEN)) | KERF_BIT(KERF_EVENT_NET_SOCKET) |
                                     KERF_BIT(KERF_EVENT_SYSTEM_SYSCTL);
constexpr std::uint64_t kNever = 0;   // may be there, need not
constexpr std::uint64_t kWithPaths = KERF_FILE_EVENTS | KERF_READS_EXE;

MapShape record_shape(const Manifest& manifest) {
  return {"kerf_bindings", BPF_MAP_TYPE_ARRAY, 4, manifest.binding_bytes, 1, 0, kNever};
}

std::vector<MapShape> map_shapes(const Manifest& manifest) {
  auto policies = static_cast<std::uint32_t>(std::max<std::size_t>(manifest.policies.size(), 1));
  constexpr std::uint32_t lazy = BPF_F_NO_PREALLOC;
  return {
      {"kerf_bindings", BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, KERF_MAX_BINDINGS, 0, KERF_ALL_EVENTS},
      {"kerf_named", BPF_MAP_TYPE_HASH, sizeof(kerf_name_key), manifest.binding_bytes, KERF_MAX_NAMED, lazy, kNever},
      {"kerf_cgroup", BPF_MAP_TYPE_CGROUP_STORAGE, 8, sizeof(kerf_cgroup_slot), 0, 0, kOfCgroups},
      {"kerf_state", BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_state), 1, 0, KERF_ALL_EVENTS},
      {"kerf_counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(kerf_counters), 1, 0, KERF_ALL_EVENTS},
      {"kerf_hits", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(kerf_hit), policies, 0, KERF_ALL_EVENTS},
      {"kerf_tasks", BPF_MAP_TYPE_HASH, 8, sizeof(kerf_tag), KERF_MAX_TASKS, 0, KERF_ALL_EVENTS},
      {"kerf_cgroups", BPF_MAP_TYPE_HASH, 8, sizeof(kerf_tag), KERF_MAX_BINDINGS, 0, KERF_ALL_EVENTS},
      {"kerf_live", BPF_MAP_TYPE_HASH, 4, 8, KERF_MAX_BINDINGS, 0, KERF_ALL_EVENTS},
      {"kerf_anchors", BPF_MAP_TYPE_HASH, sizeof(kerf_anchor_key), 4, KERF_MAX_ANCHORS, 0, kWithPaths},
      {"kerf_anchor_paths", BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_anchor_path), KERF_MAX_ANCHORS, 0, kWithPaths},
      {"kerf_probe", BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_anchor_probe), 1, 0, kWithPaths},
      {"kerf_selftest_in", BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_selftest_in), KERF_SELFTEST_BATCH, 0, kNever},
      {"kerf_selftest_out", BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_decision), KERF_SELFTEST_BATCH, 0, kNever},
      {"kerf_selftest_path", BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_selftest_path), KERF_SELFTEST_BATCH, 0, kNever},
      {"kerf_selftest_exe", BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_selftest_path), KERF_SELFTEST_BATCH, 0, kNever},
  };
}

// Compares two sets of names; `what` is "program" or "map".
std::optional<Failure> compare_names(Code code, const std::set<std::string>& found, const std::set<std::string>& promised) {
  for (const std::string& name : found) {
    if (!promised.contains(name)) return fail(code, escape_bytes(name), "is in the object, not in the manifest");
  }
  for (const std::string& name : promised) {
    if (!found.contains(name)) return fail(code, escape_bytes(name), "is in the manifest, not in the object");
  }
  return std::nullopt;
}

std::optional<Failure> check_programs(bpf_object* object, const Manifest& manifest) {
  std::set<std::string> found;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    std::string name = bpf_program__name(program);
    const KnownProgram* row = find_program(name);
    if (row == nullptr) return fail(Code::K7202, escape_bytes(name), "is no hook of this ABI");
    if (std::string_view(bpf_program__section_name(program)) != row->section || bpf_program__type(program) != row->type ||
        bpf_program__expected_attach_type(program) != row->attach) {
      return fail(Code::K7202, name, "is of another type or attaches to another hook");
    }
    if (!found.insert(name).second) return fail(Code::K7202, name, "is there twice");
  }
  return compare_names(Code::K7202, found, {manifest.programs.begin(), manifest.programs.end()});
}

std::optional<Failure> check_plain_map(bpf_map* map, const std::string& name) {
  const bool has_inner = bpf_map__inner_map(map) != nullptr;
  bool ordinary = bpf_map__pin_path(map) == nullptr && has_inner == (bpf_map__type(map) == BPF_MAP_TYPE_ARRAY_OF_MAPS) &&
                  bpf_map__ifindex(map) == 0 && bpf_map__map_extra(map) == 0;
  if (!ordinary) return fail(Code::K7203, name, "asks for pinning, inner maps or a device");
  return std::nullopt;
}

std::optional<Failure> check_events_map(bpf_map* map) {
  std::uint32_t bytes = bpf_map__max_entries(map);
  bool fits = bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF && bytes >= 4096 && bytes <= kMaxRingBytes &&
              (bytes & (bytes - 1)) == 0 && bpf_map__map_flags(map) == 0;
  if (!fits) return fail(Code::K7203, "kerf_events", "is no ring buffer of a usable size");
  return std::nullopt;
}

// Private to the glue: memory of the slots.
std::optional<Failure> check_scratch_map(bpf_map* map, const std::string& name) {
  bool fits = bpf_map__type(map) == BPF_MAP_TYPE_ARRAY && bpf_map__key_size(map) == 4 && bpf_map__value_size(map) <= kMaxScratchBytes &&
              bpf_map__max_entries(map) == KERF_SCRATCH_SLOTS && bpf_map__map_flags(map) == 0;
  if (!fits) return fail(Code::K7203, name, "is no pool of slots of a usable size");
  return std::nullopt;
}

// libbpf's own maps for sections: constants only; writable data would be state that the ABI does not know.
std::optional<Failure> check_section_map(bpf_map* map, const std::string& name) {
  bool constants = name.ends_with(".rodata") || name.starts_with(".rodata");
  if (!constants || bpf_map__type(map) != BPF_MAP_TYPE_ARRAY || bpf_map__value_size(map) > kMaxDataBytes) {
    return fail(Code::K7203, escape_bytes(name), "is no section of constants");
  }
  return std::nullopt;
}

// Hashes of the identity and the anchors may be preallocated or not.
bool flags_fit(const MapShape& shape, std::uint32_t flags) {
  bool free = shape.type == BPF_MAP_TYPE_HASH && shape.flags == 0;
  return flags == shape.flags || (free && flags == BPF_F_NO_PREALLOC);
}

std::optional<Failure> check_shape(bpf_map* map, const MapShape& shape, const char* part) {
  bool fits = bpf_map__type(map) == shape.type && bpf_map__key_size(map) == shape.key_size &&
              bpf_map__value_size(map) == shape.value_size && bpf_map__max_entries(map) == shape.max_entries &&
              flags_fit(shape, bpf_map__map_flags(map));
  if (fits) return std::nullopt;
  return fail(Code::K7203, shape.name, fmt::format("has {}type {}, key {}, value {}, entries {}, flags {:#x}; expected {}, {}, {}, {}, {:#x}", part,
      static_cast<int>(bpf_map__type(map)), bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
      bpf_map__map_flags(map), static_cast<int>(shape.type), shape.key_size, shape.value_size, shape.max_entries, shape.flags));
}

std::optional<Failure> check_map(bpf_map* map, const std::string& name, const std::vector<MapShape>& shapes, const MapShape& record) {
  if (auto failure = check_plain_map(map, escape_bytes(name))) return failure;
  if (name == "kerf_events") return check_events_map(map);
  if (name == "kerf_scratch" || name == "kerf_exe_texts") return check_scratch_map(map, name);
  auto shape = std::find_if(shapes.begin(), shapes.end(), [&](const MapShape& s) { return name == s.name; });
  if (shape == shapes.end()) return fail(Code::K7203, escape_bytes(name), "is no map of this ABI");
  if (auto failure = check_shape(map, *shape, "")) return failure;
  bpf_map* inner = bpf_map__inner_map(map);
  if (inner == nullptr) return std::nullopt;
  if (auto failure = check_plain_map(inner, name)) return failure;
  return check_shape(inner, record, "inner maps of ");
}

std::optional<Failure> check_maps(bpf_object* object, const Manifest& manifest) {
  std::set<std::string> found;
  std::vector<MapShape> shapes = map_shapes(manifest);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    std::string name = bpf_map__name(map);
    if (bpf_map__is_internal(map)) {
      if (auto failure = check_section_map(map, name)) return failure;
      continue;
    }
    if (auto failure = check_map(map, name, shapes, record_shape(manifest))) return failure;
    if (!found.insert(name).second) return fail(Code::K7203, name, "is there twice");
  }
  if (auto failure = compare_names(Code::K7203, found, {manifest.maps.begin(), manifest.maps.end()})) return failure;
  for (const MapShape& shape : shapes) {
    if ((shape.events & manifest.governed) != 0 && !found.contains(shape.name)) return fail(Code::K7203, shape.name, "is missing");
  }
  if (!found.contains("kerf_events")) return fail(Code::K7203, "kerf_events", "is missing");
  return std::nullopt;
}

}  // namespace

LoaderResult<Object> open_object(const std::string& bytes, const Manifest& manifest) {
  if (auto done = check_elf(bytes); !done) return fail(Code::K7201, done.error().message);
  QuietLibbpf quiet;
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "kerf");
  Object object(bpf_object__open_mem(bytes.data(), bytes.size(), &options));
  if (!object) return fail(Code::K7201, fmt::format("libbpf cannot read it: {}", errno_text(errno)));
  if (auto failure = check_programs(object.get(), manifest)) return *failure;
  if (auto failure = check_maps(object.get(), manifest)) return *failure;
  return object;
}

LoaderResult<Unit> check_object(const std::string& bytes, const Manifest& manifest) {
  auto verdict = in_child([&] {
    auto object = open_object(bytes, manifest);
    return object ? std::string() : object.error().code + object.error().message;
  });
  if (!verdict) return fail(Code::K7201, verdict.error().message);
  if (verdict->empty()) return Unit{};
  constexpr std::size_t kCodeSize = 5;   // "K7201"
  auto code = find_code(verdict->substr(0, kCodeSize));
  check(code.has_value(), "the trial ends with a code of the catalogue");
  const CatalogueRow& row = catalogue_row(*code);
  return Failure{std::string(row.name), verdict->substr(kCodeSize), {std::string(row.cure)}};
}

}  // namespace kerf::loader
