#include "backends/check/report.h"

#include <fmt/format.h>

namespace kerf::proof {

namespace {
constexpr std::size_t kEnough = 8;
}

std::string to_text(const RequestEnv& env) {
  return fmt::format("{} {} {}", env.principal, kerf::to_text(env.action), env.resource);
}

bool Report::enough() { return reported_++ >= kEnough; }

void Report::difference(Code code, PolicyId policy, const RequestEnv& env, const std::vector<std::string>& assumed,
                        Outcome source, Outcome artefact) {
  if (enough()) return;
  const Policy& p = module_.policies.at(policy.index);
  Diagnostic& d = diagnostics_.report(code, p.span, p.id, kerf::to_text(source), kerf::to_text(artefact));
  d.with_note(fmt::format("for {}", to_text(env)));
  for (const std::string& line : assumed) d.with_note("where " + line);
}

void Report::whole(std::string_view what, const std::string& why) {
  if (!enough()) diagnostics_.report(Code::K7702, {}, what, why);
}

void Report::not_understood(PolicyId policy, const RequestEnv& env, const std::string& what) {
  if (enough()) return;
  const Policy& p = module_.policies.at(policy.index);
  diagnostics_.report(Code::K7707, p.span, p.id, what).with_note(fmt::format("for {}", to_text(env)));
}

void Report::too_large(PolicyId policy, const RequestEnv& env, std::size_t limit) {
  if (enough()) return;
  const Policy& p = module_.policies.at(policy.index);
  diagnostics_.report(Code::K7704, p.span, p.id, limit).with_note(fmt::format("for {}", to_text(env)));
}

}  // namespace kerf::proof
