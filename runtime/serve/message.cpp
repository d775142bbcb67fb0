// Parser errors -> refusals; answers -> bytes.
#include "runtime/serve/message.h"

#include <boost/beast/core/detail/config.hpp>
#include <boost/beast/http/error.hpp>

namespace kerf::serve {
namespace {

std::string_view reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Payload Too Large";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
  }
}

}  // namespace

Answer refusal(const boost::beast::error_code& error) {
  Answer answer;
  if (error == boost::beast::http::error::body_limit) fail(answer, 413, "too-large", "the body is too large");
  else if (error == boost::beast::http::error::header_limit) fail(answer, 431, "too-large", "the header is too large");
  else fail(answer, 400, "not-http", error.message());
  return answer;
}

void append_response(std::string& out, const Answer& answer, std::string_view date, bool head_only, bool close) {
  out += "HTTP/1.1 ";
  out += std::to_string(answer.status);
  out += ' ';
  out += reason(answer.status);
  out += "\r\nContent-Type: ";
  out += answer.type;
  out += "\r\nContent-Length: ";
  out += std::to_string(answer.body.size());
  out += "\r\nDate: ";
  out += date;
  if (!answer.allow.empty()) {
    out += "\r\nAllow: ";
    out += answer.allow;
  }
  if (answer.status == 503) out += "\r\nRetry-After: 1";
  if (close) out += "\r\nConnection: close";
  out += "\r\n\r\n";
  if (!head_only) out += answer.body;
}

}  // namespace kerf::serve
