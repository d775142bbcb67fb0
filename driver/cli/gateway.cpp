// serve, and authorize --requests: many requests for one table.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "driver/cli/commands.h"
#include "runtime/gateway/live.h"
#include "runtime/serve/serve.h"

namespace kerf::cli {
namespace {

constexpr std::size_t kLongestLine = 1 << 20, kChunk = 1 << 18;

Json fault_line(const std::string& code, const std::string& message) { return {{"error", {{"code", code}, {"message", message}}}}; }

std::string_view code_of(gateway::RequestFault::Kind kind) {
  switch (kind) {
    case gateway::RequestFault::Kind::not_json: return "not-json";
    case gateway::RequestFault::Kind::not_request: return "not-request";
    case gateway::RequestFault::Kind::no_environment: return "no-environment";
  }
  internal_error("a kind of fault");
}

bool write_all(std::string& out) {
  const char* at = out.data();
  for (std::size_t left = out.size(); left > 0;) {
    const ssize_t count = ::write(STDOUT_FILENO, at, left);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += count;
    left -= static_cast<std::size_t>(count);
  }
  out.clear();
  return true;
}

// Lines in, as many lines out, in order. What has arrived is answered before more is waited for.
class Lines {
 public:
  explicit Lines(gateway::Reader& reader) : reader_(reader) {}
  bool faults = false;

  Status run(int fd) {
    std::string in, out;
    bool skipping = false;   // the rest of a line that is too long
    for (;;) {
      const std::size_t kept = in.size();
      in.resize(kept + kChunk);
      const ssize_t count = ::read(fd, in.data() + kept, kChunk);
      if (count < 0 && errno != EINTR) return Error{std::string("the requests cannot be read: ") + std::strerror(errno)};
      if (count < 0) {
        in.resize(kept);
        continue;
      }
      const std::size_t end = kept + static_cast<std::size_t>(count);
      std::size_t begin = 0;
      for (std::size_t at = kept; at < end;) {
        const void* found = std::memchr(in.data() + at, '\n', end - at);
        if (found == nullptr) break;
        at = static_cast<std::size_t>(static_cast<const char*>(found) - in.data());
        if (!skipping) answer(std::string_view(in).substr(begin, at - begin), in.size() - begin, out);
        skipping = false;
        begin = ++at;
      }
      if (count == 0 && begin < end && !skipping) answer(std::string_view(in).substr(begin, end - begin), in.size() - begin, out);
      in.resize(end);
      in.erase(0, begin);
      if (in.size() > kLongestLine) {
        if (!skipping) too_long(out);
        skipping = true;
        in.clear();
      }
      if (!write_all(out)) return Error{std::string("the decisions cannot be written: ") + std::strerror(errno)};
      if (count == 0) return Unit{};
    }
  }

 private:
  void too_long(std::string& out) {
    faults = true;
    out += fault_line("too-large", "a line has at most " + std::to_string(kLongestLine) + " bytes").dump() + '\n';
  }
  void answer(std::string_view line, std::size_t readable, std::string& out) {
    if (line.size() > kLongestLine) return too_long(out);
    Result<bool, gateway::RequestFault> decided = reader_.decide(line, readable, out);
    if (!decided) {
      faults = true;
      const std::string code(code_of(decided.error().kind));
      out += fault_line(code, decided.error().message).dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    out += '\n';
  }
  gateway::Reader& reader_;
};

void fail(Globals& globals, const std::string& message) {
  print_error(globals, Code::K7906, message, {});
  globals.exit = kFailure;
}

void serve(Globals& globals, serve::Options& options, const std::string& entities) {
  options.files = gateway::resolve(options.table, entities);
  Status served = serve::serve(options, [](const std::string& line) { std::fprintf(stderr, "kerf serve: %s\n", line.c_str()); });
  if (!served.ok()) fail(globals, served.error().message);
}

}  // namespace

void authorize_lines(Globals& globals, const std::string& table, const std::string& entities, const std::string& requests) {
  Result<gateway::Loaded> loaded = gateway::load(gateway::resolve(table, entities));
  if (!loaded) return fail(globals, loaded.error().message);
  const int fd = requests == "-" ? STDIN_FILENO : ::open(requests.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(globals, requests + ": " + std::strerror(errno));
  gateway::Live live(*std::move(loaded));
  gateway::Reader reader(live);
  Lines lines(reader);
  Status done = lines.run(fd);
  if (fd != STDIN_FILENO) ::close(fd);
  if (!done) return fail(globals, done.error().message);
  if (lines.faults) globals.exit = kFailure;
}

void add_serve(CLI::App& app, Globals& globals) {
  auto options = std::make_shared<serve::Options>();
  auto entities = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("serve", "answer requests over HTTP, from a decision table");
  command->add_option("--table", options->table, "table.json or a bundle directory")->required()->type_name("PATH");
  command->add_option("--entities", *entities, "entities as JSON")->type_name("FILE");
  command->add_option("--listen", options->listen, "where, 127.0.0.1:8181 if not given")->type_name("HOST:PORT|unix:PATH");
  command->add_flag("--listen-any", options->listen_any, "accept an address that is not loopback");
  command->add_option("--threads", options->threads, "threads that decide")->check(CLI::Range(1u, 256u))->type_name("N");
  command->add_option("--max-connections", options->max_connections, "more are answered 503")->check(CLI::Range(1, 1'000'000))->type_name("N");
  command->add_option("--max-body", options->max_body, "bytes of a request's body")->check(CLI::Range(1u, 1u << 30))->type_name("BYTES");
  auto time = [&](const char* name, std::chrono::milliseconds& value, const char* help) {
    command->add_option_function<std::uint32_t>(name, [&value](std::uint32_t ms) { value = std::chrono::milliseconds(ms); }, help)->type_name("MS");
  };
  time("--request-time", options->request_time, "for a request to arrive whole, 5000 if not given");
  time("--idle-time", options->idle, "between the requests of a connection, 60000 if not given");
  time("--max-delay", options->max_delay, "when requests wait longer, 503; 1000 if not given");
  time("--grace", options->grace, "for requests under way at the end, 5000 if not given");
  command->add_flag("!--no-watch", options->watch, "reload on SIGHUP only, not when the files change");
  command->callback([&globals, options, entities] { serve(globals, *options, *entities); });
}

}  // namespace kerf::cli
