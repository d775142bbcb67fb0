// manifest.json as it is on disk (docs/bundle-format.md): what the loader does with the object's rows.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/approximation.h"
#include "ir/eval.h"
#include "ir/module.h"
#include "ir/values/json.h"

namespace kerf::proof {

struct ManifestFact {
  std::string name, attribute, type;
  std::vector<std::string> ids;   // of an enumerated entity type
  friend auto operator<=>(const ManifestFact&, const ManifestFact&) = default;
};

struct ManifestExpr {          // a predicate or a value slot
  NodeId node;                 // in the environment's body
  std::string stage, type;     // type: of slots
};

struct ManifestRow {
  std::uint32_t row;
  std::vector<std::pair<std::uint32_t, Outcome>> when;   // predicate and its outcome
};

struct ManifestEnvironment {
  RequestEnv request;
  std::string resource_kind, event, refusal_errno;
  std::uint32_t rows = 0, row_words = 0, summary_words = 0, forbid_words = 0, permit_words = 0, active_offset = 0,
                values_offset = 0, value_count = 0;
  std::vector<ManifestFact> facts;
  std::unique_ptr<Body> body;  // of all predicates and slots
  std::vector<ManifestExpr> predicates, slots;
  std::vector<ManifestRow> active;
  std::map<std::uint32_t, Approximation> approximated;   // by policy
};

struct DecodedManifest {
  std::vector<std::pair<std::string, Effect>> policies;
  std::uint32_t segment_words = 0;
  std::vector<ManifestEnvironment> environments;
};

Result<DecodedManifest> read_manifest(std::string_view bytes);

}  // namespace kerf::proof
