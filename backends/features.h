// What enforcement promises beside the decision itself, by the rows of runtime/abi/programs.def.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/module.h"
#include "ir/values/json.h"

namespace kerf {

struct Feature {
  std::string_view name, what;
  std::vector<std::string_view> programs;   // all of the feature that the governed events bring in
  bool guard() const { return name.starts_with("guard-"); }   // can be waived by the author of a bundle
};

// Events that some action of the schema binds: a mask of enum kerf_event_kind; and KERF_READS_EXE.
std::uint64_t governed_events(const Schema& schema);
std::vector<std::string> event_names(std::uint64_t governed);
// In the table's order; those without a program for these events are left out.
std::vector<Feature> features_of(std::uint64_t governed);

// K7913 for every name that is no guard of these events.
void check_waived(const std::vector<std::string>& waived, std::uint64_t governed, Diagnostics& diagnostics);

// What `kerf split` says about guards: which hold, which are waived.
Json guards_to_json(std::uint64_t governed, const std::vector<std::string>& waived);
std::string guards_to_text(std::uint64_t governed, const std::vector<std::string>& waived);

}  // namespace kerf
