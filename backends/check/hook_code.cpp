// An interpreter for the few instructions of conditions (RFC 9669). Three places can be read: the event, the values, and
// the stack, which can be written too. The one decision: registers hold whole numbers, congruent to what the machine holds
// modulo 2^64; a comparison finds the number itself, by cases.
#include "backends/check/hook_code.h"

#include <linux/bpf.h>

#include <array>
#include <cstring>
#include <map>

namespace kerf::proof {

namespace {

constexpr std::size_t kMaxSteps = 1u << 16;
constexpr int kMaxCalls = 8;

using Registers = std::array<Held, 11>;

Held number(Wide n) { return {Place::nowhere, {{}, n}}; }

class Machine {
 public:
  Machine(Branching& branching, HookInputs& inputs, const HookCode& code) : b_(branching), inputs_(inputs), code_(code), object_(code.object()) {}

  std::optional<CodePoint> next;   // where the walk may go on later

  Held call(std::uint64_t at, Registers r, int depth) {
    std::map<Wide, Held> stack;
    r[10] = {Place::stack, {}};
    for (;; at += sizeof(bpf_insn)) {
      bpf_insn i;
      if (++steps_ > kMaxSteps || depth > kMaxCalls || b_.lost() || at + sizeof i > object_.text.size()) return stop();
      std::memcpy(&i, object_.text.data() + at, sizeof i);
      if (i.dst_reg > 10 || i.src_reg > 10) return stop();
      const unsigned kind = BPF_CLASS(i.code);
      if (kind == BPF_ALU || kind == BPF_ALU64) {
        if (!compute(i, r, kind == BPF_ALU64)) return stop();
      } else if (kind == BPF_LDX || kind == BPF_STX || kind == BPF_ST) {
        if (!memory(i, r, stack)) return stop();
      } else if (i.code == (BPF_JMP | BPF_EXIT)) {
        return r[0];
      } else if (i.code == (BPF_JMP | BPF_CALL)) {
        auto target = object_.calls.find(at);
        if (i.src_reg != BPF_PSEUDO_CALL || target == object_.calls.end()) return stop();
        if (depth == 0 && stack.empty() && returns_at_once(at + sizeof i)) {
          at = target->second - sizeof i;
          continue;
        }
        r[0] = call(target->second, r, depth + 1);
      } else if (i.code == (BPF_LD | BPF_IMM | BPF_DW)) {
        bpf_insn second;
        if (i.src_reg != 0 || at + 2 * sizeof i > object_.text.size()) return stop();
        std::memcpy(&second, object_.text.data() + at + sizeof i, sizeof second);
        r[i.dst_reg] = number(static_cast<std::uint32_t>(i.imm) | std::uint64_t{static_cast<std::uint32_t>(second.imm)} << 32);
        at += sizeof i;
      } else if (kind == BPF_JMP || kind == BPF_JMP32) {
        const std::optional<bool> taken = jumps(i, r, kind == BPF_JMP);
        if (!taken) return stop();
        if (*taken) at += static_cast<std::uint64_t>(std::int64_t{i.off} * static_cast<std::int64_t>(sizeof i));
        if (depth == 0 && stack.empty() && b_.has_chosen() && can_part(at + sizeof i, r)) return {};
      } else {
        return stop();
      }
    }
  }

 private:
  bool returns_at_once(std::uint64_t at) const {
    bpf_insn i;
    for (std::size_t steps = 0; steps < 8 && at + sizeof i <= object_.text.size(); ++steps) {
      std::memcpy(&i, object_.text.data() + at, sizeof i);
      if (i.code != (BPF_JMP | BPF_JA)) return i.code == (BPF_JMP | BPF_EXIT);
      at += static_cast<std::uint64_t>((std::int64_t{i.off} + 1) * static_cast<std::int64_t>(sizeof i));
    }
    return false;
  }

  bool can_part(std::uint64_t at, const Registers& r) {
    if (at + sizeof(bpf_insn) > object_.text.size()) return false;
    CodePoint point{at, {}};
    for (int reg = 0; reg < 10; ++reg) {
      if (!code_.is_read(at, reg)) continue;
      const Held& held = r[static_cast<std::size_t>(reg)];
      if (!held.number.is_constant() || held.place == Place::stack) return false;
      point.registers.emplace(reg, held);
    }
    next = std::move(point);
    return true;
  }

