// HTTP/1.1 messages as bytes: an incremental reader of requests, on Boost.Beast's parser, and the text of responses.
#pragma once
#include <boost/beast/http/basic_parser.hpp>
#include <string>
#include <string_view>

#include "runtime/gateway/engine.h"
#include "runtime/serve/routes.h"

namespace kerf::serve {

inline constexpr std::uint32_t kMaxHeader = 8 << 10;

class RequestParser : public boost::beast::http::basic_parser<true> {
 public:
  using error_code = boost::beast::error_code;
  // The strings are the connection's, reused from request to request.
  RequestParser(std::string& method, std::string& target, std::string& body, std::uint64_t max_body)
      : method_(method), target_(target), body_(body), limit_(max_body) {
    method_.clear();
    target_.clear();
    body_.clear();
    eager(true);
    header_limit(kMaxHeader);
    body_limit(max_body);
  }
  bool wants_continue() const { return expects_ && is_header_done() && !is_done(); }
  void continued() { expects_ = false; }

 private:
  using View = boost::beast::string_view;
  void on_request_impl(boost::beast::http::verb, View method, View target, int, error_code&) override {
    method_.assign(method.data(), method.size());
    target_.assign(target.data(), target.size());
  }
  void on_response_impl(int, View, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field name, View, View value, error_code&) override {
    if (name == boost::beast::http::field::expect && boost::beast::iequals(value, "100-continue")) expects_ = true;
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    if (length && *length <= limit_) body_.reserve(static_cast<std::size_t>(*length) + gateway::Engine::kPadding);
  }
  std::size_t on_body_impl(View part, error_code&) override {
    body_.append(part.data(), part.size());
    return part.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View part, error_code& error) override {
    if (body_.size() + part.size() > limit_) error = boost::beast::http::error::body_limit;
    else body_.append(part.data(), part.size());
    return part.size();
  }
  void on_finish_impl(error_code&) override {}

  std::string &method_, &target_, &body_;
  std::uint64_t limit_;
  bool expects_ = false;
};

// The status, code and message that a parser's error means.
Answer refusal(const boost::beast::error_code& error);
// `date`: as HTTP writes it.
void append_response(std::string& out, const Answer& answer, std::string_view date, bool head_only, bool close);

}  // namespace kerf::serve
