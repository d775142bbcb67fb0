// Cedar's numbers are those of 64 bits, and an operator whose result is none of them errs: so the walk asks whether it is.
// Bools are known on each walk. An error ends the expression, from the left.
#include "backends/check/code_atoms.h"

#include <linux/types.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <variant>

#include "runtime/abi/policy_abi.h"

namespace kerf::proof {

namespace {

constexpr int kDay = 86'400'000;   // in milliseconds
constexpr std::pair<std::string_view, int> kUnits[] = {
    {"toMilliseconds", 1}, {"toSeconds", 1000}, {"toMinutes", 60'000}, {"toHours", 3'600'000}, {"toDays", kDay}};
constexpr Wide kLeast = std::numeric_limits<std::int64_t>::min(), kMost = std::numeric_limits<std::int64_t>::max();

class Walk {
 public:
  Walk(Branching& branching, HookInputs& inputs, HookAtoms& hook)
      : b_(branching), inputs_(inputs), hook_(hook), knowledge_(hook.knowledge()), terms_(hook.knowledge().terms()) {}

  Operand of(Term t) {
    if (b_.lost()) return Failed{};
    const Op op = terms_.op(t);
    if (op == Op::literal) return literal(terms_.literal(t));
    if (hook_.kind(t) == AtomKind::userspace) {
      if (op == Op::eq && terms_.arg(t, 0) == terms_.arg(t, 1)) return same(terms_.arg(t, 0));
      if (!inputs_.is_composed(t)) return of_userspace(t);
    }
    if (hook_.asks_executable(t)) return executable(t);
    if (op == Op::get_attr || op == Op::has_attr) return observed(t);
    if (op == Op::and_ || op == Op::or_) {
      const auto first = truth(terms_.arg(t, 0));
      if (!first) return Failed{};
      return *first == (op == Op::or_) ? Operand(*first) : bool_or_failed(truth(terms_.arg(t, 1)));
    }
    if (op == Op::if_) {
      const auto condition = truth(terms_.arg(t, 0));
      return condition ? of(terms_.arg(t, *condition ? 1 : 2)) : Operand(Failed{});
    }
    std::vector<Operand> operands;
    for (std::size_t i = 0; i < terms_.args(t).size(); ++i) {
      operands.push_back(of(terms_.arg(t, i)));
      if (std::holds_alternative<Failed>(operands.back())) return Failed{};
    }
    return strict(t, operands);
  }

  std::optional<bool> truth(Term t) {
    const Operand made = of(t);
    if (const bool* truth = std::get_if<bool>(&made)) return *truth;
    if (!std::holds_alternative<Failed>(made)) b_.give_up();
    return std::nullopt;
  }

 private:
  static Operand bool_or_failed(std::optional<bool> truth) { return truth ? Operand(*truth) : Operand(Failed{}); }
  Operand give_up() {
    b_.give_up();
    return Failed{};
  }

  Operand literal(const Value& value) {
    if (value.as_bool()) return *value.as_bool();
    if (value.as_long()) return Number{{}, *value.as_long()};
    if (value.as_datetime()) return Number{{}, value.as_datetime()->ms};
    if (value.as_duration()) return Number{{}, value.as_duration()->ms};
    if (value.as_string() || value.as_set()) return &value;
    if (!value.as_ip()) return give_up();
    const AddressKey key = address_key(*value.as_ip());
    return AddressNumber{key.v6, {{}, value.as_ip()->prefix}, {{}, key.key.high}, {{}, key.key.low}};
  }

  // What is compared with itself is equal, or an error.
  Operand same(Term part) {
    if (inputs_.is_composed(part)) return std::holds_alternative<Failed>(of(part)) ? Operand(Failed{}) : Operand(true);
    return inputs_.errs(part) ? Operand(Failed{}) : Operand(true);
  }

  Operand of_userspace(Term t) {
    const auto kind = inputs_.kind_of(t);
    if (!kind) return give_up();
    if (inputs_.errs(t)) return Failed{};
    switch (*kind) {
      case TypeKind::long_: case TypeKind::datetime: case TypeKind::duration: return inputs_.number(t);
      case TypeKind::boolean: return !b_.at_most(inputs_.number(t), 0);
      case TypeKind::ip: return inputs_.address(t);
      default: return give_up();   // no slot holds it
    }
  }

  // The bits of a field that are meant, as the observable's type.
  Operand seen_number(const Observable& row, const Number& field, std::uint64_t bits, unsigned width) {
    const Number meant = bits == ~std::uint64_t{0} >> (64 - width) ? field : bits_and(b_, field, {{}, bits});
    if (row.type == TypeKind::boolean) return !b_.at_most(meant, 0);
    return meant;
  }

  Operand observed(Term t) {
    const Observable* observable = knowledge_.observable_of(t);
    if (!observable) return give_up();
    const bool there = observable->always_present || !b_.at_most(inputs_.event_field(offsetof(kerf_seen, file.exists)), 0);
    if (terms_.op(t) == Op::has_attr) return there;
    if (!there) return Failed{};
    switch (observable->id) {
      case ObservableId::endpoint_ip: return inputs_.observed_address();
      case ObservableId::file_fs_type:
      case ObservableId::mount_fs_type: return Name{offsetof(kerf_seen, file.fs_type), KERF_FS_TYPE_BYTES};
      case ObservableId::process_comm: return Name{offsetof(kerf_seen, comm), KERF_COMM_BYTES};
#define KERF_SEEN(id, field, bits, when, type, events) \
  case ObservableId::id: return seen_number(*observable, *inputs_.seen(offsetof(kerf_seen, field), sizeof(kerf_seen{}.field)), bits, 8 * sizeof(kerf_seen{}.field));
#include "runtime/abi/seen.def"
      case ObservableId::process_exe:   // asked as a whole
      case ObservableId::endpoint_host:
      case ObservableId::syscall_name:
      case ObservableId::syscall_arg0:
      case ObservableId::syscall_arg1:
      case ObservableId::syscall_arg2:
      case ObservableId::syscall_arg3:
      case ObservableId::syscall_arg4:
      case ObservableId::syscall_arg5:
      case ObservableId::file_path:
      case ObservableId::directory_path:
      case ObservableId::system_operation: break;
    }
    return give_up();
  }

  // Is the match class one of these?
  Operand executable(Term t) {
    const auto classes = hook_.executable_classes(t);
    if (!classes) return give_up();
    const Number own = *inputs_.seen(offsetof(kerf_seen, exe_match), sizeof(kerf_seen{}.exe_match));
    for (std::size_t i = 0; i < classes->size();) {
      const std::uint32_t first = (*classes)[i], begin = static_cast<std::uint32_t>(i);
      while (i < classes->size() && (*classes)[i] == first + (i - begin)) ++i;
      if (!b_.at_most(own, Wide{first} - 1) && b_.at_most(own, Wide{(*classes)[i - 1]})) return true;
    }
    return false;
  }

  Operand strict(Term t, const std::vector<Operand>& operands) {
    const Op op = terms_.op(t);
    switch (op) {
      case Op::not_: {
        const bool* truth = std::get_if<bool>(&operands[0]);
        return truth ? Operand(!*truth) : give_up();
      }
      case Op::eq: return bool_or_failed(equal(operands[0], operands[1]));
      case Op::contains: return contains(operands[0], operands[1]);
      case Op::like: return begins(t, operands[0]);
      case Op::call: return terms_.name(t) == "isInRange" && operands.size() == 2 ? in_range(operands[0], operands[1]) : time_call(terms_.name(t), operands);
      case Op::less: case Op::less_eq: case Op::add: case Op::sub: case Op::mul: case Op::neg: return arithmetic(op, operands);
      default: return give_up();
    }
  }

  Operand arithmetic(Op op, const std::vector<Operand>& operands) {
    const Number* a = std::get_if<Number>(&operands[0]);
    const Number* c = op == Op::neg ? a : std::get_if<Number>(&operands[1]);
    if (!a || !c) return give_up();
    Numbers& n = b_.numbers;
    switch (op) {
      case Op::less: return b_.at_most(n.add(*a, *c, -1), -1);
      case Op::less_eq: return b_.at_most(n.add(*a, *c, -1), 0);
      case Op::add: return in_64_bits(n.add(*a, *c));
      case Op::sub: return in_64_bits(n.add(*a, *c, -1));
      case Op::mul: return in_64_bits(n.times(*a, *c));
      default: return in_64_bits(n.add({}, *a, -1));
    }
  }
  // Of dates and durations, which are milliseconds.
  Operand time_call(std::string_view name, const std::vector<Operand>& operands) {
    const Number* a = std::get_if<Number>(&operands[0]);
    const Number* c = operands.size() == 2 ? std::get_if<Number>(&operands[1]) : nullptr;
    if (!a || (operands.size() == 2 && !c)) return give_up();
    if (name == "offset" && c) return in_64_bits(b_.numbers.add(*a, *c));
    if (name == "durationSince" && c) return in_64_bits(b_.numbers.add(*a, *c, -1));
    if (c) return give_up();
    if (name == "toTime") return time_of_day(*a);
    if (name == "toDate") return in_64_bits(b_.numbers.add(*a, time_of_day(*a), -1));
    for (const auto& [function, unit] : kUnits) {
      if (name == function) return towards_zero(*a, {{}, unit});
    }
    return give_up();
  }
  Number towards_zero(const Number& n, const Number& unit) {
    if (!b_.at_most(n, -1)) return quotient(b_, n, unit);
    return b_.numbers.add({}, quotient(b_, b_.numbers.add({}, n, -1), unit), -1);
  }
  // Before the epoch days are counted from their end: -1 is the last millisecond of one.
  Number time_of_day(const Number& n) {
    const bool before = b_.at_most(n, -1);
    const Number from = before ? b_.numbers.add({{}, -1}, n, -1) : n, day{{}, kDay};
    const Number rest = remainder(b_, from, day);
    return before ? b_.numbers.add({{}, kDay - 1}, rest, -1) : rest;
  }

  Operand in_64_bits(Number n) {
    if (!b_.at_most(n, kMost) || b_.at_most(n, kLeast - 1)) return Failed{};
    return n;
  }

  // Of values of different types: false.
  std::optional<bool> equal(const Operand& a, const Operand& c) {
    if (std::holds_alternative<Name>(c) && !std::holds_alternative<Name>(a)) return equal(c, a);
    if (const Name* name = std::get_if<Name>(&a)) return name_is(*name, c);
    if (a.index() != c.index()) return false;
    if (const bool* truth = std::get_if<bool>(&a)) return *truth == std::get<bool>(c);
    if (const Number* number = std::get_if<Number>(&a)) return b_.equal(*number, std::get<Number>(c));
    if (const AddressNumber* address = std::get_if<AddressNumber>(&a)) {
      const AddressNumber& other = std::get<AddressNumber>(c);
      return b_.equal(address->low, other.low) && b_.equal(address->high, other.high) && address->v6 == other.v6 && b_.equal(address->prefix, other.prefix);
    }
    b_.give_up();
    return std::nullopt;
  }

  std::optional<bool> name_is(const Name& name, const Operand& other) {
    if (std::holds_alternative<Name>(other)) {
      if (std::get<Name>(other).offset == name.offset) return true;
      b_.give_up();
      return std::nullopt;
    }
    const Value* const* value = std::get_if<const Value*>(&other);
    const std::string* text = value ? (*value)->as_string() : nullptr;
    // The kernel's names are shorter than their field and end with a zero.
    if (!text || text->size() >= name.bytes || text->find('\0') != std::string::npos) return false;
    std::string padded = *text;
    padded.resize(name.bytes);
    for (std::size_t at = 0; at < padded.size(); at += 8) {
      std::uint64_t word;
      std::memcpy(&word, padded.data() + at, sizeof word);   // little-endian, as the object is
      if (!b_.equal(*inputs_.seen(name.offset + at, 8), {{}, word})) return false;
    }
    return true;
  }

  // Of a name: a text, with a wildcard at its end or without.
  Operand begins(Term t, const Operand& operand) {
    const auto& pieces = terms_.pattern(t).pieces;
    const Name* name = std::get_if<Name>(&operand);
    if (!name || pieces.size() > 2 || (pieces.size() == 2 && !pieces[1].empty())) return give_up();
    const std::string& text = pieces[0];
    if (pieces.size() == 1) {
      const Value whole(text);
      return bool_or_failed(name_is(*name, Operand(&whole)));
    }
    if (text.size() >= name->bytes || text.find('\0') != std::string::npos) return false;
    for (std::size_t at = 0; at < text.size(); at += 8) {
      std::uint64_t word = 0;
      const std::size_t bytes = std::min<std::size_t>(8, text.size() - at);
      std::memcpy(&word, text.data() + at, bytes);
      const Wide mask = (Wide{1} << (8 * bytes)) - 1;
      if (!b_.equal(bits_and(b_, *inputs_.seen(name->offset + at, 8), {{}, mask}), {{}, word})) return false;
    }
    return true;
  }

  Operand contains(const Operand& set, const Operand& element) {
    const Value* const* value = std::get_if<const Value*>(&set);
    if (!value || !(*value)->as_set()) return give_up();
    for (const Value& member : *(*value)->as_set()) {
      const bool comparable = member.as_bool() || member.as_long() || member.as_ip() || member.as_string() || member.as_datetime() || member.as_duration();
      if (!comparable) continue;   // of another type than what hooks hold
      const auto same = equal(literal(member), element);
      if (!same) return Failed{};
      if (*same) return true;
    }
    return false;
  }

  // The first `prefix` bits are equal, and the range is no larger.
  Operand in_range(const Operand& single, const Operand& range) {
    const AddressNumber *a = std::get_if<AddressNumber>(&single), *r = std::get_if<AddressNumber>(&range);
    if (!a || !r) return give_up();
    if (a->v6 != r->v6 || !b_.at_most(b_.numbers.add(r->prefix, a->prefix, -1), 0)) return false;
    auto same = [&](const Number& x, const Number& y, Wide bits) {   // but for the lowest bits - prefix
      const Number by = b_.numbers.add({{}, bits}, r->prefix, -1);
      if (by == Number{}) return b_.equal(x, y);
      const Number rest = bits_xor(b_, x, y);
      return b_.at_most(shift_right(b_, rest, by), 0);
    };
    if (!a->v6) return same(a->low, r->low, 32);
    if (b_.at_most(r->prefix, 0)) return true;
    if (b_.at_most(r->prefix, 64)) return same(a->high, r->high, 64);
    return b_.equal(a->high, r->high) && same(a->low, r->low, 128);
  }

  Branching& b_;
  HookInputs& inputs_;
  HookAtoms& hook_;
  Knowledge& knowledge_;
  Terms& terms_;
};

}  // namespace

Outcome walk_atom(Branching& branching, HookInputs& inputs, HookAtoms& hook, Term atom) {
  const auto truth = Walk(branching, inputs, hook).truth(atom);
  return !truth ? Outcome::error : *truth ? Outcome::true_ : Outcome::false_;
}

Operand walk_operand(Branching& branching, HookInputs& inputs, HookAtoms& hook, Term operand) { return Walk(branching, inputs, hook).of(operand); }

bool is_time_call(std::string_view name) {
  const bool unit = std::any_of(std::begin(kUnits), std::end(kUnits), [&](const auto& known) { return known.first == name; });
  return unit || name == "offset" || name == "durationSince" || name == "toTime" || name == "toDate";
}

}  // namespace kerf::proof
