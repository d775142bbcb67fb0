// table.json as it is on disk, decoded by the rules of docs/table-format.md.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/eval.h"
#include "ir/module.h"
#include "ir/values/json.h"

namespace kerf::proof {

struct TablePolicy {
  std::string id;
  Effect effect;
  std::vector<std::pair<std::string, std::string>> annotations;   // sorted
};

struct TableRow {
  std::vector<std::pair<std::uint32_t, Outcome>> when;            // atom and its outcome
  Outcome then;
};

struct TableFormula {
  enum class Kind { constant, atom, not_, and_, or_, if_ };
  Kind kind;
  Outcome constant = Outcome::false_;
  std::uint32_t atom = 0;
  std::vector<TableFormula> args;
};

// Where a policy stands in an environment: rows, or one formula.
struct TablePlace {
  std::uint32_t policy;
  ScopeConstraint principal, resource;
  std::vector<TableRow> rows;
  std::optional<TableFormula> formula;
};

struct TableEnvironment {
  RequestEnv request;
  std::unique_ptr<Body> body;            // of all atoms
  std::vector<NodeId> atoms;
  std::vector<TablePlace> places;        // by policy, each once
};

struct DecodedTable {
  std::vector<TablePolicy> policies;
  std::vector<std::pair<EntityUid, std::vector<EntityUid>>> actions;   // with direct parents
  std::vector<TableEnvironment> environments;
};

Result<DecodedTable> read_table(std::string_view bytes);

}  // namespace kerf::proof
