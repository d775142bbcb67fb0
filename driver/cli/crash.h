// The report of an internal error: what a maintainer needs, and nothing that is not theirs to know.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "ir/values/json.h"

namespace kerf::cli {

// From here on internal_error() reports this command line. `with_inputs`: its values, and the files they name, go in too.
// The one place of the command line that keeps state: internal_error() is called from anywhere, with nothing in hand.
void report_crashes_of(const CLI::App& app, const bool& with_inputs);

Json crash_report(const CLI::App* app, bool with_inputs, const std::string& message);

}  // namespace kerf::cli
