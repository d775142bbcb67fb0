#include "backends/check/hook_inputs.h"

#include <fmt/format.h>
#include <linux/types.h>

#include <algorithm>
#include <cstddef>
#include <limits>

#include "backends/check/code_atoms.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::proof {

namespace {

constexpr Bounds kBit{0, 1}, kUnsigned32{0, 0xffffffff}, kUnsigned64{0, kWord - 1};
constexpr Bounds kLong{std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()};

Number constant(Wide n) { return {{}, n}; }

}  // namespace

std::optional<Number> HookInputs::seen(std::uint64_t offset, std::size_t bytes) {
  struct Field {
    std::string_view name;
    std::size_t offset, bytes;
    Bounds bounds;
    bool net, file;
  };
  static constexpr Field fields[] = {
      {"the event", offsetof(kerf_seen, event), 4, kUnsigned32, true, true},
      {"the clock", offsetof(kerf_seen, clock_ms), 8, {0, kLong.most}, true, true},
      {"the uid", offsetof(kerf_seen, uid), 4, kUnsigned32, true, true},
      {"the gid", offsetof(kerf_seen, gid), 4, kUnsigned32, true, true},
      {"the pid", offsetof(kerf_seen, pid), 4, kUnsigned32, true, true},
      {"the capabilities", offsetof(kerf_seen, capabilities), 8, kUnsigned64, true, true},
      {"the match class of the executable", offsetof(kerf_seen, exe_match), 4, kUnsigned32, true, true},
      {"the pid namespace", offsetof(kerf_seen, pid_namespace), 4, kUnsigned32, true, true},
      {"the address is IPv6", offsetof(kerf_seen, net.v6), 4, kBit, true, false},
      {"the port", offsetof(kerf_seen, net.port), 4, {0, 65535}, true, false},
      {"the protocol", offsetof(kerf_seen, net.protocol), 4, kUnsigned32, true, false},
      {"the local port", offsetof(kerf_seen, net.local_port), 4, kUnsigned32, true, false},
      {"the first number", offsetof(kerf_seen, number[0]), 4, kUnsigned32, true, true},
      {"the second number", offsetof(kerf_seen, number[1]), 4, kUnsigned32, true, true},
      {"the third number", offsetof(kerf_seen, number[2]), 4, kUnsigned32, true, true},
      {"the fourth number", offsetof(kerf_seen, number[3]), 4, kUnsigned32, true, true},
      {"the file exists", offsetof(kerf_seen, file.exists), 4, kBit, false, true},
      {"the owner", offsetof(kerf_seen, file.owner), 4, kUnsigned32, false, true},
      {"the mode", offsetof(kerf_seen, file.mode), 4, kUnsigned32, false, true},
      {"the number of links", offsetof(kerf_seen, file.nlink), 4, kUnsigned32, false, true},
  };
  const bool net = hook_.knowledge().module().schema.find_type(hook_.knowledge().env().resource)->kernel == KernelKind::endpoint;
  for (const Field& field : fields) {
    if (field.offset == offset && field.bytes == bytes && (net ? field.net : field.file)) return b_.numbers.read(std::string(field.name), field.bounds);
  }
  const std::size_t high = offsetof(kerf_seen, net.address_high), low = offsetof(kerf_seen, net.address_low);
  if (net && bytes == 8 && (offset == high || offset == low)) {
    const AddressNumber address = observed_address();
    return offset == high ? address.high : address.low;
  }
  const std::size_t type = offsetof(kerf_seen, file.fs_type), comm = offsetof(kerf_seen, comm);
  if (!net && offset >= type && offset < type + KERF_FS_TYPE_BYTES && offset % bytes == 0) return name_bytes("the file system's type", offset - type, bytes);
  if (offset >= comm && offset < comm + KERF_COMM_BYTES && offset % bytes == 0) return name_bytes("the task's name", offset - comm, bytes);
  return std::nullopt;
}

// Words of a name, or parts of them.
Number HookInputs::name_bytes(std::string_view what, std::size_t at, std::size_t bytes) {
  const std::size_t first = at / 8 * 8;
  const Number word = b_.numbers.read(fmt::format("bytes {} to {} of {}", first, first + 7, what), kUnsigned64);
  const Number from = shift_right(b_, word, constant(8 * static_cast<Wide>(at - first)));
  return bytes == 8 ? word : bits_and(b_, from, constant((Wide{1} << (8 * bytes)) - 1));
}

AddressNumber HookInputs::observed_address() {
  const bool v6 = !b_.at_most(event_field(offsetof(kerf_seen, net.v6)), 0);
  if (!v6) return {false, constant(32), constant(0), ipv4_address()};
  return {true, constant(128), ipv6_half(true), ipv6_half(false)};
}

