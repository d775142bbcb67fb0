// The decision-table evaluator: table.json (docs/table-format.md) in, decisions out.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/gateway/expr.h"

namespace kerf::gateway {

inline constexpr std::int64_t kTableVersion = 1;
// JSON nesting of a table: twice that of its expressions, which is bounded by what the parser of policies accepts.
inline constexpr int kMaxTableDepth = 16384;

struct PolicyInfo {
  std::string id;
  bool forbid = false;
  std::map<std::string, std::string> annotations;
  std::string file;
  std::uint32_t begin = 0, end = 0, line = 0, column = 0;
};

struct Decision {
  bool allow = false;
  std::vector<std::uint32_t> determining;   // indices of policies, ascending
  struct Failure {
    std::uint32_t policy;
    EvalError error;
  };
  std::vector<Failure> errors;              // ascending by policy
};

class Table {
 public:
  // Strict: unknown format, version or key, indices out of range, bad expressions: an error, never a wrong decision.
  static Result<Table> read(std::string_view text);

  // An error if no environment of the table fits the request (the request is invalid under the schema).
  // `entities` are the caller's; the table's action hierarchy is added inside.
  Result<Decision> decide(const Request& request, const Entities& entities) const;
  const std::vector<PolicyInfo>& policies() const;
  const std::vector<Entity>& actions() const;

  Table(Table&&) noexcept;
  Table& operator=(Table&&) noexcept;
  ~Table();

  struct State;   // table_state.h
  const State& state() const { return *state_; }
  explicit Table(std::unique_ptr<State> state);   // one that is right

 private:
  std::unique_ptr<State> state_;
};

}  // namespace kerf::gateway
