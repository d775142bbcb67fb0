// Tables of path automata that are cut short, or lead out of them.
#include <doctest/doctest.h>
#include <linux/types.h>

#include "backends/check/paths.h"
#include "runtime/abi/policy_abi.h"
#include "runtime/kernel/tables.h"

using namespace kerf::proof;

namespace {

constexpr std::uint32_t cell(std::uint32_t kind, std::uint32_t rest) { return kind << KERF_CELL_SHIFT | rest; }

const std::string kOutside = "a path automaton leaves its tables, or they disagree";

// Automaton 0: a node from which `/` leads to a final state of class 1, and everything else to one of class 0.
ObjectTables tables() {
  ObjectTables made;
  made.path_cells = {cell(KERF_CELL_NODE, 0), 0, 3, cell(KERF_CELL_FINAL, 0), 0, cell(KERF_CELL_FINAL, 0), 1, 0, 0, 0};
  made.path_bytes.assign(20, KERF_CELL_FINAL);               // no single cells
  made.path_edges.assign(256, ~std::uint64_t{0});
  made.path_edges['/'] = std::uint64_t{0} << 32 | 5;
  made.path_starts = {0, 0, 0};
  return made;
}

std::string error_of(const ObjectTables& made) {
  PathClasses paths;
  paths.add(PathTestKind::tree, "/");
  const auto error = paths.analyse(made);
  return error ? error->message : "";
}

}  // namespace

TEST_CASE("an automaton is walked within its tables") {
  CHECK(error_of(tables()) == "");

  ObjectTables edges = tables();                             // no byte that is followed needs the last entry
  edges.path_edges.resize(255);
  CHECK(error_of(edges) == kOutside);
  edges.path_edges.clear();
  CHECK(error_of(edges) == kOutside);

  ObjectTables moved = tables();                             // the same table, begun further on
  moved.path_cells[0] = cell(KERF_CELL_NODE, 1);
  CHECK(error_of(moved) == kOutside);

  ObjectTables edge = tables();
  edge.path_edges['/'] = std::uint64_t{0} << 32 | 4000;
  CHECK(error_of(edge) == kOutside);

  ObjectTables fallback = tables();
  fallback.path_cells[KERF_NODE_FALLBACK] = 4000;
  CHECK(error_of(fallback) == kOutside);

  ObjectTables byte = tables();
  byte.path_cells[5] = cell('a', 4000);                      // below the root: `a`, or out of the table
  byte.path_bytes[5] = 'a';
  CHECK(error_of(byte) == kOutside);
  byte.path_cells[5] = cell('a', 3);
  CHECK(error_of(byte) == kOutside);                         // on `a` to what is no state
  byte.path_cells[6] = cell(KERF_CELL_FINAL, 0);
  CHECK(error_of(byte) == "");
  byte.path_bytes[5] = 'b';
  CHECK(error_of(byte) == kOutside);
  byte.path_bytes.resize(8);
  CHECK(error_of(byte) == kOutside);
}
