// An interpreter for the few instructions of conditions (RFC 9669). Three places can be read: the event, the values, and
// the stack, which can be written too.
#include "backends/check/hook_code.h"

#include <linux/bpf.h>

#include <array>
#include <cstring>

namespace kerf::proof {

namespace {

constexpr std::uint64_t kSeen = 1ull << 40, kValues = 2ull << 40, kStack = 3ull << 40;
constexpr std::size_t kStackBytes = 512, kMaxSteps = 1u << 20;
constexpr int kMaxCalls = 8;

class Machine {
 public:
  Machine(const ObjectTables& object, std::span<const std::uint8_t> seen, std::span<const std::uint8_t> values)
      : object_(object), seen_(seen), values_(values) {}

  std::optional<std::uint64_t> call(std::uint64_t at, std::array<std::uint64_t, 6> arguments, int depth) {
    if (depth > kMaxCalls) return std::nullopt;
    std::array<std::uint64_t, 11> r{};
    for (std::size_t i = 1; i < arguments.size(); ++i) r[i] = arguments[i];
    std::array<std::uint8_t, kStackBytes> stack{};
    r[10] = kStack + kStackBytes;
    for (;; at += sizeof(bpf_insn)) {
      bpf_insn i;
      if (++steps_ > kMaxSteps || at + sizeof i > object_.text.size()) return std::nullopt;
      std::memcpy(&i, object_.text.data() + at, sizeof i);
      if (i.dst_reg > 10 || i.src_reg > 10) return std::nullopt;
      const unsigned kind = BPF_CLASS(i.code);
      if (kind == BPF_ALU || kind == BPF_ALU64) {
        if (!compute(i, r, kind == BPF_ALU64)) return std::nullopt;
      } else if (kind == BPF_LDX || kind == BPF_STX || kind == BPF_ST) {
        if (!memory(i, r, stack)) return std::nullopt;
      } else if (i.code == (BPF_JMP | BPF_EXIT)) {
        return r[0];
      } else if (i.code == (BPF_JMP | BPF_CALL)) {
        auto target = object_.calls.find(at);
        if (i.src_reg != BPF_PSEUDO_CALL || target == object_.calls.end()) return std::nullopt;
        auto result = call(target->second, {0, r[1], r[2], r[3], r[4], r[5]}, depth + 1);
        if (!result) return std::nullopt;
        r[0] = *result;
      } else if (i.code == (BPF_LD | BPF_IMM | BPF_DW)) {
        bpf_insn second;
        if (i.src_reg != 0 || at + 2 * sizeof i > object_.text.size()) return std::nullopt;
        std::memcpy(&second, object_.text.data() + at + sizeof i, sizeof second);
        r[i.dst_reg] = static_cast<std::uint32_t>(i.imm) | std::uint64_t{static_cast<std::uint32_t>(second.imm)} << 32;
        at += sizeof i;
      } else if (kind == BPF_JMP || kind == BPF_JMP32) {
        const std::optional<bool> taken = jumps(i, r, kind == BPF_JMP);
        if (!taken) return std::nullopt;
        if (*taken) at += static_cast<std::uint64_t>(std::int64_t{i.off} * static_cast<std::int64_t>(sizeof i));
      } else {
        return std::nullopt;
      }
    }
  }

 private:
  static std::uint64_t operand(const bpf_insn& i, const std::array<std::uint64_t, 11>& r) {
    return BPF_SRC(i.code) == BPF_X ? r[i.src_reg] : static_cast<std::uint64_t>(std::int64_t{i.imm});
  }

  static bool compute(const bpf_insn& i, std::array<std::uint64_t, 11>& r, bool wide) {
    std::uint64_t a = r[i.dst_reg], b = operand(i, r);
    if (!wide) a = static_cast<std::uint32_t>(a), b = static_cast<std::uint32_t>(b);
    const unsigned shift = static_cast<unsigned>(b & (wide ? 63 : 31));
    if (i.off != 0) return false;   // signed forms
    switch (BPF_OP(i.code)) {
      case BPF_ADD: a += b; break;
      case BPF_SUB: a -= b; break;
      case BPF_MUL: a *= b; break;
      case BPF_DIV: a = b == 0 ? 0 : a / b; break;
      case BPF_MOD: a = b == 0 ? a : a % b; break;
      case BPF_OR: a |= b; break;
      case BPF_AND: a &= b; break;
      case BPF_XOR: a ^= b; break;
      case BPF_LSH: a <<= shift; break;
      case BPF_RSH: a >>= shift; break;
      case BPF_ARSH:
        a = wide ? static_cast<std::uint64_t>(static_cast<std::int64_t>(a) >> shift)
                 : static_cast<std::uint64_t>(static_cast<std::int32_t>(a) >> shift);
        break;
      case BPF_NEG: a = 0 - a; break;
      case BPF_MOV: a = b; break;
      default: return false;
    }
    r[i.dst_reg] = wide ? a : static_cast<std::uint32_t>(a);
    return true;
  }

