// Where to listen: "127.0.0.1:8181", "[::1]:8181", "localhost:8181", "unix:/run/kerf.sock".
#pragma once
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <string>

#include "ir/base/result.h"

namespace kerf::serve {

using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

struct Listener {
  Acceptor acceptor;
  std::string name;          // "http://127.0.0.1:8181", "unix:/run/kerf.sock"
  std::string path;          // of a unix socket, to be removed at the end
};

// Refuses addresses that are not loopback unless `any`; takes over a unix socket that nobody answers on.
Result<Listener> listen(boost::asio::io_context& context, const std::string& where, bool any);

}  // namespace kerf::serve