Number HookInputs::ipv4_address() { return b_.numbers.read("the IPv4 address", kUnsigned32); }
Number HookInputs::ipv6_half(bool high) { return b_.numbers.read(high ? "the first half of the address" : "the second half of the address", kUnsigned64); }

Number HookInputs::read(std::string_view what, Term expression, Bounds bounds) {
  read_.insert(expression);
  return b_.numbers.read(fmt::format("{} `{}` ({})", what, hook_.knowledge().terms().text(expression), expression), bounds);
}

const CodeSlot* HookInputs::slot(Term expression) const {
  auto found = std::find_if(slots_.begin(), slots_.end(), [&](const CodeSlot& slot) { return slot.expression == expression; });
  return found == slots_.end() ? nullptr : &*found;
}

std::optional<TypeKind> HookInputs::kind_of(Term expression) const {
  if (const CodeSlot* known = slot(expression)) {
    return known->type == "Bool" ? TypeKind::boolean : known->type == "ipaddr" ? TypeKind::ip : TypeKind::long_;
  }
  return hook_.knowledge().kind_of(expression);
}

bool HookInputs::is_composed(Term expression) {
  auto known = composed_.find(expression);
  if (known == composed_.end()) known = composed_.emplace(expression, composes(expression)).first;
  return known->second;
}

bool HookInputs::composes(Term t) {
  const Terms& terms = hook_.knowledge().terms();
  switch (terms.op(t)) {
    case Op::not_: case Op::and_: case Op::or_: case Op::if_: case Op::eq: case Op::less: case Op::less_eq:
    case Op::add: case Op::sub: case Op::mul: case Op::neg: break;
    case Op::contains:
      if (terms.op(terms.arg(t, 0)) != Op::literal) return false;
      break;
    case Op::call:
      if (!is_time_call(terms.name(t)) && terms.name(t) != "isInRange") return false;
      break;
    default: return false;
  }
  for (Term part : terms.args(t)) {
    if (terms.op(part) == Op::literal) continue;
    const auto kind = kind_of(part);
    const bool number = kind == TypeKind::long_ || kind == TypeKind::datetime || kind == TypeKind::duration;
    if (!number && kind != TypeKind::boolean && kind != TypeKind::ip) return false;
  }
  return true;
}

bool HookInputs::errs(Term expression) {
  if (!hook_.knowledge().can_fail(expression)) return false;
  const Question fails{read("no error of", expression, kBit), 0};
  failing_.emplace(expression, fails);
  return b_.at_most(fails.form, 0);
}

Number HookInputs::number(Term expression) {
  return read("the value of", expression, kind_of(expression) == TypeKind::boolean ? kBit : kLong);
}

AddressNumber HookInputs::address(Term expression) {
  const bool v6 = !b_.at_most(read("IPv6 is", expression, kBit), 0);
  if (!v6) return {false, read("the prefix of", expression, {0, 32}), constant(0), read("the IPv4 address of", expression, kUnsigned32)};
  return {true, read("the IPv6 prefix of", expression, {0, 128}), read("the first half of", expression, kUnsigned64), read("the second half of", expression, kUnsigned64)};
}

// Of a value that is an error nothing but the kind matters.
std::optional<Number> HookInputs::value(std::uint64_t offset, std::size_t bytes) {
  const std::uint64_t index = offset / sizeof(kerf_value), field = offset % sizeof(kerf_value);
  if (index >= slots_.size()) return std::nullopt;
  const CodeSlot& slot = slots_[index];
  const bool is_address = slot.type == "ipaddr", is_bool = slot.type == "Bool";
  const bool kind = field == offsetof(kerf_value, kind) && bytes == 4, low = field == offsetof(kerf_value, low) && bytes == 8;
  const bool high = is_address && field == offsetof(kerf_value, high) && bytes == 8, prefix = is_address && field == offsetof(kerf_value, prefix) && bytes == 4;
  if (!kind && !low && !high && !prefix) return std::nullopt;
  const Operand held = walk_operand(b_, *this, hook_, slot.expression);
  if (std::holds_alternative<Failed>(held)) return kind ? constant(KERF_VALUE_ERROR) : read("what is left of", slot.expression, kLong);
  if (const AddressNumber* address = std::get_if<AddressNumber>(&held); address && is_address) {
    return kind ? constant(address->v6 ? Wide{KERF_VALUE_IP6} : Wide{KERF_VALUE_IP4}) : low ? address->low : high ? address->high : address->prefix;
  }
  if (const bool* truth = std::get_if<bool>(&held); truth && is_bool) return constant(kind ? Wide{KERF_VALUE_BOOL} : Wide{*truth});
  if (const Number* number = std::get_if<Number>(&held); number && !is_bool && !is_address) return kind ? constant(KERF_VALUE_LONG) : *number;
  return std::nullopt;
}

// ---- bits ----
namespace {

bool is_mask(Wide mask) { return (mask & (mask + 1)) == 0; }   // its bits are the lowest

unsigned width(Wide mask) {
  unsigned bits = 0;
  for (; mask != 0; mask >>= 1) ++bits;
  return bits;
}

}  // namespace