  static std::optional<bool> jumps(const bpf_insn& i, const std::array<std::uint64_t, 11>& r, bool wide) {
    std::uint64_t a = r[i.dst_reg], b = operand(i, r);
    auto x = static_cast<std::int64_t>(a), y = static_cast<std::int64_t>(b);
    if (!wide) {
      a = static_cast<std::uint32_t>(a), b = static_cast<std::uint32_t>(b);
      x = static_cast<std::int32_t>(a), y = static_cast<std::int32_t>(b);
    }
    switch (BPF_OP(i.code)) {
      case BPF_JA: return wide ? std::optional(true) : std::nullopt;
      case BPF_JEQ: return a == b;
      case BPF_JNE: return a != b;
      case BPF_JGT: return a > b;
      case BPF_JGE: return a >= b;
      case BPF_JLT: return a < b;
      case BPF_JLE: return a <= b;
      case BPF_JSET: return (a & b) != 0;
      case BPF_JSGT: return x > y;
      case BPF_JSGE: return x >= y;
      case BPF_JSLT: return x < y;
      case BPF_JSLE: return x <= y;
      default: return std::nullopt;
    }
  }

  static std::size_t width(const bpf_insn& i) {
    switch (BPF_SIZE(i.code)) {
      case BPF_B: return 1;
      case BPF_H: return 2;
      case BPF_W: return 4;
      default: return 8;
    }
  }

  bool memory(const bpf_insn& i, std::array<std::uint64_t, 11>& r, std::array<std::uint8_t, kStackBytes>& stack) const {
    if (BPF_MODE(i.code) != BPF_MEM) return false;
    const bool loads = BPF_CLASS(i.code) == BPF_LDX;
    const std::uint64_t address = r[loads ? i.src_reg : i.dst_reg] + static_cast<std::uint64_t>(std::int64_t{i.off});
    const std::uint64_t offset = address & (kSeen - 1);
    const std::size_t bytes = width(i);
    if (address - offset == kStack) {
      if (offset > stack.size() || bytes > stack.size() - offset) return false;
      if (loads) return load(stack, offset, bytes, r[i.dst_reg]);
      const std::uint64_t value = BPF_CLASS(i.code) == BPF_STX ? r[i.src_reg] : static_cast<std::uint64_t>(std::int64_t{i.imm});
      std::memcpy(stack.data() + offset, &value, bytes);
      return true;
    }
    if (!loads) return false;
    if (address - offset == kSeen) return load(seen_, offset, bytes, r[i.dst_reg]);
    return address - offset == kValues && load(values_, offset, bytes, r[i.dst_reg]);
  }

  static bool load(std::span<const std::uint8_t> from, std::uint64_t offset, std::size_t bytes, std::uint64_t& to) {
    if (offset > from.size() || bytes > from.size() - offset) return false;
    to = 0;
    std::memcpy(&to, from.data() + offset, bytes);
    return true;
  }

  const ObjectTables& object_;
  std::span<const std::uint8_t> seen_, values_;
  std::size_t steps_ = 0;
};

}  // namespace

std::optional<CodeAnswer> run_condition(const ObjectTables& object, std::uint32_t condition, std::span<const std::uint8_t> seen,
                                        std::span<const std::uint8_t> values) {
  auto code = object.functions.find("kerf_code");
  if (code == object.functions.end()) return std::nullopt;
  auto result = Machine(object, seen, values).call(code->second, {0, kSeen, kValues, condition, 0, 0}, 0);
  if (!result) return std::nullopt;
  switch (static_cast<std::uint32_t>(*result)) {
    case 0: return CodeAnswer::fails;
    case 1: return CodeAnswer::holds;
    default: return CodeAnswer::refuses;
  }
}

}  // namespace kerf::proof
