// The life of a connection: idle -> reading -> writing -> idle …, and at the end draining, closed. While it is writing
// nothing is read, so a peer that does not take its answers cannot make more of them.
#include "runtime/serve/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

namespace kerf::serve {
namespace {

namespace asio = boost::asio;
using Code = boost::system::error_code;

constexpr std::size_t kMuchOutput = 64 << 10;
constexpr std::size_t kKeptBody = 64 << 10;   // memory of a large body is not kept
constexpr std::chrono::milliseconds kDrain{1000};

}  // namespace

void Connection::set(State state) {
  const Options& options = worker_.options();
  state_ = state;
  switch (state) {
    case State::idle: deadline_ = worker_.after(options.idle); break;
    case State::reading:
    case State::writing: deadline_ = worker_.after(options.request_time); break;
    case State::draining: deadline_ = worker_.after(kDrain); break;
    case State::closed: break;
  }
}

void Connection::start() {
  set(State::idle);
  read();
}

void Connection::refuse() {
  Answer busy;
  fail(busy, 503, "overloaded", "too many connections");
  answer(busy, true);
  write();
}

void Connection::close_if_idle() {
  if (state_ == State::idle) close();
}

void Connection::on_tick(bool out_of_grace) {
  if (state_ == State::closed) return;
  if (out_of_grace) return close();
  if (worker_.tick() < deadline_) return;
  if (state_ != State::reading) return close();
  Answer late;
  fail(late, 408, "timeout", "the request took too long");
  answer(late, true);
  Code ignored;
  socket_.non_blocking(true, ignored);
  socket_.write_some(asio::buffer(out_), ignored);   // what the socket takes at once is enough for a 408
  close();
}

void Connection::read() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == in_.size()) {
    std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  socket_.async_read_some(asio::buffer(in_.data() + end_, in_.size() - end_), [self = shared_from_this()](const Code& error, std::size_t count) {
    if (self->state_ == State::closed) return;
    error ? self->close() : self->on_read(count);
  });
}

void Connection::on_read(std::size_t count) {
  if (state_ == State::draining) return drain();
  end_ += count;
  if (state_ == State::idle) set(State::reading);    // the deadline is that of the whole request, not of its next byte
  process();
}

// Parses and answers what was read.
void Connection::process() {
  while (begin_ < end_ && !closing_ && out_.size() < kMuchOutput) {
    if (!parser_) parser_.emplace(method_, target_, body_, worker_.options().max_body);
    RequestParser::error_code error;
    begin_ += parser_->put(asio::buffer(in_.data() + begin_, end_ - begin_), error);
    if (error && error != boost::beast::http::error::need_more) {
      answer(refusal(error), true);
    } else if (parser_->is_done()) {
      answer_request();
    } else if (parser_->wants_continue()) {
      parser_->continued();
      out_ += "HTTP/1.1 100 Continue\r\n\r\n";
    } else if (error) {
      break;
    }
  }
  // What is left is the begin of something: a header line or the like, for which there is room only once.
  if (out_.empty() && begin_ == 0 && end_ == in_.size()) answer(refusal(boost::beast::http::error::header_limit), true);
  if (!out_.empty()) return write();
  if (!parser_ && begin_ == end_) set(State::idle);
  read();
}

void Connection::answer_request() {
  const bool close = !parser_->keep_alive() || worker_.stopping();
  if (worker_.overloaded() && Routes::decides(target_)) {
    fail(answer_, 503, "overloaded", "requests wait too long");
    answer_.type = "application/json";
    answer_.allow = {};
  } else {
    const std::size_t size = body_.size();
    body_.append(gateway::Engine::kPadding, ' ');
    worker_.routes().answer(method_, target_, std::string_view(body_).substr(0, size), body_.size(), answer_);
  }
  answer(answer_, close);
  parser_.reset();
  if (body_.capacity() > kKeptBody) std::string().swap(body_);
  if (answer_.body.capacity() > kKeptBody) std::string().swap(answer_.body);
}

void Connection::answer(const Answer& answer, bool close) {
  worker_.counters().respond(answer.status);
  append_response(out_, answer, worker_.date(), method_ == "HEAD", close);
  closing_ = closing_ || close;
}

void Connection::write() {
  set(State::writing);
  asio::async_write(socket_, asio::buffer(out_), [self = shared_from_this()](const Code& error, std::size_t) {
    if (self->state_ == State::closed) return;
    if (error) return self->close();
    self->out_.clear();
    if (self->out_.capacity() > kMuchOutput * 2) std::string().swap(self->out_);
    if (self->closing_) {
      Code ignored;
      self->socket_.shutdown(Socket::shutdown_send, ignored);
      self->set(State::draining);
      return self->drain();
    }
    self->set(self->parser_ || self->begin_ < self->end_ ? State::reading : State::idle);
    if (self->state_ == State::idle && self->worker_.stopping()) return self->close();
    self->process();
  });
}

void Connection::drain() {
  begin_ = end_ = 0;
  read();
}

void Connection::close() {
  state_ = State::closed;
  Code ignored;
  socket_.close(ignored);
  worker_.leave(this);
}

}  // namespace kerf::serve