  Held stop() {
    b_.give_up();
    return {};
  }

  static Held operand(const bpf_insn& i, const Registers& r) { return BPF_SRC(i.code) == BPF_X ? r[i.src_reg] : number(i.imm); }

  bool compute(const bpf_insn& i, Registers& r, bool wide) {
    const Held &a = r[i.dst_reg], b = operand(i, r);
    if (i.off != 0) return false;   // signed forms
    const auto op = BPF_OP(i.code);
    if (wide && op == BPF_MOV) return r[i.dst_reg] = b, true;
    if (wide && a.place != Place::nowhere && op == BPF_ADD && b.place == Place::nowhere && b.number.is_constant()) {
      r[i.dst_reg] = {a.place, {{}, a.number.constant + b_.signed_part(b.number, 64).constant}};
      return true;
    }
    if (b.place != Place::nowhere || (a.place != Place::nowhere && op != BPF_MOV)) return false;
    const unsigned bits = wide ? 64 : 32;
    auto low = [&](const Number& n) { return wide ? n : b_.unsigned_part(n, 32); };
    auto made = op == BPF_MOV ? std::optional(b.number) : result(op, low(a.number), low(b.number), bits);
    if (!made) return false;
    r[i.dst_reg] = {Place::nowhere, wide ? std::move(*made) : b_.unsigned_part(*made, 32)};
    return true;
  }

  std::optional<Number> result(unsigned op, const Number& a, const Number& b, unsigned bits) {
    Numbers& n = b_.numbers;
    switch (op) {
      case BPF_ADD: return n.add(a, b);
      case BPF_SUB: return n.add(a, b, -1);
      case BPF_MUL: return n.times(a, b);
      case BPF_NEG: return n.add({}, a, -1);
      case BPF_AND: return bits_and(b_, a, b);
      case BPF_XOR: return bits_xor(b_, a, b);
      case BPF_OR: return bits_or(a, b);
      case BPF_DIV: return divide(a, b, bits, false);
      case BPF_MOD: return divide(a, b, bits, true);
      case BPF_LSH: return shift_left(a, b, bits);
      case BPF_RSH: return shift(a, b, bits, false);
      case BPF_ARSH: return shift(a, b, bits, true);
      default: return std::nullopt;
    }
  }

  // x | y is x + y - (x & y).
  Number bits_or(const Number& a, const Number& b) {
    if (a == Number{} || b == Number{}) return a == Number{} ? b : a;
    const Number x = b_.unsigned_part(a, 64), y = b_.unsigned_part(b, 64);
    return b_.numbers.add(b_.numbers.add(x, y), bits_and(b_, x, y), -1);
  }

  // By 0 the quotient is 0, and the rest the number itself.
  Number divide(const Number& a, const Number& b, unsigned bits, bool rest) {
    const Number n = b_.unsigned_part(a, bits), d = b_.unsigned_part(b, bits);
    if (b_.at_most(d, 0)) return rest ? n : Number{};
    return rest ? remainder(b_, n, d) : quotient(b_, n, d);
  }

  std::optional<Number> shift_left(const Number& a, const Number& by, unsigned bits) {
    const auto count = b_.one_of_few(bits_and(b_, by, {{}, bits - 1}), 64);
    if (!count) return std::nullopt;
    return b_.numbers.times(a, {{}, Wide{1} << static_cast<unsigned>(*count)});
  }

