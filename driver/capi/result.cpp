// Results: made before the work, so that a failure has somewhere to go. One is static, for want of memory.
#include "driver/capi/result.h"

namespace {

kerf_result& no_memory() {
  static kerf_result result{{KERF_NO_MEMORY, "out of memory"}, {}, {}, {}};   // short enough to need none
  return result;
}

}  // namespace

namespace kerf::capi {

kerf_status operate(kerf_result** out, const std::function<void(kerf_result&, Report&)>& body) noexcept {
  if (out == nullptr) return KERF_BAD_ARGUMENT;
  auto* result = new (std::nothrow) kerf_result;
  *out = result ? result : &no_memory();
  if (result == nullptr) return KERF_NO_MEMORY;
  result->report = guarded_on_large_stack([&](Report& report) { body(*result, report); });
  if (result->report.status != KERF_OK) {
    result->files.clear();
    result->answer.reset();
  }
  return result->report.status;
}

void keep(kerf_result& result, Report& report, const Sources& sources, const Diagnostics& diagnostics) {
  result.diagnostics += render(sources, diagnostics, ErrorFormat::json, false);
  if (!diagnostics.has_errors() || report.status != KERF_OK) return;
  report.status = KERF_INVALID;
  for (const Diagnostic& d : diagnostics.all()) {
    if (d.severity != Severity::error) continue;
    report.message = d.message;
    return;
  }
}

}  // namespace kerf::capi

using kerf::capi::no_text;
using kerf::capi::text_of;

kerf_status kerf_result_status(const kerf_result* result) { return result ? result->report.status : KERF_BAD_ARGUMENT; }
kerf_text kerf_result_message(const kerf_result* result) { return result ? text_of(result->report.message) : no_text(); }
kerf_text kerf_result_diagnostics(const kerf_result* result) { return result ? text_of(result->diagnostics) : no_text(); }
size_t kerf_result_count(const kerf_result* result) { return result ? result->files.size() : 0; }
kerf_text kerf_result_name(const kerf_result* result, size_t index) {
  return index < kerf_result_count(result) ? text_of(result->files[index].name) : no_text();
}
kerf_text kerf_result_bytes(const kerf_result* result, size_t index) {
  return index < kerf_result_count(result) ? text_of(result->files[index].bytes) : no_text();
}
const kerf_answer* kerf_result_answer(const kerf_result* result) { return result && result->answer ? &*result->answer : nullptr; }
void kerf_result_free(kerf_result* result) {
  if (result != &no_memory()) delete result;
}

int32_t kerf_answer_decision(const kerf_answer* answer) { return answer && answer->allow ? KERF_ALLOW : KERF_DENY; }
size_t kerf_answer_determining_count(const kerf_answer* answer) { return answer ? answer->determining.size() : 0; }
kerf_text kerf_answer_determining(const kerf_answer* answer, size_t index) {
  return index < kerf_answer_determining_count(answer) ? answer->determining[index] : no_text();
}
size_t kerf_answer_error_count(const kerf_answer* answer) { return answer ? answer->errors.size() : 0; }
kerf_text kerf_answer_error_policy(const kerf_answer* answer, size_t index) {
  return index < kerf_answer_error_count(answer) ? answer->errors[index].policy : no_text();
}
kerf_text kerf_answer_error_message(const kerf_answer* answer, size_t index) {
  return index < kerf_answer_error_count(answer) ? text_of(answer->errors[index].message) : no_text();
}