namespace {

bool all_ones(const Number& n) { return n.is_constant() && (n.constant == kWord - 1 || n.constant == -1); }

}  // namespace

// Where all bits are kept or turned, nothing need be known of the other number.
Number bits_and(Branching& b, const Number& x, const Number& y) {
  if (x == Number{} || y == Number{}) return {};
  if (all_ones(x) || all_ones(y)) return all_ones(x) ? y : x;
  const Number a = b.unsigned_part(x.is_constant() ? y : x, 64), mask = b.unsigned_part(x.is_constant() ? x : y, 64);
  if (a.is_constant() && mask.is_constant()) return constant(a.constant & mask.constant);
  if (!mask.is_constant()) {
    for (const auto& [few, other] : {std::pair(&a, &mask), std::pair(&mask, &a)}) {
      if (auto value = b.one_of_few(*few, 2)) return bits_and(b, *other, constant(*value));
    }
    return b.numbers.made(Made::bits_and, std::min(a, mask), std::max(a, mask), kUnsigned64);
  }
  const Bounds range = b.bounds(a);
  const Wide reach = (Wide{1} << width(range.most)) - 1;   // bits that a can have
  if (range.least >= 0 && (mask.constant & reach) == reach) return a;
  if ((mask.constant & reach) == 0) return constant(0);
  if (is_mask(mask.constant) && range.most >> width(mask.constant) <= 8) return b.unsigned_part(a, width(mask.constant));
  if (a.terms.size() == 1 && a.terms[0].second == 1 && a.constant == 0 && a.terms[0].first.size() == 1) {
    const Numbers::Source source = b.numbers.source(a.terms[0].first[0]);
    if (source.how == Made::bits_and && source.b.is_constant()) return bits_and(b, source.a, constant(source.b.constant & mask.constant));
  }
  return b.numbers.made(Made::bits_and, a, mask, {0, mask.constant});
}

Number bits_xor(Branching& b, const Number& x, const Number& y) {
  if (x == Number{} || y == Number{}) return x == Number{} ? y : x;
  if (all_ones(x) || all_ones(y)) return b.numbers.add(constant(-1), all_ones(x) ? y : x, -1);
  Number a = b.unsigned_part(x, 64), c = b.unsigned_part(y, 64);
  if (a.is_constant()) std::swap(a, c);
  if (a.is_constant()) return constant(a.constant ^ c.constant);
  if (c.is_constant()) {
    if (c.constant == kWord / 2) return b.unsigned_part(b.numbers.add(a, c), 64);
    if (is_mask(c.constant) && b.bounds(a).most <= c.constant) return b.numbers.add(c, a, -1);   // all bits turn
    if (auto value = b.one_of_few(a, 2)) return constant(*value ^ c.constant);
  } else {
    if (auto value = b.one_of_few(a, 2)) return bits_xor(b, c, constant(*value));
    if (auto value = b.one_of_few(c, 2)) return bits_xor(b, a, constant(*value));
  }
  return b.numbers.made(Made::bits_xor, std::min(a, c), std::max(a, c), kUnsigned64);
}

Number shift_right(Branching& b, const Number& x, const Number& by) {
  const Number a = b.unsigned_part(x, 64);
  const std::optional<Wide> bits = b.one_of_few(by, 1);
  if (!bits) return b.numbers.made(Made::shifted, a, by, kUnsigned64);
  if (*bits < 0 || *bits > 63) return b.give_up(), a;
  const Wide unit = Wide{1} << static_cast<unsigned>(*bits);
  if (a.is_constant()) return constant(a.constant / unit);
  if (unit == 1) return a;
  const Number made = quotient(b, a, constant(unit));
  const Bounds range = common(b.bounds(made), {0, (kWord - 1) / unit});
  if (range.most - range.least > 1) return made;
  return constant(b.at_most(made, range.least) ? range.least : range.most);
}

Number quotient(Branching& b, const Number& a, const Number& divisor) {
  if (a.is_constant() && divisor.is_constant()) return constant(a.constant / divisor.constant);
  if (divisor == constant(1)) return a;
  const Number made = b.numbers.made(Made::quotient, a, divisor, {0, kHuge});
  const Bounds range = b.bounds(made);
  return range.least == range.most ? constant(range.least) : made;
}

Number remainder(Branching& b, const Number& a, const Number& divisor) {
  if (!divisor.is_constant()) return b.numbers.add(a, b.numbers.times(quotient(b, a, divisor), divisor), -1);
  if (a.is_constant()) return constant(a.constant % divisor.constant);
  if (b.bounds(a).most < divisor.constant) return a;
  return b.numbers.made(Made::remainder, a, divisor, {0, divisor.constant - 1});
}

}  // namespace kerf::proof
