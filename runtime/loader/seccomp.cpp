// The one decision: only instructions and answers that kerf's compiler makes are taken, so that nothing here has to know
// what else a filter could ask of the kernel (tracers, notifications, signals).
#include "runtime/loader/seccomp.h"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "ir/values/json.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/loader/failure.h"

namespace kerf::loader {
namespace {

constexpr std::size_t kMaxFilters = 1u << 16;
constexpr int kDeep = 16;
#if defined(__x86_64__)
constexpr std::string_view kOwnArchitecture = "x86_64";
#elif defined(__aarch64__)
constexpr std::string_view kOwnArchitecture = "aarch64";
#else
constexpr std::string_view kOwnArchitecture = "";
#endif

Failure malformed(const std::string& why) { return fail(Code::K7111, why); }

bool is_answer(std::uint32_t value) {
  if (value == SECCOMP_RET_ALLOW) return true;
  const std::uint32_t error = value & SECCOMP_RET_DATA;
  return (value & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO && (error == EPERM || error == EACCES || error == ENOSYS);
}

bool is_number(const Json& json) { return json.is_number_integer() && (json.is_number_unsigned() || json.get<std::int64_t>() >= 0); }

// `left`: how many steps follow.
const char* what_is_wrong(const sock_filter& step, std::size_t left) {
  switch (step.code) {
    case BPF_LD | BPF_W | BPF_ABS: return step.k % 4 != 0 || step.k >= sizeof(seccomp_data) ? "loads from outside of the call's data" : left == 0 ? "is the last one" : nullptr;
    case BPF_JMP | BPF_JA: return step.k >= left ? "jumps out of the filter" : nullptr;
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_K: return step.jt >= left || step.jf >= left ? "jumps out of the filter" : nullptr;
    case BPF_RET | BPF_K: return is_answer(step.k) ? nullptr : "gives an answer that no filter of kerf gives";
    default: return "is no instruction that filters of kerf have";
  }
}

std::optional<sock_filter> read_step(const Json& json) {
  if (!json.is_array() || json.size() != 4) return std::nullopt;
  constexpr std::uint64_t most[] = {0xffff, 0xff, 0xff, 0xffffffff};
  std::uint64_t parts[4];
  for (std::size_t i = 0; i < 4; ++i) {
    if (!is_number(json[i]) || json[i].get<std::uint64_t>() > most[i]) return std::nullopt;
    parts[i] = json[i].get<std::uint64_t>();
  }
  return sock_filter{static_cast<std::uint16_t>(parts[0]), static_cast<std::uint8_t>(parts[1]), static_cast<std::uint8_t>(parts[2]), static_cast<std::uint32_t>(parts[3])};
}

struct NamedProgram {
  std::string architecture;
  FilterProgram program;
};

bool has_keys(const Json& json, std::initializer_list<const char*> keys) {
  if (!json.is_object() || json.size() != keys.size()) return false;
  for (const char* key : keys) {
    if (!json.contains(key)) return false;
  }
  return true;
}

LoaderResult<NamedProgram> read_program(const Json& json, std::size_t index) {
  if (!has_keys(json, {"arch", "program"}) || !json["arch"].is_string() || !json["program"].is_array()) return malformed(fmt::format("filters[{}] has not the fields `arch` and `program`", index));
  NamedProgram named{json["arch"].get<std::string>(), {}};
  const std::size_t size = json["program"].size();
  if (size == 0 || size > BPF_MAXINSNS) return malformed(fmt::format("filters[{}] has {} instructions; 1 to {} are possible", index, size, BPF_MAXINSNS));
  for (std::size_t i = 0; i < size; ++i) {
    auto step = read_step(json["program"][i]);
    const char* wrong = step ? what_is_wrong(*step, size - 1 - i) : "is no list of four numbers";
    if (wrong) return malformed(fmt::format("filters[{}], instruction {}: it {}", index, i, wrong));
    named.program.push_back(*step);
  }
  return named;
}

// The filter of this machine's architecture; nothing if there is none.
LoaderResult<std::optional<std::size_t>> read_choice(const Json& json, const std::string& where, const std::vector<NamedProgram>& programs) {
  std::optional<std::size_t> own;
  if (!json.is_object() || json.empty()) return malformed(where + " has no filters");
  for (const auto& [architecture, index] : json.items()) {
    if (!is_number(index) || index.get<std::uint64_t>() >= programs.size()) return malformed(where + " names a filter that is not there");
    if (programs[index.get<std::size_t>()].architecture != architecture) return malformed(where + " names a filter of another architecture");
    if (architecture == kOwnArchitecture) own = index.get<std::size_t>();
  }
  return own;
}

}  // namespace

LoaderResult<Filters> read_filters(std::string_view text, const Entities& entities) {
  auto json = parse_json(text, kDeep);
  if (!json) return malformed(json.error().message);
  const bool shape = has_keys(*json, {"format", "version", "filters", "principals"}) && (*json)["filters"].is_array() && (*json)["principals"].is_array() &&
                     (*json)["filters"].size() <= kMaxFilters;
  if (!shape || (*json)["format"] != "kerf-seccomp") return malformed("it has not the fields of a set of filters");
  if ((*json)["version"] != 1) return malformed("its version is not 1");
  std::vector<NamedProgram> programs;
  for (const Json& filter : (*json)["filters"]) {
    auto program = read_program(filter, programs.size());
    if (!program) return program.error();
    programs.push_back(std::move(*program));
  }
  Filters filters;
  filters.governed = true;
  std::size_t rows = 0;
  for (const Json& row : (*json)["principals"]) {
    const std::string where = fmt::format("principals[{}]", rows++);
    if (!has_keys(row, {"principal", "filters"})) return malformed(where + " has not the fields `principal` and `filters`");
    auto uid = uid_from_json(row["principal"]);
    if (!uid || !entities.find(*uid)) return malformed(where + " is no entity of the bundle");
    auto own = read_choice(row["filters"], where, programs);
    if (!own) return own.error();
    if (*own && !filters.of.emplace(*uid, **own).second) return malformed(where + " is there twice");
  }
  for (NamedProgram& named : programs) filters.programs.push_back(std::move(named.program));
  return filters;
}

FilterProgram filter_for(const FilterProgram& program, std::uint32_t mode) {
  if (mode == KERF_MODE_QUARANTINE) return {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM}};
  FilterProgram filter = program;
  if (mode != KERF_MODE_AUDIT) return filter;
  for (sock_filter& step : filter) {
    const bool refusal = step.code == (BPF_RET | BPF_K) && step.k != SECCOMP_RET_ALLOW && (step.k & SECCOMP_RET_DATA) != ENOSYS;
    if (refusal) step.k = SECCOMP_RET_LOG;
  }
  return filter;
}

int install_filter(const FilterProgram& program) {
  sock_fprog filter{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0 ? 0 : errno;
}

}  // namespace kerf::loader
