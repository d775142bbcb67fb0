#include "backends/check/path_automaton.h"

#include <linux/types.h>

#include "ir/base/check.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

namespace kerf::proof {

namespace {

bool is_single(std::uint32_t kind) { return kind != KERF_CELL_NODE && kind != KERF_CELL_SCAN && kind != KERF_CELL_FINAL; }

}  // namespace

Spelling next_spelling(Spelling at, std::uint8_t byte) {
  switch (at) {
    case Spelling::start: return byte == '/' ? Spelling::root : byte == 'k' ? Spelling::nameless : Spelling::dead;
    case Spelling::root:
    case Spelling::slash: return byte == '/' ? Spelling::dead : byte == '.' ? Spelling::dot : Spelling::name;
    case Spelling::dot: return byte == '/' ? Spelling::dead : byte == '.' ? Spelling::dots : Spelling::name;
    case Spelling::dots: return byte == '/' ? Spelling::dead : Spelling::name;
    case Spelling::name: return byte == '/' ? Spelling::slash : Spelling::name;
    case Spelling::nameless: return byte == '/' ? Spelling::dead : Spelling::nameless;
    case Spelling::dead: return Spelling::dead;
  }
  internal_error("spelling");
}

PathAutomaton::PathAutomaton(const ObjectTables& tables, std::uint32_t number)
    : tables_(tables), absent_(tables.path_starts.empty()), start_(absent_ ? 0 : tables.path_starts.at(number)) {}

bool PathAutomaton::valid(std::uint32_t state) const {
  if (std::uint64_t{state} + KERF_NODE_CELLS > tables_.path_cells.size() || std::uint64_t{state} + 8 > tables_.path_bytes.size()) return false;
  const std::uint32_t kind = tables_.path_cells[state] >> KERF_CELL_SHIFT;
  return tables_.path_bytes[state] == (is_single(kind) ? kind : KERF_CELL_FINAL);
}

std::uint32_t PathAutomaton::next(std::uint32_t state, std::uint8_t byte) {
  if (absent_) return state;
  if (!valid(state)) return bad_ = true, state;
  const std::uint32_t cell = tables_.path_cells[state], kind = cell >> KERF_CELL_SHIFT, rest = cell & KERF_CELL_REST;
  if (kind == KERF_CELL_FINAL) return state;
  if (kind == KERF_CELL_SCAN) return tables_.path_cells[state + KERF_SCAN_BYTE] == byte ? rest : state;
  if (kind != KERF_CELL_NODE) return kind == byte ? state + 1 : rest;
  // Whatever the byte: those without an edge are followed by one of them only.
  if (std::uint64_t{rest} + 255 >= tables_.path_edges.size()) return bad_ = true, state;
  const std::uint64_t entry = tables_.path_edges[rest + byte];
  return entry >> 32 == state ? static_cast<std::uint32_t>(entry) : tables_.path_cells[state + KERF_NODE_FALLBACK];
}

std::uint32_t PathAutomaton::match(std::uint32_t state) {
  if (absent_) return 0;
  if (!valid(state)) return bad_ = true, 0;
  const std::uint32_t cell = tables_.path_cells[state], kind = cell >> KERF_CELL_SHIFT;
  if (is_single(kind)) state = cell & KERF_CELL_REST;
  if (!valid(state)) return bad_ = true, 0;
  return tables_.path_cells[state + KERF_NODE_MATCH];
}

const std::vector<std::uint8_t>& PathAutomaton::bytes(std::uint32_t state) {
  auto [it, fresh] = bytes_.try_emplace(state);
  if (!fresh || !valid(state)) return it->second;
  const std::uint32_t cell = tables_.path_cells[state], kind = cell >> KERF_CELL_SHIFT, rest = cell & KERF_CELL_REST;
  if (kind == KERF_CELL_FINAL) return it->second;
  if (kind == KERF_CELL_SCAN) {
    const std::uint32_t awaited = tables_.path_cells[state + KERF_SCAN_BYTE];   // the hook looks for its lowest byte, over all of it
    if (awaited > 0xff) bad_ = true;
    return it->second.push_back(static_cast<std::uint8_t>(awaited)), it->second;
  }
  if (kind != KERF_CELL_NODE) return it->second.push_back(static_cast<std::uint8_t>(kind)), it->second;
  for (std::uint32_t byte = 1; byte < 255; ++byte) {
    const std::uint64_t edge = std::uint64_t{rest} + byte;
    if (edge < tables_.path_edges.size() && tables_.path_edges[edge] >> 32 == state) it->second.push_back(static_cast<std::uint8_t>(byte));
  }
  return it->second;
}

}  // namespace kerf::proof
