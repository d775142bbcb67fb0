// The decision table with its entities, arranged for speed: decides in tens to hundreds of nanoseconds, at a cost that
// follows the policies that can apply, without allocating. Gives the answers of Table::decide (table.h).
//
// An Engine is immutable, and a copy shares what it holds: any number of threads may decide, each with a Query and an
// Answer of its own. Changed entities make another engine (editor.h), changed policies too.
#pragma once
#include <memory>
#include <span>

#include "runtime/gateway/table.h"

namespace kerf::gateway {

class Engine;
struct Plans;
struct Workspace;

// Why a text is no request.
struct RequestFault {
  enum class Kind : std::uint8_t { not_json, not_request, no_environment };
  Kind kind;
  std::string message;
};

// {"principal": UID, "action": UID, "resource": UID, "context": {…}} as values; the context may be missing. A UID is
// {"type", "id"}, {"__entity": {"type", "id"}} or Cedar's text in a string.
Result<Request, RequestFault> read_request(std::string_view text);

// The same with `resources`, an array of UIDs, in the place of `resource`.
struct ManyRequest {
  Request request;               // without a resource
  std::vector<EntityUid> resources;
};
Result<ManyRequest, RequestFault> read_many_request(std::string_view text);

struct Answer {
  bool allow = false;
  std::vector<std::uint32_t> determining;   // indices of policies, ascending
  struct Failure {
    std::uint32_t policy, atom;             // the atom of the environment that erred; explain() has the message
  };
  std::vector<Failure> errors;              // ascending by policy
};

// Why a decision is what it is: of each policy whose scopes hold, the atoms that were reached, in order.
struct PolicyTrace {
  enum class Result : std::uint8_t { unsatisfied, satisfied, error };
  struct Atom {
    std::uint32_t atom;          // of the environment
    Outcome outcome;
    std::string message;         // of an error
  };
  std::uint32_t policy;
  Result result;
  std::vector<Atom> atoms;       // each once
};
struct Trace {
  std::uint32_t environment;     // of the table's. Atoms of policies that an Editor added are numbered apart
  std::vector<PolicyTrace> policies;   // ascending by policy; others have scopes that do not hold
};

// A request, and the memory that deciding it needs: keep one for each thread and reuse it. A request is decided by the engine
// that set it.
class Query {
 public:
  explicit Query(const Engine& engine);
  ~Query();
  Query(Query&&) noexcept;
  Query& operator=(Query&&) noexcept;
  // Whether it may be used with this engine: the one it was made for, or one with other entities that an Editor made of it.
  bool fits(const Engine& engine) const;

 private:
  friend class Engine;
  std::unique_ptr<Workspace> work_;
  std::shared_ptr<const Plans> plans_;
};

class Engine {
 public:
  struct State;   // engine_state.h
  static Result<Engine> build(std::shared_ptr<const Table> table, Entities entities);

  // Numbers of entities that are stored or that policies name; kUnknown for others. They hold for this engine only.
  static constexpr std::uint32_t kUnknown = 0xffffffffu;
  std::uint32_t find(std::string_view type, std::string_view id) const;

  // False if no environment of the table fits: the request is invalid. The context must outlive the query's use.
  bool set(Query& query, const EntityUid& principal, const EntityUid& action, const EntityUid& resource,
           const ValueRecord& context) const;
  bool set(Query& query, std::uint32_t principal, std::uint32_t action, std::uint32_t resource, const ValueRecord& context) const;

  // The same from JSON text, as read_request() understands it, but without allocation for requests in the common forms.
  // The text must outlive the query's use. Of text.data(), `readable` bytes may be read: kPadding past its end, or it is
  // copied.
  static constexpr std::size_t kPadding = 64;
  Result<Unit, RequestFault> set(Query& query, std::string_view text, std::size_t readable) const;

  // The indices of those resources for which the request is allowed; ones that no environment fits are not. The same as
  // set() and allows() for each, with principal, action and context looked up once.
  std::vector<std::uint32_t> allowed(Query& query, const EntityUid& principal, const EntityUid& action,
                                     std::span<const EntityUid> resources, const ValueRecord& context) const;

  bool allows(Query& query) const;                   // the decision alone: stops as soon as it is certain
  void decide(Query& query, Answer& answer) const;   // reasons and errors too
  // `{"decision":"allow","determining":["policy0"],"errors":[{"policy":"policy1","message":"…"}]}`
  void append_json(std::string& out, Query& query, const Answer& answer) const;
  EvalError explain(Query& query, const Answer::Failure& failure) const;
  // On demand, of a request that is set; allocates, and takes the time of all policies whose scopes hold.
  Trace trace(Query& query) const;
  // `{"environment":0,"policies":[{"policy":"policy0","effect":"permit","result":"true","atoms":[{"atom":3,"outcome":"false"}]}]}`
  void append_json(std::string& out, const Trace& trace) const;

  const Table& table() const;                        // that it was built with, without later changes of policies
  const PolicyInfo& policy(std::uint32_t index) const;   // by the numbers of answers and traces
  std::size_t policies() const;                      // that can decide
  std::size_t nodes() const;   // numbers of entities in use
  // Bytes by what they hold: "index", "entities".
  std::vector<std::pair<std::string, std::size_t>> memory() const;

 private:
  friend class Editor;
  friend class Query;
  explicit Engine(std::shared_ptr<const State> state);
  struct UidView {
    std::string_view type, id;
  };
  void begin(Workspace& work) const;   // forgets the request before
  void enter(Workspace& work, std::uint32_t environment) const;
  bool allows_by_groups(Workspace& work) const;
  bool allows_changed(Workspace& work) const;
  bool place(Workspace& work, const UidView (&uids)[3]) const;
  std::uint32_t place(Workspace& work, std::size_t variable, const UidView& uid) const;   // its type
  bool scan(Workspace& work, std::string_view text, std::size_t readable) const;
  std::shared_ptr<const State> state_;
};

}  // namespace kerf::gateway