  std::optional<Number> shift(const Number& a, const Number& by, unsigned bits, bool with_sign) {
    const Number count = bits_and(b_, by, {{}, bits - 1});
    if (count.is_constant() && bits == 64) {   // what was shifted left before: its lowest bits
      const auto unit = Wide{1} << static_cast<unsigned>(count.constant);
      bool whole = a.constant % unit == 0;
      for (const auto& [inputs, factor] : a.terms) whole = whole && factor % unit == 0;
      if (whole && count.constant != 0) {
        Number less = a;
        less.constant /= unit;
        for (auto& [inputs, factor] : less.terms) factor /= unit;
        const auto left = static_cast<unsigned>(64 - count.constant);
        return with_sign ? b_.signed_part(less, left) : b_.unsigned_part(less, left);
      }
    }
    if (!with_sign) return shift_right(b_, b_.unsigned_part(a, bits), count);
    const Number n = b_.signed_part(a, bits);
    if (!b_.at_most(n, -1)) return shift_right(b_, n, count);
    // Of a negative number: -1 - ((-1 - n) >> count)
    return b_.numbers.add({{}, -1}, shift_right(b_, b_.numbers.add({{}, -1}, n, -1), count), -1);
  }

  std::optional<bool> jumps(const bpf_insn& i, const Registers& r, bool wide) {
    const auto op = BPF_OP(i.code);
    if (op == BPF_JA) return wide ? std::optional(true) : std::nullopt;
    const Held &a = r[i.dst_reg], b = operand(i, r);
    if (a.place != Place::nowhere) {   // no pointer is null
      if (b.place != Place::nowhere || b.number != Number{} || (op != BPF_JEQ && op != BPF_JNE)) return std::nullopt;
      return op == BPF_JNE;
    }
    if (b.place != Place::nowhere) return std::nullopt;
    const unsigned bits = wide ? 64 : 32;
    auto at_most = [&](const Number& x, const Number& y, Wide by) { return b_.at_most(b_.numbers.add(x, y, -1), by); };
    switch (op) {
      case BPF_JEQ: case BPF_JNE: return equal(a.number, b.number, bits) == (op == BPF_JEQ);
      case BPF_JSET: return !b_.at_most(bits_and(b_, b_.unsigned_part(a.number, bits), b_.unsigned_part(b.number, bits)), 0);
      default: break;
    }
    const bool with_sign = op == BPF_JSGT || op == BPF_JSGE || op == BPF_JSLT || op == BPF_JSLE;
    const Number x = with_sign ? b_.signed_part(a.number, bits) : b_.unsigned_part(a.number, bits);
    const Number y = with_sign ? b_.signed_part(b.number, bits) : b_.unsigned_part(b.number, bits);
    switch (op) {
      case BPF_JGT: case BPF_JSGT: return !at_most(x, y, 0);
      case BPF_JGE: case BPF_JSGE: return !at_most(x, y, -1);
      case BPF_JLT: case BPF_JSLT: return at_most(x, y, -1);
      case BPF_JLE: case BPF_JSLE: return at_most(x, y, 0);
      default: return std::nullopt;
    }
  }

  bool equal(const Number& a, const Number& b, unsigned bits) {
    const Bounds range = b_.bounds(b_.numbers.add(a, b, -1));
    const Wide span = Wide{1} << bits;
    if (range.least > -span && range.most < span) return b_.equal(a, b);   // else it may be a multiple
    return b_.equal(b_.unsigned_part(a, bits), b_.unsigned_part(b, bits));
  }

  static std::size_t width(const bpf_insn& i) {
    switch (BPF_SIZE(i.code)) {
      case BPF_B: return 1;
      case BPF_H: return 2;
      case BPF_W: return 4;
      default: return 8;
    }
  }

  bool memory(const bpf_insn& i, Registers& r, std::map<Wide, Held>& stack) {
    if (BPF_MODE(i.code) != BPF_MEM) return false;
    const bool loads = BPF_CLASS(i.code) == BPF_LDX;
    const Held& base = r[loads ? i.src_reg : i.dst_reg];
    const Wide offset = base.number.constant + i.off;
    if (base.place == Place::stack) return spill(i, r, stack, offset, loads);
    if (!loads || offset < 0 || base.place == Place::nowhere) return false;
    const auto at = static_cast<std::uint64_t>(offset);
    const std::optional<Number> field = base.place == Place::seen ? inputs_.seen(at, width(i)) : inputs_.value(at, width(i));
    if (field) r[i.dst_reg] = {Place::nowhere, *field};
    return field.has_value();
  }

