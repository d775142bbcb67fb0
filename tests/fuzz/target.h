// A fuzz target takes any bytes; it returns if everything that it checks holds, and aborts otherwise. Each is run by a
// fuzzer (`make fuzz`) and, in every build, on the inputs that are kept (replay.cpp).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "driver/render.h"
#include "ir/base/diagnostic.h"
#include "ir/eval.h"

namespace kerf::fuzz {

// Declares every target: X(policy_text) …
#include "tests/fuzz/targets.def"
#define TARGET(name) void name(std::string_view input);
KERF_FUZZ_TARGETS(TARGET)
#undef TARGET

// Aborts unless `holds`, with the two texts that differ or explain.
void require(bool holds, std::string_view what, std::string_view one = {}, std::string_view other = {});
void require_equal(std::string_view what, std::string_view one, std::string_view other);

// One source and its messages.
struct Read {
  Sources sources;
  Diagnostics diagnostics;
  SourceId add(std::string_view text) { return sources.add("input", std::string(text)); }
  bool good() const { return !diagnostics.has_errors(); }
  // Renders every message in every form: spans must lie in the text. Gives good().
  bool render_all();
  std::string first() const { return good() ? "" : diagnostics.all().front().message; }
  bool only(std::initializer_list<Code> codes) const;   // has errors, all with these codes
};

// The schema, entities and requests of tests/fuzz/world.
struct World {
  Module module;                    // without policies
  std::string schema, entities;
  std::vector<Request> requests;
};
const World& world();

// The valid requests of a module's environments for stored entities and one that is not, with a plain context.
std::vector<Request> requests_of(const Module& module, std::size_t most);
std::string read_world_file(const std::string& name);

}  // namespace kerf::fuzz
