// Atoms at a hook: what each depends on, and its outcome for every class of what it depends on. Classes are read off the
// atom's constants and the snapshot; outcomes come from evaluating one member of each.
#pragma once
#include <set>
#include <unordered_map>
#include <vector>

#include "backends/check/evaluate.h"
#include "backends/check/knowledge.h"
#include "backends/check/paths.h"
#include "backends/check/row_sets.h"

namespace kerf::proof {

// named: of an endpoint by what is stored, or by the hosts that are known for its address.
enum class AtomKind { userspace, named, address, port, endpoint, path, number, code, unknown };

struct AddressKey {
  bool v6 = false;
  Key key;
  friend auto operator<=>(const AddressKey&, const AddressKey&) = default;
};
AddressKey address_key(const IpAddr& address);
IpAddr address_of(const AddressKey& key);

// From each key on, up to the next; ascending, the first is the least key.
template <class K>
using Steps = std::vector<std::pair<K, Outcome>>;

struct EndpointOutcomes {
  Outcome others = Outcome::false_;
  std::vector<std::pair<Endpoint, Outcome>> listed;    // ascending; not as the others
};

// `others`, or the outcome of a test that holds (if several hold, they agree), or of a pattern: true where it holds.
struct PathOutcomes {
  Outcome others = Outcome::false_;
  std::vector<std::pair<std::uint32_t, Outcome>> tests;
  std::optional<std::uint32_t> pattern;
};

class HookAtoms {
 public:
  // `paths`, `executables`: tests and patterns are added there.
  HookAtoms(Knowledge& knowledge, PathClasses& paths, PathClasses& executables);

  // The number that the object's tables answer comparisons of, and where events have it.
  void set_number(ObservableId observable, std::uint32_t offset) {
    number_is_ = observable;
    number_offset_ = offset;
  }
  std::uint32_t number_offset() const { return number_offset_; }
  std::string_view number_name() const;

  // The term with what is known replaced by its value: equal on both sides, whichever side replaced it first.
  Term residual(Term t);
  AtomKind kind(Term residual);
  bool is_unobserved(Term residual);   // reads what only the gateway sees

  const Steps<AddressKey>& address(Term t);
  const Steps<std::uint32_t>& port(Term t);
  const Steps<std::uint32_t>& number(Term t);
  const EndpointOutcomes& endpoint(Term t);
  const PathOutcomes& path(Term t);

  // A comparison of the executable with constants; add it before the executables are analysed.
  bool asks_executable(Term t);
  const PathOutcomes& executable(Term t);
  // Then: match classes in which it holds, ascending; nothing if the object's automaton does not tell.
  std::optional<std::vector<std::uint32_t>> executable_classes(Term t);
  bool has_executables() const { return !executable_.empty(); }
  const std::vector<std::uint32_t>& executables_reached() const;

  // What a term depends on: userspace alone, which resource it is alone, the resource or its path among others.
  bool only_user(Term t);
  bool only_identity(Term t);
  bool asks_resource(Term t);
  // Of `resource` it needs to know the hosts of its address alone.
  bool only_hosts(Term t);
  // By the snapshot or the term, and one that neither names.
  std::set<EntityUid> resources_named(Term t);

  Knowledge& knowledge() { return knowledge_; }

 private:
  unsigned origins(Term t);
  unsigned attribute_origins(Term t);
  unsigned membership_origins(Term t);
  bool has_member(const Value& value, const std::string& type) const;
  bool hides_addresses(Term t);
  bool asks_path(Term t);
  bool asks_number(Term t);
  Steps<std::uint32_t> executable_steps(Term t);
  bool compares(Term t, const std::vector<Term>& read);
  Steps<std::uint32_t> steps(Term t, const std::vector<Term>& read, const std::set<std::uint32_t>& bounds);
  bool calls(Term t, std::string_view function) const;
  PathOutcomes path_outcomes(Term t);
  PathOutcomes text_outcomes(Term t, PathClasses& paths);
  PathOutcomes membership(const Value& groups);
  PathOutcomes identity(Term t);
  static PathOutcomes equal_to(const std::vector<std::string>& texts, PathClasses& paths);
  std::vector<EntityUid> candidates(Term t);
  template <class Visit>
  void literals(Term t, const Visit& visit);
  Outcome ask(Term t, const EntityUid& resource, const std::unordered_map<Term, EvalResult>& observed);
  void observe(Term t, std::initializer_list<ObservableId> ids, std::vector<Term>& found);

  Knowledge& knowledge_;
  Terms& terms_;
  PathClasses &paths_, &executables_;
  std::vector<EntityUid> named_;                       // of the resource's type, by the snapshot
  std::unordered_map<Term, Term> residual_;
  std::unordered_map<Term, unsigned> origins_;
  std::unordered_map<Term, Steps<AddressKey>> address_;
  std::unordered_map<Term, Steps<std::uint32_t>> port_, number_;
  std::optional<ObservableId> number_is_;
  std::uint32_t number_offset_ = 0;
  std::unordered_map<Term, EndpointOutcomes> endpoint_;
  std::unordered_map<Term, PathOutcomes> path_, executable_;
};

}  // namespace kerf::proof
