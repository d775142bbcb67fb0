// manifest.json as data (docs/bundle-format.md). Everything in it is checked: a reader may index with what it finds.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/gateway/expr.h"
#include "runtime/loader/loader.h"

namespace kerf::loader {

struct FileRow {
  std::string name, xxh3_128;
  std::uint64_t size = 0;
};

// What of it this machine enforces is not the manifest's to say.
struct Feature {
  std::string name, what;
  std::vector<std::string> programs;
};

struct PolicyRow {
  std::string id;
  bool forbid = false;
};

struct FactRow {
  std::string name, attribute, type;
  std::optional<std::vector<std::string>> ids;   // of an enumerated entity type
};

enum class UserStage { bind, publish, learn };

struct PredicateRow {
  gateway::Expr expr;
  UserStage stage;
  std::uint32_t policy;
};

enum class SlotType { long_, ip, boolean, datetime, duration };

struct SlotRow {
  gateway::Expr expr;
  UserStage stage;
  SlotType type;
  std::uint32_t policy;
};

struct PredicateOutcome {
  std::uint32_t predicate;
  gateway::Outcome outcome;
};

struct ActiveRow {
  std::uint32_t row;
  std::vector<PredicateOutcome> when;
};

// How an observable reaches the Cedar request: as an attribute of the resource or of the context.
struct ObservedRow {
  std::string observable, attribute;
  bool context = false;
};

enum class ResourceKind { endpoint, file, directory, socket, system };

struct Environment {
  std::string principal, resource;
  ResourceKind kind = ResourceKind::endpoint;
  EntityUid action;
  std::uint32_t event = 0;          // KERF_EVENT_…
  int refusal_errno = 0;
  std::uint32_t rows = 0, row_words = 0, summary_words = 0, forbid_words = 0, permit_words = 0;
  std::uint32_t active_offset = 0, values_offset = 0;
  std::vector<FactRow> facts;
  std::vector<ObservedRow> observed;
  std::vector<PredicateRow> predicates;
  std::vector<SlotRow> slots;
  std::vector<ActiveRow> active;
  std::vector<std::uint32_t> approximated;   // policies that the kernel does not decide exactly
};

// A path that policies name: a literal, a directory of `in`, or the text of a pattern before its first wildcard.
enum class PathKind { file, tree, prefix };

struct PathRow {
  std::string path;
  PathKind kind = PathKind::file;
  std::vector<std::uint32_t> policies;
};

struct Manifest {
  std::string compiler, digest, inputs_digest;
  std::vector<FileRow> outputs;
  std::vector<std::string> programs, maps;
  std::uint64_t governed = 0;          // mask of enum kerf_event_kind; and KERF_READS_EXE
  std::vector<Feature> features;
  std::vector<std::string> waived;     // features that the author gave up
  std::string directory_type;          // the entity type of directories; empty: none
  std::string host_type;               // the entity type of hosts that endpoints can be in; empty: none
  std::vector<std::string> principal_types;
  std::vector<PolicyRow> policies;
  std::uint32_t segment_words = 0, binding_bytes = 0;
  std::vector<Environment> environments;
  std::vector<PathRow> paths;
};

// Checks the form, the version, the digest, every index, that governed events, programs and features are those of the
// ABI's table, and that bind predicates ask for nothing that only an event can tell; the files themselves are not
// looked at.
LoaderResult<Manifest> read_manifest(std::string_view text);

bool is_waived(const Manifest& manifest, std::string_view feature);

}  // namespace kerf::loader
