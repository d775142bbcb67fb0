// An HTTP request without its transport -> an answer. Knows no sockets.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "runtime/serve/metrics.h"

namespace kerf::serve {

struct Answer {
  int status = 200;
  std::string_view type = "application/json";
  std::string_view allow;        // methods, of a 405
  std::string body;
};

inline constexpr std::size_t kMaxBatch = 10'000, kMaxAnswer = 64 << 20;

class Routes {
 public:
  // `metrics_page` makes the text of /metrics.
  Routes(const gateway::Live& live, Metrics& metrics, std::function<std::string()> metrics_page)
      : reader_(live), metrics_(metrics), metrics_page_(std::move(metrics_page)) {}

  // Of body.data(), `readable` bytes may be read.
  void answer(std::string_view method, std::string_view target, std::string_view body, std::size_t readable, Answer& answer);
  static bool decides(std::string_view target) { return target == kOne || target == kBatch || target == kAllowed; }
  void refresh() { reader_.current(); }   // lets an engine go that is no longer in force

 private:
  static constexpr std::string_view kOne = "/v1/authorize", kBatch = "/v1/authorize/batch", kAllowed = "/v1/allowed";
  static constexpr std::string_view kHealth = "/healthz", kMetrics = "/metrics";
  void one(std::string_view body, std::size_t readable, Answer& answer);
  void batch(std::string_view body, std::size_t readable, Answer& answer);
  void allowed(std::string_view body, Answer& answer);
  void health(Answer& answer);
  Result<bool, gateway::RequestFault> decide(std::string_view text, std::size_t readable, std::string& out);

  gateway::Reader reader_;
  Metrics& metrics_;
  std::function<std::string()> metrics_page_;
};

void fail(Answer& answer, int status, std::string_view code, std::string_view message);

}  // namespace kerf::serve
