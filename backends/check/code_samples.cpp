// Samples lie where answers change: at the constants of the atoms, beside them, at each other, and at the ends of ranges.
// They are the same in every run.
#include "backends/check/code_samples.h"

#include <linux/types.h>

#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "ir/base/check.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::proof {

namespace {

class Sampler {
 public:
  Sampler(HookAtoms& hook, const ObjectTables& object, const std::vector<CodeSlot>& slots, const std::vector<Term>& atoms,
          const std::vector<std::uint32_t>& conditions)
      : hook_(hook), terms_(hook.knowledge().terms()), object_(object), slots_(slots), atoms_(atoms), conditions_(conditions) {
    for (Term atom : atoms) collect(atom);
  }

  CodeClasses run(std::size_t samples) {
    CodeClasses made;
    made.could_run = understood_ && slots_.size() <= KERF_VALUE_SLOTS;
    std::map<std::tuple<std::vector<Outcome>, std::vector<bool>, std::vector<bool>>, bool> seen;
    for (std::size_t i = 0; made.could_run && i < samples; ++i) {
      draw();
      std::vector<Outcome> outcomes;
      const Request request{{hook_.knowledge().env().principal, ""}, hook_.knowledge().env().action, {hook_.knowledge().env().resource, ""}, {}};
      for (Term atom : atoms_) outcomes.push_back(evaluate(terms_, atom, {request, hook_.knowledge().module().entities, observed_}));
      std::vector<bool> holds;
      for (std::uint32_t condition : conditions_) {
        const auto answer = run_condition(object_, condition, bytes_of(event_), bytes_of(values_));
        if (!answer) made.could_run = false;
        if (answer == CodeAnswer::refuses) made.refuses = true;
        holds.push_back(answer == CodeAnswer::holds);
      }
      std::vector<bool> errs;
      for (std::size_t s = 0; s < slots_.size(); ++s) errs.push_back(used_.contains(slots_[s].expression) && values_[s].kind == KERF_VALUE_ERROR);
      if (!seen.emplace(std::tuple(outcomes, holds, errs), true).second) continue;
      made.atoms.push_back(std::move(outcomes));
      made.conditions.push_back(std::move(holds));
      made.slot_errs.push_back(std::move(errs));
    }
    return made;
  }

 private:
  template <class T>
  static std::span<const std::uint8_t> bytes_of(const T& object) {
    return {reinterpret_cast<const std::uint8_t*>(&object), sizeof object};
  }

  // Constants, observables, and the largest parts that userspace evaluates.
  void collect(Term t) {
    if (terms_.op(t) == Op::literal) return collect(terms_.literal(t));
    if (hook_.kind(t) == AtomKind::userspace) {
      for (const CodeSlot& slot : slots_) {
        if (slot.expression != t) continue;
        used_.insert(t);
        return;
      }
      understood_ = false;
      return;
    }
    if (terms_.op(t) == Op::get_attr || terms_.op(t) == Op::has_attr) return reads_.push_back(t);
    for (std::size_t i = 0; i < terms_.args(t).size(); ++i) collect(Term{terms_.arg(t, i)});
  }
  void collect(const Value& value) {
    if (value.as_long()) {
      for (std::int64_t by : {-1, 0, 1}) {
        std::int64_t near;
        if (!__builtin_add_overflow(*value.as_long(), by, &near)) longs_.push_back(near);
      }
    }
    if (value.as_string()) names_.push_back(*value.as_string());
    if (value.as_ip()) addresses_.push_back(*value.as_ip());
    if (value.as_set()) {
      for (const Value& element : *value.as_set()) collect(element);
    }
  }

  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  std::uint32_t number(std::uint32_t most) {
    if (pick(3) != 0 && !longs_.empty()) {
      const std::int64_t near = longs_[pick(longs_.size())];
      if (near >= 0 && near <= most) return static_cast<std::uint32_t>(near);
    }
    const std::uint32_t some[] = {0, 1, 2, 80, 443, 1000, most - 1, most, static_cast<std::uint32_t>(random_()) % 70000};
    return std::min(some[pick(std::size(some))], most);
  }

  std::int64_t any_long() {
    const std::int64_t seen[] = {event_.uid, event_.gid, event_.pid, event_.number[0], event_.number[1], file_ ? event_.file.owner : event_.net.port, file_ ? event_.file.nlink : event_.net.protocol};
    const std::int64_t some[] = {0, 1, -1, 2, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(), static_cast<std::int64_t>(random_())};
    switch (pick(3)) {
      case 0: return seen[pick(std::size(seen))] + static_cast<std::int64_t>(pick(3)) - 1;
      case 1: return longs_.empty() ? 0 : longs_[pick(longs_.size())];
      default: return some[pick(std::size(some))];
    }
  }

  IpAddr any_address(bool single) {
    IpAddr ip{pick(2) == 0, 32, {}};
    if (!addresses_.empty() && pick(2) == 0) ip = addresses_[pick(addresses_.size())];
    else for (std::uint8_t& byte : ip.bytes) byte = static_cast<std::uint8_t>(pick(4) == 0 ? random_() : 10);
    if (!ip.v6) std::fill(ip.bytes.begin() + 4, ip.bytes.end(), 0);
    const unsigned bits = ip.v6 ? 128 : 32;
    ip.prefix = static_cast<std::uint8_t>(single ? bits : pick(bits + 1));
    return ip;
  }

