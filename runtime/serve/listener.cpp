// Text -> a listening socket.
#include "runtime/serve/listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <charconv>

namespace kerf::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Code = boost::system::error_code;

constexpr int kBacklog = 1024;

Result<Listener> open(asio::io_context& context, const asio::generic::stream_protocol::endpoint& endpoint, const std::string& where) {
  Acceptor acceptor(context);
  Code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  if (error) return Error{"cannot listen on " + where + ": " + error.message()};
  return Listener{std::move(acceptor), "", ""};
}

Result<tcp::endpoint> tcp_endpoint(const std::string& where, bool any) {
  const Error malformed{"`" + where + "` is no address to listen on: HOST:PORT with a numeric host, or unix:PATH"};
  const std::size_t colon = where.rfind(':');
  if (colon == std::string::npos) return malformed;
  std::string host = where.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  std::uint16_t port = 0;
  const char* end = where.data() + where.size();
  auto [at, bad] = std::from_chars(where.data() + colon + 1, end, port);
  Code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error || bad != std::errc() || at != end) return malformed;
  if (!any && !address.is_loopback()) {
    return Error{"`" + where + "` is not a loopback address: whoever reaches it could ask for decisions (--listen-any)"};
  }
  return tcp::endpoint(address, port);
}

Result<Listener> listen_tcp(asio::io_context& context, const std::string& where, bool any) {
  Result<tcp::endpoint> endpoint = tcp_endpoint(where, any);
  if (!endpoint.ok()) return endpoint.error();
  Result<Listener> listener = open(context, *endpoint, where);
  if (!listener.ok()) return listener;
  const auto bound = listener->acceptor.local_endpoint();
  tcp::endpoint real;
  real.resize(bound.size());
  std::memcpy(real.data(), bound.data(), bound.size());
  const std::string host = real.address().to_string();
  listener->name = "http://" + (real.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(real.port());
  return listener;
}

// A socket left behind by a process that is gone. Anything else at that path is not ours.
Status remove_stale(asio::io_context& context, const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) return Unit{};
  if (!S_ISSOCK(status.st_mode)) return Error{path + " exists and is no socket"};
  asio::local::stream_protocol::socket probe(context);
  Code error;
  probe.connect(asio::local::stream_protocol::endpoint(path), error);
  if (!error) return Error{path + " is in use by another process"};
  if (error != asio::error::connection_refused) return Error{path + ": " + error.message()};
  ::unlink(path.c_str());
  return Unit{};
}

Result<Listener> listen_unix(asio::io_context& context, const std::string& path, const std::string& where) {
  if (path.empty() || path.size() > 100) return Error{"`" + where + "`: the path of a unix socket has 1 to 100 bytes"};
  if (Status stale = remove_stale(context, path); !stale.ok()) return stale.error();
  const mode_t mask = ::umask(0117);   // for the owner and its group
  Result<Listener> listener = open(context, asio::local::stream_protocol::endpoint(path), where);
  ::umask(mask);
  if (!listener.ok()) return listener;
  listener->name = where;
  listener->path = path;
  return listener;
}

}  // namespace

Result<Listener> listen(asio::io_context& context, const std::string& where, bool any) {
  constexpr std::string_view kUnix = "unix:";
  if (where.starts_with(kUnix)) return listen_unix(context, where.substr(kUnix.size()), where);
  return listen_tcp(context, where, any);
}

}  // namespace kerf::serve
