// CodegenRequest <-> bytes. The one decision: both programs come from one build, so the form is plain and unversioned
// inside; the frame's version and checksum only make sure that it is that build and that nothing was cut off.
#include "backends/bpf/protocol.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "runtime/abi/policy_abi.h"

namespace kerf::bpf {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire form is copied as it is");

constexpr std::string_view kRequestMagic = "KERFCGRQ", kAnswerMagic = "KERFCGAN";
constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kFrameBytes = 8 + 4 + 8 + 8;

std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  return hash;
}

class Writer {
 public:
  std::string bytes;
  template <class T>
  void number(T value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes.append(raw, sizeof value);
  }
  void text(std::string_view value) {
    number<std::uint64_t>(value.size());
    bytes += value;
  }
  template <class T>
  void numbers(const std::vector<T>& values) {
    number<std::uint64_t>(values.size());
    for (T value : values) number(value);
  }
};

// After the first failure everything reads as zero and empty; the caller asks failed() once at the end.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  template <class T>
  T number() {
    T value{};
    if (rest_.size() < sizeof value) return fail(), value;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::string text() {
    auto size = number<std::uint64_t>();
    if (size > rest_.size()) return fail(), std::string();
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return value;
  }
  // A count of things of at least `unit` bytes each.
  std::size_t count(std::size_t unit) {
    auto n = number<std::uint64_t>();
    if (n > rest_.size() / unit) return fail(), 0;
    return n;
  }
  template <class T>
  std::vector<T> numbers() {
    std::vector<T> values(count(sizeof(T)));
    for (T& value : values) value = number<T>();
    return values;
  }
  template <class E>
  E choice(E last) {
    auto value = number<std::uint8_t>();
    if (value > static_cast<std::uint8_t>(last)) return fail(), E{};
    return static_cast<E>(value);
  }
  void fail() { failed_ = true; rest_ = {}; }
  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

void write_node(Writer& out, const CodeNode& node) {
  out.number(static_cast<std::uint8_t>(node.op));
  out.number(static_cast<std::uint8_t>(node.type));
  out.number(static_cast<std::uint8_t>(node.observable));
  out.number(node.v6);
  out.number(node.prefix);
  out.number(node.slot);
  out.number(node.high);
  out.number(node.low);
  out.numbers(node.args);
  out.numbers(node.members);
  out.number<std::uint64_t>(node.names.size());
  for (const std::string& name : node.names) out.text(name);
}

CodeNode read_node(Reader& in, std::size_t index) {
  CodeNode node;
  node.op = in.choice(CodeOp::quotient);
  node.type = in.choice(CodeType::name);
  node.observable = in.choice(CodeObservable::exe);
  node.v6 = in.number<std::uint8_t>();
  node.prefix = in.number<std::uint8_t>();
  node.slot = in.number<std::uint32_t>();
  node.high = in.number<std::uint64_t>();
  node.low = in.number<std::uint64_t>();
  node.args = in.numbers<std::uint32_t>();
  node.members = in.numbers<std::int64_t>();
  node.names.resize(in.count(8));
  for (std::string& name : node.names) {
    name = in.text();
    if (name.size() >= KERF_FS_TYPE_BYTES || name.find('\0') != std::string::npos) in.fail();
  }
  for (std::uint32_t arg : node.args) {
    if (arg >= index) in.fail();
  }
  if ((node.op == CodeOp::begins && node.names.size() != 1) || (node.op == CodeOp::quotient && node.low == 0)) in.fail();
  return node;
}

std::string frame(std::string_view magic, std::string_view payload) {
  Writer out;
  out.bytes = magic;
  out.number(kVersion);
  out.number<std::uint64_t>(payload.size());
  out.number(fnv1a(payload));
  out.bytes += payload;
  return out.bytes;
}

Result<std::string_view> unframe(std::string_view magic, std::string_view bytes) {
  if (bytes.size() < kFrameBytes || bytes.substr(0, 8) != magic) return Error{"not a message of kerf-codegen"};
  Reader in(bytes.substr(8));
  auto version = in.number<std::uint32_t>();
  auto size = in.number<std::uint64_t>();
  auto sum = in.number<std::uint64_t>();
  std::string_view payload = bytes.substr(kFrameBytes);
  if (version != kVersion) return Error{fmt::format("kerf-codegen speaks version {}, not {}", version, kVersion)};
  if (payload.size() != size || fnv1a(payload) != sum) return Error{"a message of kerf-codegen is cut off or damaged"};
  return payload;
}

}  // namespace

std::string write_request(const CodegenRequest& request) {
  Writer out;
  out.number(request.governed);
  out.number(std::uint8_t{request.reads_names});
  out.number<std::uint64_t>(request.exprs.size());
  for (const CodeExpr& expr : request.exprs) {
    out.number<std::uint64_t>(expr.size());
    for (const CodeNode& node : expr) write_node(out, node);
  }
  out.number<std::uint64_t>(request.conditions.size());
  for (const CodeCondition& condition : request.conditions) {
    out.number<std::uint64_t>(condition.size());
    for (const CodeTest& test : condition) {
      out.number(test.expr);
      out.number(test.outcome);
    }
  }
  return frame(kRequestMagic, out.bytes);
}

Result<CodegenRequest> read_request(std::string_view bytes) {
  auto payload = unframe(kRequestMagic, bytes);
  if (!payload) return payload.error();
  Reader in(*payload);
  CodegenRequest request;
  request.governed = in.number<std::uint64_t>();
  const std::uint8_t reads_names = in.number<std::uint8_t>();
  if (reads_names > 1) in.fail();
  request.reads_names = reads_names == 1;
  request.exprs.resize(in.count(8));
  for (CodeExpr& expr : request.exprs) {
    std::size_t nodes = in.count(45);
    for (std::size_t i = 0; i < nodes; ++i) expr.push_back(read_node(in, i));
    if (expr.empty() || expr.back().type != CodeType::boolean) in.fail();
  }
  request.conditions.resize(in.count(8));
  for (CodeCondition& condition : request.conditions) {
    condition.resize(in.count(5));
    for (CodeTest& test : condition) {
      test.expr = in.number<std::uint32_t>();
      test.outcome = in.number<std::uint8_t>();
      if (test.expr >= request.exprs.size() || test.outcome > 2) in.fail();
    }
  }
  if (in.failed() || !in.at_end()) return Error{"a request to kerf-codegen is malformed"};
  return request;
}

std::string write_answer(std::string_view object) { return frame(kAnswerMagic, object); }

Result<std::string> read_answer(std::string_view bytes) {
  auto payload = unframe(kAnswerMagic, bytes);
  if (!payload) return payload.error();
  return std::string(*payload);
}

}  // namespace kerf::bpf
