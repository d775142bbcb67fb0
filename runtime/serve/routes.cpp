// Targets and their answers. An answer with a decision is a 200; nothing else is, but health and metrics.
#include "runtime/serve/routes.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "ir/values/json.h"

namespace kerf::serve {
namespace {

using gateway::RequestFault;

std::string_view code_of(RequestFault::Kind kind) {
  switch (kind) {
    case RequestFault::Kind::not_json: return "not-json";
    case RequestFault::Kind::not_request: return "not-request";
    case RequestFault::Kind::no_environment: return "no-environment";
  }
  internal_error("a kind of fault");
}

std::string error_json(std::string_view code, std::string_view message) {
  return Json{{"error", {{"code", code}, {"message", message}}}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The elements' texts of a JSON array, by brackets and quotes alone; nothing if that fails. Each element is read strictly
// afterwards: the whole is JSON iff this succeeds and each of them is.
std::optional<std::vector<std::string_view>> elements(std::string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<std::string_view> out;
  std::size_t begin = 0, depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      if (depth-- == 0) return std::nullopt;
    } else if (c == ',' && depth == 0) {
      out.push_back(text.substr(begin, at - begin));
      begin = at + 1;
    }
  }
  if (quoted || depth != 0) return std::nullopt;
  const std::string_view last = text.substr(begin);
  const bool blank = std::all_of(last.begin(), last.end(), is_space);
  if (!blank || !out.empty()) out.push_back(last);
  return out;
}

}  // namespace

void fail(Answer& answer, int status, std::string_view code, std::string_view message) {
  answer.status = status;
  answer.body = error_json(code, message);
}

Result<bool, RequestFault> Routes::decide(std::string_view text, std::size_t readable, std::string& out) {
  Result<bool, RequestFault> decided = reader_.decide(text, readable, out);
  if (!decided.ok()) {
    metrics_.faults[static_cast<std::size_t>(decided.error().kind)].add();
    return decided;
  }
  (*decided ? metrics_.allow : metrics_.deny).add();
  if (reader_.erred()) metrics_.with_errors.add();
  return decided;
}

void Routes::one(std::string_view body, std::size_t readable, Answer& answer) {
  Result<bool, RequestFault> decided = decide(body, readable, answer.body);
  if (!decided.ok()) fail(answer, 400, code_of(decided.error().kind), decided.error().message);
}

void Routes::batch(std::string_view body, std::size_t readable, Answer& answer) {
  std::optional<std::vector<std::string_view>> list = elements(body);
  if (!list) return fail(answer, 400, "not-json", "a batch is a JSON array of requests");
  if (list->size() > kMaxBatch) return fail(answer, 413, "too-large", "a batch has at most " + std::to_string(kMaxBatch) + " requests");
  std::string& out = answer.body;
  out += '[';
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string_view text = (*list)[i];
    if (i != 0) out += ',';
    Result<bool, RequestFault> decided = decide(text, readable - static_cast<std::size_t>(text.data() - body.data()), out);
    if (out.size() > kMaxAnswer) return fail(answer, 413, "too-large", "the decisions need more than 64 MiB");
    if (decided.ok()) continue;
    const RequestFault& fault = decided.error();
    if (fault.kind == RequestFault::Kind::not_json) {
      return fail(answer, 400, "not-json", "request " + std::to_string(i) + ": " + fault.message);
    }
    out += error_json(code_of(fault.kind), fault.message);
  }
  out += ']';
}

void Routes::allowed(std::string_view body, Answer& answer) {
  const Result<std::size_t, RequestFault> asked = reader_.allowed(body, kMaxBatch, answer.body);
  if (!asked.ok()) {
    metrics_.faults[static_cast<std::size_t>(asked.error().kind)].add();
    return fail(answer, 400, code_of(asked.error().kind), asked.error().message);
  }
  if (*asked > kMaxBatch) return fail(answer, 413, "too-large", "a request has at most " + std::to_string(kMaxBatch) + " resources");
}

void Routes::health(Answer& answer) {
  const gateway::Loaded& loaded = reader_.current();
  answer.body = Json{{"status", "ok"}, {"digest", loaded.digest}, {"generation", loaded.generation}, {"policies", loaded.policies}}.dump();
}

void Routes::answer(std::string_view method, std::string_view target, std::string_view body, std::size_t readable, Answer& answer) {
  answer.status = 200;
  answer.type = "application/json";
  answer.allow = {};
  answer.body.clear();
  target = target.substr(0, target.find('?'));
  const bool decides = this->decides(target);
  if (!decides && target != kHealth && target != kMetrics) return fail(answer, 404, "not-found", "there is no such resource here");
  if (method != (decides ? "POST" : "GET")) {
    answer.allow = decides ? "POST" : "GET";
    return fail(answer, 405, "method", decides ? "decisions are asked for by POST" : "this is read by GET");
  }
  if (target == kHealth) return health(answer);
  if (target == kMetrics) {
    answer.type = "text/plain; version=0.0.4";
    answer.body = metrics_page_();
    return;
  }
  const auto begin = std::chrono::steady_clock::now();
  reader_.current();   // once: a batch is decided by one table
  if (target == kOne) one(body, readable, answer);
  else if (target == kBatch) batch(body, readable, answer);
  else allowed(body, answer);
  metrics_.took(static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count()));
}

}  // namespace kerf::serve
