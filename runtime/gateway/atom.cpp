// Atom + request -> outcome, without allocation where the atom has a form of its own. A case that a form does not cover
// (values that have no number) is asked of the general evaluator, so both always agree.
#include "runtime/gateway/atom.h"

#include <algorithm>

#include "ir/values/extension.h"

namespace kerf::gateway {
namespace {

bool overlap(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) {
  for (std::size_t x = 0, y = 0; x < a.size() && y < b.size();) {
    if (a[x] == b[y]) return true;
    ++(a[x] < b[y] ? x : y);
  }
  return false;
}

// Sets are sorted by kind, then by value.
bool has_string(const ValueSet& set, std::string_view text) {
  auto below = [&](const Value& v) {
    return v.kind() < ValueKind::string || (v.kind() == ValueKind::string && std::string_view(*v.as_string()) < text);
  };
  const auto at = std::partition_point(set.begin(), set.end(), below);
  return at != set.end() && at->kind() == ValueKind::string && *at->as_string() == text;
}

}  // namespace

// Entities of the request that the store does not know are known to each other.
Cell Asker::view(const Value& value) const {
  Cell cell = store_.view(value);
  if (cell.kind != ValueKind::entity || cell.data != kNoNode) return cell;
  for (std::size_t i = 0; i < 3; ++i) {
    if (work_.nodes[i] >= store_.nodes() && work_.unknown[i] == *value.as_entity()) cell.data = work_.nodes[i];
  }
  return cell;
}

const Workspace::Entry& Asker::context_entry(std::uint32_t name) const {
  Workspace::Entry& entry = work_.entries[name];
  if (entry.stamp == work_.context_stamp) {
    if (entry.pending != Workspace::Pending::none) finish(name, entry);
    return entry;
  }
  entry.stamp = work_.context_stamp;
  entry.pending = Workspace::Pending::none;
  entry.present = false;
  if (work_.context == nullptr) return entry;   // of a text, which has entered what it has
  auto found = work_.context->find(names_.attribute_name(name));
  entry.present = found != work_.context->end();
  if (entry.present) entry.cell = view(found->second);
  return entry;
}

// An entry of a request's text, asked for the first time.
void Asker::finish(std::uint32_t name, Workspace::Entry& entry) const {
  const Workspace::Pending pending = entry.pending;
  entry.pending = Workspace::Pending::none;
  if (pending == Workspace::Pending::text) entry.cell = store_.view(entry.cell.string());
  if (pending == Workspace::Pending::value) entry.cell = view(work_.whole_context().at(names_.attribute_name(name)));
}

const Cell* Asker::attribute(const Cell& base, std::uint32_t name, Cell& own) const {
  if (base.kind == ValueKind::entity) return base.data < store_.nodes() ? store_.attribute(base.data, name) : nullptr;
  if (base.kind != ValueKind::record) return nullptr;
  if (base.data != kNoData) return Store::attribute(*base.object, name);
  const ValueRecord& record = *base.value->as_record();
  auto found = record.find(names_.attribute_name(name));
  if (found == record.end()) return nullptr;
  own = view(found->second);
  return &own;
}

const Cell* Asker::resolve_other(const Subject& subject, Cell& own) const {
  if (subject.length == 0) {
    own = subject.variable == kContext ? Cell{nullptr, 0, 0, kNoData, ValueKind::record}
                                       : Cell{nullptr, 0, 0, work_.nodes[subject.variable], ValueKind::entity};
    return &own;
  }
  const Cell* cell = nullptr;
  if (subject.variable != kContext) {
    cell = Store::attribute(work_.rows[subject.variable]->object, subject.attributes[0]);
  } else if (const Workspace::Entry& entry = context_entry(subject.attributes[0]); entry.present) {
    cell = &entry.cell;
  }
  for (std::size_t next = 1; next < subject.length && cell != nullptr; ++next) cell = attribute(*cell, subject.attributes[next], own);
  return cell;
}

Asker::Quick Asker::has(const Cell& base, std::uint32_t name) const {
  if (base.kind == ValueKind::entity) return quick(base.data < store_.nodes() && store_.attribute(base.data, name) != nullptr);
  if (base.kind != ValueKind::record) return Quick::error;
  if (base.data != kNoData) return quick(Store::attribute(*base.object, name) != nullptr);
  if (base.value == nullptr) return quick(context_entry(name).present);
  return quick(base.value->as_record()->contains(names_.attribute_name(name)));
}

Asker::Quick Asker::equal(const Cell& a, const Cell& b) const {
  if (a.kind != b.kind) return Quick::false_;
  switch (a.kind) {
    case ValueKind::boolean:
    case ValueKind::long_:
    case ValueKind::decimal:
    case ValueKind::datetime:
    case ValueKind::duration: return quick(a.number == b.number);
    case ValueKind::entity:
      if (a.data != kNoNode || b.data != kNoNode) return quick(a.data == b.data);
      break;
    case ValueKind::string:
      return quick(a.text != 0 || b.text != 0 ? a.text == b.text : a.string() == b.string());
    case ValueKind::set:
    case ValueKind::record:
    case ValueKind::ip: break;
  }
  return a.value != nullptr && b.value != nullptr ? quick(compare(*a.value, *b.value) == 0) : Quick::unknown;
}

Asker::Quick Asker::less(const Cell& a, const Cell& b, bool or_equal) const {
  if (a.kind != b.kind) return Quick::error;
  if (a.kind != ValueKind::long_ && a.kind != ValueKind::datetime && a.kind != ValueKind::duration) return Quick::error;
  return quick(or_equal ? a.number <= b.number : a.number < b.number);
}

bool Asker::in_one(const Cell& a, const Cell& b) const {
  if (a.data != kNoNode && b.data != kNoNode) return store_.is_in(a.data, b.data);
  return a.data == b.data && *a.value->as_entity() == *b.value->as_entity();   // both are in the context alone
}

Asker::Quick Asker::in(const Cell& a, const Cell& b) const {
  if (a.kind != ValueKind::entity) return Quick::error;
  if (b.kind == ValueKind::entity) return quick(in_one(a, b));
  if (b.kind != ValueKind::set) return Quick::error;
  if (b.data == kNoData) {
    const ValueSet& set = *b.value->as_set();
    if (!std::all_of(set.begin(), set.end(), [](const Value& v) { return v.kind() == ValueKind::entity; })) return Quick::error;
    return quick(std::any_of(set.begin(), set.end(), [&](const Value& v) { return in_one(a, view(v)); }));
  }
  if (b.text == kTexts) return Quick::error;
  if (b.text == kNoMembers || a.data == kNoNode) return Quick::false_;
  const std::span<const Node> members = b.all_members();
  if (members.size() > 8 && a.data < store_.nodes()) {
    return quick(std::binary_search(members.begin(), members.end(), a.data) || overlap(members, store_.ancestors(a.data)));
  }
  return quick(std::any_of(members.begin(), members.end(), [&](Node member) { return store_.is_in(a.data, member); }));
}

Asker::Quick Asker::contains(const Cell& a, const Cell& b) const {
  if (a.kind != ValueKind::set) return Quick::error;
  if (a.data != kNoData && a.text == kNoMembers) return Quick::false_;
  const bool node = b.kind == ValueKind::entity && b.data != kNoNode, text = b.kind == ValueKind::string && b.text != 0;
  if (a.data != kNoData && a.text == (node ? kNodes : text ? kTexts : kNoMembers)) {
    const std::span<const std::uint32_t> members = a.all_members();
    return quick(std::binary_search(members.begin(), members.end(), node ? b.data : b.text));
  }
  if (b.value == nullptr && b.kind == ValueKind::entity) {   // a variable
    const ValueSet& set = *a.value->as_set();
    const EntityUid& uid = b.data < store_.nodes() ? store_.uid(b.data) : work_.unknown[b.data - store_.nodes()];
    return quick(std::any_of(set.begin(), set.end(), [&](const Value& v) { return v.as_entity() != nullptr && *v.as_entity() == uid; }));
  }
  if (b.kind == ValueKind::string) return quick(has_string(*a.value->as_set(), b.string()));
  if (b.value == nullptr) return Quick::unknown;
  const EvalResult result = op_contains(*a.value, *b.value);
  return quick(*result->as_bool());
}

inline Asker::Quick Asker::try_quick(const Atom& atom) const {
  if (atom.kind == Atom::Kind::general) return Quick::unknown;
  const Cell* left = load(atom.left, work_.own[0]);
  if (left == nullptr) return Quick::error;
  switch (atom.kind) {
    case Atom::Kind::truth: return left->kind == ValueKind::boolean ? quick(left->number != 0) : Quick::error;
    case Atom::Kind::has: return has(*left, atom.attribute);
    case Atom::Kind::like: return left->kind == ValueKind::string ? quick(matches(*atom.pattern, left->string())) : Quick::error;
    default: break;
  }
  const Cell* right = load(atom.right, work_.own[1]);
  if (right == nullptr) return Quick::error;
  switch (atom.kind) {
    case Atom::Kind::equal: return equal(*left, *right);
    case Atom::Kind::less: return less(*left, *right, false);
    case Atom::Kind::less_eq: return less(*left, *right, true);
    case Atom::Kind::in: return in(*left, *right);
    case Atom::Kind::contains: return contains(*left, *right);
    case Atom::Kind::in_range:
      if (left->kind != ValueKind::ip || right->kind != ValueKind::ip) return Quick::error;
      return quick(ip_in_range(*left->value->as_ip(), *right->value->as_ip()));
    default: break;
  }
  return Quick::unknown;
}

Outcome Asker::ask(const Atom& atom, const Expr& expr) const {
  switch (try_quick(atom)) {
    case Quick::false_: return Outcome::false_;
    case Quick::true_: return Outcome::true_;
    case Quick::error: return Outcome::error;
    case Quick::unknown: break;
  }
  if (!work_.evaluation) {
    work_.evaluation.emplace(RequestParts{work_.uids[0], work_.uids[1], work_.uids[2], &work_.whole_context()}, store_);
  }
  return outcome_of(expr.evaluate(*work_.evaluation));
}

}  // namespace kerf::gateway
