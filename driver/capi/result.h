// kerf_result and the way into and out of every operation that gives one.
#pragma once
#include <optional>

#include "backends/bundle.h"
#include "driver/capi/border.h"
#include "driver/render.h"

struct kerf_result {
  kerf::capi::Report report;
  std::string diagnostics;
  std::vector<kerf::NamedBytes> files;
  std::optional<kerf_answer> answer;
};

namespace kerf::capi {

// Makes *out, runs the body on a large stack, and leaves nothing but status and message of a body that failed by itself.
kerf_status operate(kerf_result** out, const std::function<void(kerf_result&, Report&)>& body) noexcept;

// Warnings and errors into the result; KERF_INVALID if there are errors.
void keep(kerf_result& result, Report& report, const Sources& sources, const Diagnostics& diagnostics);

inline void refuse(Report& report, std::string message) { report = {KERF_BAD_ARGUMENT, std::move(message)}; }

}  // namespace kerf::capi
