// The one decision: of classic BPF only what is listed in `known` is understood; all else is no filter.
#include "backends/check/filter.h"

#include <fmt/format.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstring>

#include "ir/base/check.h"
#include "ir/values/json.h"

namespace kerf::proof {
namespace {

constexpr int kDeep = 64;

std::optional<std::string> why_no_step(const sock_filter& step, std::size_t left) {
  const std::size_t yes = step.jt, no = step.jf;
  switch (step.code) {
    case BPF_LD | BPF_W | BPF_ABS:
      return step.k % 4 == 0 && step.k < sizeof(seccomp_data) ? std::nullopt : std::optional<std::string>("a load outside of what there is");
    case BPF_JMP | BPF_JA: return step.k < left ? std::nullopt : std::optional<std::string>("a jump to nowhere");
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_K: return yes < left && no < left ? std::nullopt : std::optional<std::string>("a branch to nowhere");
    case BPF_RET | BPF_K: return std::nullopt;
    default: return fmt::format("the unknown instruction {:#x}", step.code);
  }
}

bool is_number(const Json& json) { return json.is_number_integer() && (json.is_number_unsigned() || json.get<std::int64_t>() >= 0); }

Result<Filter> read_filter(const Json& json) {
  if (!json.is_object() || !json.contains("arch") || !json["arch"].is_string() || !json.contains("program") || !json["program"].is_array()) {
    return Error{"a filter is an object with `arch` and `program`"};
  }
  Filter filter{json["arch"].get<std::string>(), {}};
  for (const Json& step : json["program"]) {
    if (!step.is_array() || step.size() != 4) return Error{"a step is a list of four numbers"};
    std::array<std::uint64_t, 4> parts;
    for (std::size_t i = 0; i < 4; ++i) {
      if (!is_number(step[i])) return Error{"a step is a list of four numbers"};
      parts[i] = step[i].get<std::uint64_t>();
    }
    if (parts[0] > 0xffff || parts[1] > 0xff || parts[2] > 0xff || parts[3] > 0xffffffff) return Error{"a number of a step is too large"};
    filter.program.push_back({static_cast<std::uint16_t>(parts[0]), static_cast<std::uint8_t>(parts[1]), static_cast<std::uint8_t>(parts[2]), static_cast<std::uint32_t>(parts[3])});
  }
  const std::size_t size = filter.program.size();
  if (size == 0 || size > BPF_MAXINSNS) return Error{fmt::format("a filter has 1 to {} steps", BPF_MAXINSNS)};
  for (std::size_t i = 0; i < size; ++i) {
    if (auto why = why_no_step(filter.program[i], size - 1 - i)) return Error{fmt::format("step {}: {}", i, *why)};
  }
  if (filter.program.back().code != (BPF_RET | BPF_K)) return Error{"the last step gives no answer"};
  return filter;
}

}  // namespace

Result<DecodedFilters> read_filters(std::string_view bytes) {
  Result<Json> json = parse_json(bytes, kDeep);
  if (!json) return json.error();
  if (!json->is_object() || json->value("format", Json()) != "kerf-seccomp" || json->value("version", Json()) != Json(1)) return Error{"it is no set of filters of version 1"};
  DecodedFilters result;
  const Json filters = json->value("filters", Json()), principals = json->value("principals", Json());
  if (!filters.is_array() || !principals.is_array()) return Error{"it has no lists of filters and principals"};
  for (const Json& one : filters) {
    auto filter = read_filter(one);
    if (!filter) return filter.error();
    result.filters.push_back(std::move(*filter));
  }
  for (const Json& row : principals) {
    if (!row.is_object() || !row.contains("principal") || !row.contains("filters") || !row["filters"].is_object()) return Error{"a row has `principal` and `filters`"};
    auto uid = uid_from_json(row["principal"]);
    if (!uid) return uid.error();
    auto [at, added] = result.principals.try_emplace(*uid);
    if (!added) return Error{fmt::format("{} twice", to_text(*uid))};
    for (const auto& [arch, index] : row["filters"].items()) {
      if (!is_number(index) || index.get<std::uint64_t>() >= result.filters.size()) return Error{"a filter that is not there"};
      if (result.filters[index.get<std::size_t>()].arch != arch) return Error{"a filter of another architecture"};
      at->second.emplace(arch, index.get<std::size_t>());
    }
  }
  return result;
}

std::uint32_t run_filter(const Filter& filter, const FilterInput& input, Compared* compared, std::size_t* entry) {
  seccomp_data data{};
  data.nr = static_cast<int>(input.number);
  data.arch = input.arch;
  for (std::size_t i = 0; i < 6; ++i) data.args[i] = input.args[i];
  constexpr std::size_t args = offsetof(seccomp_data, args);
  std::uint32_t word = 0, from = 0;
  for (std::size_t at = 0; at < filter.program.size(); ++at) {
    const sock_filter& step = filter.program[at];
    const bool enters = step.code == (BPF_RET | BPF_K) || (step.code == (BPF_LD | BPF_W | BPF_ABS) && step.k >= args);
    if (entry && enters) *entry = at, entry = nullptr;
    auto branch = [&](bool holds) {
      if (compared && from >= args) (*compared)[(from - args) / 8].insert((from - args) % 8 == 4 ? std::uint64_t{step.k} << 32 : step.k);
      at += holds ? step.jt : step.jf;
    };
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&word, reinterpret_cast<const char*>(&data) + step.k, sizeof word);
        from = step.k;
        break;
      case BPF_JMP | BPF_JA: at += step.k; break;
      case BPF_JMP | BPF_JEQ | BPF_K: branch(word == step.k); break;
      case BPF_JMP | BPF_JGT | BPF_K: branch(word > step.k); break;
      case BPF_JMP | BPF_JGE | BPF_K: branch(word >= step.k); break;
      case BPF_RET | BPF_K: return step.k;
      default: internal_error("a step that is read is known");
    }
  }
  internal_error("a filter ends with an answer");
}

}  // namespace kerf::proof
