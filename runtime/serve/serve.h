// kerf serve: decisions over HTTP/1.1, on loopback or a unix socket. Boost (Asio, Beast) is in this folder alone, and not
// in this header.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ir/base/result.h"
#include "runtime/gateway/live.h"

namespace kerf::serve {

struct Options {
  gateway::Files files;
  std::string table;                               // as named: a file or a bundle directory
  std::string listen = "127.0.0.1:8181";           // or "[::1]:PORT", "unix:PATH"; port 0: any that is free
  bool listen_any = false;                         // addresses other than loopback may be named
  unsigned threads = 1;
  std::size_t max_connections = 1024;              // more are answered 503
  std::uint64_t max_body = 1 << 20;
  std::chrono::milliseconds request_time{5000};    // for a request to arrive whole, and for its answer to be taken
  std::chrono::milliseconds idle{60'000};          // between requests
  std::chrono::milliseconds max_delay{1000};       // when the loop is later than this, decisions are refused with 503
  std::chrono::milliseconds grace{5000};           // for requests under way when it is told to stop
  bool watch = true;                               // reload when the files change
};

// `say`: one line for people, without its end. Returns after SIGTERM or SIGINT, once the last answer is out.
Status serve(const Options& options, const std::function<void(const std::string&)>& say);

}  // namespace kerf::serve