  void draw() {
    event_ = {};
    file_ = hook_.knowledge().module().schema.find_type(hook_.knowledge().env().resource)->kernel != KernelKind::endpoint;
    event_.uid = number(~0u);
    event_.gid = number(~0u);
    event_.pid = number(~0u);
    for (__u32& n : event_.number) n = number(~0u);
    if (file_) draw_file();
    else draw_net();
    observed_.clear();
    for (Term read : reads_) observed_.insert_or_assign(read, observe(read));
    std::memset(values_, 0, sizeof values_);
    for (std::size_t i = 0; i < slots_.size(); ++i) draw_slot(slots_[i], values_[i]);
  }

  void draw_net() {
    address_ = any_address(true);
    const AddressKey key = address_key(address_);
    event_.net.v6 = key.v6;
    event_.net.address_high = key.key.high;
    event_.net.address_low = key.key.low;
    event_.net.port = number(65535);
    event_.net.protocol = number(65535);
    event_.net.local_port = number(65535);
  }

  void draw_file() {
    const std::string name = names_.empty() || pick(3) == 0 ? "ext4" : names_[pick(names_.size())];
    std::memcpy(event_.file.fs_type, name.data(), std::min<std::size_t>(name.size(), KERF_FS_TYPE_BYTES - 1));
    event_.file.exists = pick(4) != 0;
    if (!event_.file.exists) return;
    event_.file.owner = pick(3) == 0 ? event_.uid : number(~0u);
    event_.file.mode = number(07777) | 0100000u;
    if (pick(3) == 0) event_.file.mode ^= 04000u;
    event_.file.nlink = number(~0u);
  }

  static Value number_of(const Observable& row, std::uint32_t seen) {
    return row.type == TypeKind::boolean ? Value(seen != 0) : Value(std::int64_t{seen});
  }

  EvalResult observe(Term read) {
    const Observable* observable = hook_.knowledge().observable_of(read);
    if (!observable) return understood_ = false, EvalResult(Value(false));
    const bool there = observable->always_present || event_.file.exists;
    if (terms_.op(read) == Op::has_attr) return Value(there);
    if (!there) return EvalError{EvalErrorKind::attribute_does_not_exist, ""};
    switch (observable->id) {
      case ObservableId::endpoint_ip: return Value(address_);
      case ObservableId::file_fs_type:
      case ObservableId::mount_fs_type: return Value(std::string(event_.file.fs_type));
#define KERF_SEEN(id, field, bits, when, type, events) \
  case ObservableId::id: return number_of(*observable, event_.field & (bits));
#include "runtime/abi/seen.def"
      case ObservableId::endpoint_host:
      case ObservableId::file_path:
      case ObservableId::directory_path:
      case ObservableId::system_operation: break;
    }
    understood_ = false;
    return Value(false);
  }

  // A slot that no atom here reads is an error, which nobody sees.
  void draw_slot(const CodeSlot& slot, kerf_value& to) {
    to.kind = KERF_VALUE_ERROR;
    EvalResult value = EvalError{EvalErrorKind::type_error, ""};
    const bool errs = !used_.contains(slot.expression) || (hook_.knowledge().can_fail(slot.expression) && pick(6) == 0);
    if (errs) {
      observed_.insert_or_assign(slot.expression, std::move(value));
      return;
    }
    if (slot.type == "Long") {
      to.kind = KERF_VALUE_LONG;
      const std::int64_t number = any_long();
      to.low = static_cast<__u64>(number);
      value = Value(number);
    } else if (slot.type == "Bool") {
      to.kind = KERF_VALUE_BOOL;
      to.low = pick(2);
      value = Value(to.low != 0);
    } else if (slot.type == "ipaddr") {
      IpAddr ip = any_address(pick(3) == 0);
      if (pick(2) == 0 && !file_) {
        ip = address_;
        ip.prefix = static_cast<std::uint8_t>(pick(ip.v6 ? 129 : 33));
      }
      const AddressKey key = address_key(ip);
      to.kind = ip.v6 ? KERF_VALUE_IP6 : KERF_VALUE_IP4;
      to.high = key.key.high;
      to.low = key.key.low;
      to.prefix = ip.prefix;
      value = Value(ip);
    }
    observed_.insert_or_assign(slot.expression, std::move(value));
  }

  HookAtoms& hook_;
  Terms& terms_;
  const ObjectTables& object_;
  const std::vector<CodeSlot>& slots_;
  const std::vector<Term>& atoms_;
  const std::vector<std::uint32_t>& conditions_;
  bool understood_ = true, file_ = false;
  std::vector<std::int64_t> longs_;
  std::vector<std::string> names_;
  std::vector<IpAddr> addresses_;
  std::vector<Term> reads_;
  std::set<Term> used_;                 // slots
  std::mt19937_64 random_{20261125};
  kerf_seen event_{};
  IpAddr address_{};
  kerf_value values_[KERF_VALUE_SLOTS] = {};
  std::unordered_map<Term, EvalResult> observed_;
};

}  // namespace

CodeClasses sample_code(HookAtoms& hook, const ObjectTables& object, const std::vector<CodeSlot>& slots, const std::vector<Term>& atoms,
                        const std::vector<std::uint32_t>& conditions, std::size_t samples) {
  return Sampler(hook, object, slots, atoms, conditions).run(samples);
}

}  // namespace kerf::proof