  // Whole words, read as they were written.
  static bool spill(const bpf_insn& i, Registers& r, std::map<Wide, Held>& stack, Wide offset, bool loads) {
    if (width(i) != 8 || offset % 8 != 0) return false;
    if (!loads) return stack[offset] = BPF_CLASS(i.code) == BPF_STX ? r[i.src_reg] : number(i.imm), true;
    auto found = stack.find(offset);
    if (found == stack.end()) return false;
    r[i.dst_reg] = found->second;
    return true;
  }

  Branching& b_;
  HookInputs& inputs_;
  const HookCode& code_;
  const ObjectTables& object_;
  std::size_t steps_ = 0;
};

// What an instruction reads and writes, as bits.
struct Effect {
  unsigned reads = 0, writes = 0;
};

Effect effect(const bpf_insn& i) {
  const unsigned dst = 1u << i.dst_reg, src = 1u << i.src_reg, operand = BPF_SRC(i.code) == BPF_X ? src : 0;
  switch (BPF_CLASS(i.code)) {
    case BPF_ALU: case BPF_ALU64: return {BPF_OP(i.code) == BPF_MOV ? operand : dst | operand, dst};
    case BPF_LDX: return {src, dst};
    case BPF_STX: return {dst | src, 0};
    case BPF_ST: return {dst, 0};
    case BPF_LD: return {0, dst};
    default: break;
  }
  if (i.code == (BPF_JMP | BPF_EXIT)) return {1, 0};
  if (i.code == (BPF_JMP | BPF_CALL)) return {0x3e, 0x3f};
  return {BPF_OP(i.code) == BPF_JA ? 0 : dst | operand, 0};
}

}  // namespace

// Backwards until nothing changes; what leaves .text reads everything.
HookCode::HookCode(const ObjectTables& object) : object_(object), read_(object.text.size() / sizeof(bpf_insn), 0) {
  std::vector<bpf_insn> code(read_.size());
  std::memcpy(code.data(), object.text.data(), code.size() * sizeof(bpf_insn));
  auto read_at = [&](std::int64_t at) { return at >= 0 && at < static_cast<std::int64_t>(read_.size()) ? unsigned{read_[static_cast<std::size_t>(at)]} : 0x7ffu; };
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t at = code.size(); at-- > 0;) {
      const bpf_insn& i = code[at];
      const unsigned kind = BPF_CLASS(i.code);
      const bool jump = (kind == BPF_JMP || kind == BPF_JMP32) && i.code != (BPF_JMP | BPF_CALL) && i.code != (BPF_JMP | BPF_EXIT);
      const auto here = static_cast<std::int64_t>(at);
      unsigned after = 0;
      if (i.code != (BPF_JMP | BPF_EXIT) && !(jump && BPF_OP(i.code) == BPF_JA)) after |= read_at(here + (i.code == (BPF_LD | BPF_IMM | BPF_DW) ? 2 : 1));
      if (jump) after |= read_at(here + 1 + i.off);
      const Effect e = effect(i);
      const auto made = static_cast<std::uint16_t>(e.reads | (after & ~e.writes));
      changed = changed || made != read_[at];
      read_[at] = made;
    }
  }
}

std::optional<CodePoint> HookCode::begin(std::uint32_t condition) const {
  auto code = object_.functions.find("kerf_code");
  if (code == object_.functions.end() || code->second % sizeof(bpf_insn) != 0) return std::nullopt;
  return CodePoint{code->second, {{1, {Place::seen, {}}}, {2, {Place::values, {}}}, {3, number(condition)}}};
}

HookCode::Result HookCode::walk(Branching& branching, HookInputs& inputs, const CodePoint& from) const {
  Registers r{};
  for (const auto& [reg, held] : from.registers) r[static_cast<std::size_t>(reg)] = held;
  Machine machine(branching, inputs, *this);
  const Held result = machine.call(from.at, r, 0);
  if (machine.next || branching.lost()) return {Outcome::false_, std::move(machine.next)};
  const Number low = branching.unsigned_part(result.number, 32);
  if (result.place != Place::nowhere || !low.is_constant()) return branching.give_up(), Result{};
  return {low.constant == 1 ? Outcome::true_ : low.constant == 0 ? Outcome::false_ : Outcome::error, std::nullopt};
}

}  // namespace kerf::proof
