// The generated code of the object, instruction by instruction, on numbers that are not known: does condition N hold?
#pragma once
#include <map>
#include <optional>
#include <vector>

#include "backends/check/hook_inputs.h"
#include "backends/check/read_object.h"

namespace kerf::proof {

enum class Place : std::uint8_t { nowhere, seen, values, stack };

// What a register holds: a number, or a place with a distance from its begin.
struct Held {
  Place place = Place::nowhere;
  Number number;
  friend auto operator<=>(const Held&, const Held&) = default;
};

// Where a walk is when nothing that it read matters any more but by where it is: the place in .text and the registers that
// are still read, which hold constants and places only. So walks that meet are gone on with once.
struct CodePoint {
  std::uint64_t at = 0;
  std::map<int, Held> registers;
  friend auto operator<=>(const CodePoint&, const CodePoint&) = default;
};

class HookCode {
 public:
  explicit HookCode(const ObjectTables& object);

  std::optional<CodePoint> begin(std::uint32_t condition) const;
  // A walk of `branching`: what the code returns (error: it refuses), or the next point. It gives up at instructions that
  // conditions do not have, or that read elsewhere.
  struct Result {
    Outcome outcome = Outcome::false_;
    std::optional<CodePoint> next;
  };
  Result walk(Branching& branching, HookInputs& inputs, const CodePoint& from) const;

  const ObjectTables& object() const { return object_; }
  bool is_read(std::uint64_t at, int reg) const { return (read_[at / 8] >> reg & 1) != 0; }   // before it is written

 private:
  const ObjectTables& object_;
  std::vector<std::uint16_t> read_;   // by instruction: registers
};

}  // namespace kerf::proof
