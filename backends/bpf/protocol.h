// What emit_bpf asks of the helper program kerf-codegen, and its wire form: magic, version, payload length, FNV-1a of
// the payload, payload; numbers little-endian. The answer is framed the same way and holds the object. Reading is
// strict: anything unexpected is an Error, nothing is guessed.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/result.h"

namespace kerf::bpf {

enum class CodeType : std::uint8_t { boolean, long_, ip, name };   // long_: dates and durations too; name: of a file system type

enum class CodeOp : std::uint8_t {
  constant,       // low (boolean, long_); ip: high, low, v6, prefix; name: names[0]
  observe,        // observable; an error where it is absent
  slot,           // index
  and_, or_, not_, if_, eq, less, less_eq, add, sub, mul, neg,
  one_of,         // args[0] in members, or names
  in_range,       // args[0] is a single address, args[1] a range
  has,            // observable
  begins,         // args[0] is a name that begins with names[0]
  to_date,        // milliseconds less those since midnight; an error where that overflows
  to_time,        // milliseconds since midnight
  quotient,       // by low, towards zero
};

// `ip`, `name`, the numbers of seen.def, and the match class of the executable as a number.
enum class CodeObservable : std::uint8_t {
  ip,
#define KERF_SEEN(observable, field, bits, when, type, events) observable,
#include "runtime/abi/seen.def"
  name,
  comm,
  exe,
};

struct CodeNode {
  CodeOp op = CodeOp::constant;
  CodeType type = CodeType::boolean;
  CodeObservable observable = CodeObservable::ip;
  std::uint8_t v6 = 0, prefix = 0;
  std::uint32_t slot = 0;
  std::uint64_t high = 0, low = 0;
  std::vector<std::uint32_t> args;      // earlier nodes
  std::vector<std::int64_t> members;    // sorted
  std::vector<std::string> names;       // sorted, each shorter than KERF_FS_TYPE_BYTES and without 0
  friend auto operator<=>(const CodeNode&, const CodeNode&) = default;
};

using CodeExpr = std::vector<CodeNode>; // operands before users, the last node is the root, Bool

struct CodeTest {
  std::uint32_t expr;
  std::uint8_t outcome;                 // enum kerf_outcome
  friend auto operator<=>(const CodeTest&, const CodeTest&) = default;
};

using CodeCondition = std::vector<CodeTest>;   // all must hold

// What the helper's object depends on: not on tables, their lengths or bounds, which emit_bpf fills in.
struct CodegenRequest {
  std::uint64_t governed = 0;           // mask of events; programs that need none of them are left out
  bool reads_names = false;             // of hosts, by address
  std::vector<CodeExpr> exprs;
  std::vector<CodeCondition> conditions;
};

inline constexpr std::size_t kMaxConditions = 16384;
inline constexpr std::size_t kMaxExprNodes = 4096;

std::string write_request(const CodegenRequest& request);
Result<CodegenRequest> read_request(std::string_view bytes);
std::string write_answer(std::string_view object);
Result<std::string> read_answer(std::string_view bytes);

}  // namespace kerf::bpf
