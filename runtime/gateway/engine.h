// The decision table with its entities, arranged for speed: decides in tens to hundreds of nanoseconds, at a cost that
// follows the policies that can apply, without allocating. Gives the answers of Table::decide (table.h).
//
// An Engine is immutable: any number of threads may decide, each with a Query and an Answer of its own. To change
// entities or policies, build another and swap the shared_ptr.
#pragma once
#include <memory>

#include "runtime/gateway/table.h"

namespace kerf::gateway {

class Engine;
struct Workspace;

struct Answer {
  bool allow = false;
  std::vector<std::uint32_t> determining;   // indices of policies, ascending
  struct Failure {
    std::uint32_t policy, atom;             // the atom of the environment that erred; explain() has the message
  };
  std::vector<Failure> errors;              // ascending by policy
};

// A request, and the memory that deciding it needs: keep one for each thread and reuse it.
class Query {
 public:
  explicit Query(const Engine& engine);
  ~Query();
  Query(Query&&) noexcept;
  Query& operator=(Query&&) noexcept;

 private:
  friend class Engine;
  std::unique_ptr<Workspace> work_;
};

class Engine {
 public:
  static Result<Engine> build(std::shared_ptr<const Table> table, Entities entities);

  // Numbers of entities that are stored or that policies name; kUnknown for others. They hold for this engine only.
  static constexpr std::uint32_t kUnknown = 0xffffffffu;
  std::uint32_t find(std::string_view type, std::string_view id) const;

  // False if no environment of the table fits: the request is invalid. The context must outlive the query's use.
  bool set(Query& query, const EntityUid& principal, const EntityUid& action, const EntityUid& resource,
           const ValueRecord& context) const;
  bool set(Query& query, std::uint32_t principal, std::uint32_t action, std::uint32_t resource, const ValueRecord& context) const;

  bool allows(Query& query) const;                   // the decision alone: stops as soon as it is certain
  void decide(Query& query, Answer& answer) const;   // reasons and errors too
  EvalError explain(Query& query, const Answer::Failure& failure) const;

  const Table& table() const;
  // Bytes by what they hold: "index", "entities".
  std::vector<std::pair<std::string, std::size_t>> memory() const;

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

 private:
  friend class Query;
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  bool finish(Workspace& work) const;
  std::unique_ptr<State> state_;
};

}  // namespace kerf::gateway
