// Request text -> Query, and Answer -> text. The scanner (request_scan.cpp) takes the common forms without allocation;
// whatever it does not take is read as a tree, so verdicts, values and messages are those of read_request().
#include <algorithm>

#include "ir/values/json.h"
#include "runtime/gateway/engine_state.h"

namespace kerf::gateway {
namespace {

using Kind = RequestFault::Kind;

Result<EntityUid> read_uid(const Json& json) {
  if (!json.is_string()) return uid_from_json(json);
  const std::string& text = json.get_ref<const std::string&>();
  if (std::optional<EntityUid> uid = parse_uid(text)) return *std::move(uid);
  return Error{quote(text) + " is no entity: write Type::\"id\", or {\"type\": …, \"id\": …}"};
}

// Copies a text in which nothing has to be escaped; else says no. By words; the last overlaps the one before it.
inline bool copy_plain(char* to, std::string_view text) {
  const char* const at = text.data();
  const std::size_t size = text.size();
  constexpr std::uint64_t ones = 0x0101010101010101u, highs = ones << 7;
  auto below = [](std::uint64_t word, std::uint64_t limit) { return (word - ones * limit) & ~word & highs; };   // not 0: a byte is
  auto has_escaped = [&](std::uint64_t word) { return below(word, 0x20) | below(word ^ ones * '"', 1) | below(word ^ ones * '\\', 1); };
  std::uint64_t found = 0;
  auto copy = [&](std::size_t i) {
    const auto word = load<std::uint64_t>(at + i);
    std::memcpy(to + i, &word, sizeof word);
    found |= has_escaped(word);
  };
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) copy(i);
    copy(size - 8);
  } else if (size >= 4) {
    const std::uint64_t both = load<std::uint32_t>(at) | static_cast<std::uint64_t>(load<std::uint32_t>(at + size - 4)) << 32;
    std::memcpy(to, at, 4);
    std::memcpy(to + size - 4, at + size - 4, 4);
    found = has_escaped(both);
  } else {
    for (std::size_t i = 0; i < size; ++i) {
      to[i] = at[i];
      found |= static_cast<unsigned char>(at[i]) < 0x20 || at[i] == '"' || at[i] == '\\';
    }
  }
  return found == 0;
}

void append_quoted(std::string& out, std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  out += '"';
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') continue;
    out += text.substr(done, i - done);
    done = i + 1;
    out += '\\';
    if (byte >= 0x20) {
      out += c;
    } else {
      out += "u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  out += text.substr(done);
  out += '"';
}

}  // namespace

namespace {

RequestFault fault(std::string message) { return {Kind::not_request, std::move(message)}; }

// `resources`: the request has many of them, in an array of this name.
Result<Request, RequestFault> read_request(std::string_view text, std::vector<EntityUid>* resources) {
  Result<Json> json = parse_json(text);
  if (!json) return RequestFault{Kind::not_json, json.error().message};
  const std::string last = resources == nullptr ? "resource" : "resources";
  if (!json->is_object()) return fault("a request is an object with `principal`, `action`, `" + last + "` and `context`");
  Request request;
  std::size_t known = 0;
  for (auto [key, uid] : {std::pair{"principal", &request.principal}, std::pair{"action", &request.action},
                          std::pair{last.c_str(), &request.resource}}) {
    auto member = json->find(key);
    if (member == json->end()) return fault("the request has no `" + std::string(key) + "`");
    if (key == last && resources != nullptr) {
      if (!member->is_array()) return fault("`resources` is no array");
      for (const Json& element : *member) {
        Result<EntityUid> read = read_uid(element);
        if (!read) return fault("`resources`[" + std::to_string(resources->size()) + "]: " + read.error().message);
        resources->push_back(*std::move(read));
      }
      ++known;
      continue;
    }
    Result<EntityUid> read = read_uid(*member);
    if (!read) return fault("`" + std::string(key) + "`: " + read.error().message);
    *uid = *std::move(read);
    ++known;
  }
  if (auto member = json->find("context"); member != json->end()) {
    Result<Value> value = value_from_json(*member);
    if (!value) return fault("`context`: " + value.error().message);
    if (value->as_record() == nullptr) return fault("`context` is not a record");
    request.context = *value->as_record();
    ++known;
  }
  if (json->size() == known) return request;
  for (const auto& [key, value] : json->items()) {
    if (key != "principal" && key != "action" && key != last && key != "context") {
      return fault("unknown key " + quote(key) + " in the request");
    }
  }
  internal_error("a request's keys");
}

}  // namespace

Result<Request, RequestFault> read_request(std::string_view text) { return read_request(text, nullptr); }

Result<ManyRequest, RequestFault> read_many_request(std::string_view text) {
  ManyRequest many;
  Result<Request, RequestFault> read = read_request(text, &many.resources);
  if (!read) return read.error();
  many.request = *std::move(read);
  return many;
}

const ValueRecord& Workspace::whole_context() {
  if (context != nullptr) return *context;
  Result<Request, RequestFault> read = read_request(text);
  check(read.ok(), "the scanner took a text that is no request");
  request = *std::move(read);
  context = &request.context;
  return *context;
}

Result<Unit, RequestFault> Engine::set(Query& query, std::string_view text, std::size_t readable) const {
  Workspace& work = *query.work_;
  if (scan(work, text, readable)) {
    if (work.environment != FlatMap::kNone) return Unit{};
  } else {
    enter(work, FlatMap::kNone);
    Result<Request, RequestFault> read = read_request(text);
    if (!read) return read.error();
    work.request = *std::move(read);
    const Request& request = work.request;
    if (set(query, request.principal, request.action, request.resource, request.context)) return Unit{};
  }
  const EntityUid* const* uids = work.uids;
  return RequestFault{Kind::no_environment, no_environment(uids[0]->type, *uids[1], uids[2]->type)};
}

void Engine::append_json(std::string& out, Query& query, const Answer& answer) const {
  out += answer.allow ? R"({"decision":"allow","determining":[)" : R"({"decision":"deny","determining":[)";
  const std::span<const PolicyInfo> first = state_->later.empty() ? std::span(table().policies()) : std::span<const PolicyInfo>();
  auto id_of = [&](std::uint32_t p) -> const std::string& { return p < first.size() ? first[p].id : policy(p).id; };
  const std::size_t begin = out.size();
  std::size_t most = 0;
  for (std::uint32_t p : answer.determining) most += id_of(p).size() + 3;
  out.resize(begin + most);
  char* to = out.data() + begin;
  bool plain = true;
  for (std::uint32_t p : answer.determining) {
    const std::string& id = id_of(p);
    *to++ = '"';
    plain &= copy_plain(to, id);
    to += id.size();
    *to++ = '"';
    *to++ = ',';
  }
  if (!plain) {
    out.resize(begin);
    for (std::uint32_t p : answer.determining) {
      append_quoted(out, id_of(p));
      out += ',';
    }
  }
  if (!answer.determining.empty()) out.pop_back();
  out += R"(],"errors":[)";
  for (std::size_t i = 0; i < answer.errors.size(); ++i) {
    out += i != 0 ? R"(,{"policy":)" : R"({"policy":)";
    append_quoted(out, policy(answer.errors[i].policy).id);
    out += R"(,"message":)";
    append_quoted(out, explain(query, answer.errors[i]).message);
    out += '}';
  }
  out += "]}";
}

void Engine::append_json(std::string& out, const Trace& trace) const {
  constexpr const char* kOutcomes[] = {"false", "true", "error"};
  out += "{\"environment\":" + std::to_string(trace.environment) + ",\"policies\":[";
  for (const PolicyTrace& traced : trace.policies) {
    if (&traced != trace.policies.data()) out += ',';
    const PolicyInfo& info = policy(traced.policy);
    out += "{\"policy\":";
    append_quoted(out, info.id);
    out += info.forbid ? ",\"effect\":\"forbid\",\"result\":\"" : ",\"effect\":\"permit\",\"result\":\"";
    out += kOutcomes[static_cast<std::size_t>(traced.result)];
    out += "\",\"atoms\":[";
    for (const PolicyTrace::Atom& atom : traced.atoms) {
      if (&atom != traced.atoms.data()) out += ',';
      out += "{\"atom\":" + std::to_string(atom.atom) + ",\"outcome\":\"" + kOutcomes[static_cast<std::size_t>(atom.outcome)] + '"';
      if (atom.outcome == Outcome::error) {
        out += ",\"message\":";
        append_quoted(out, atom.message);
      }
      out += '}';
    }
    out += "]}";
  }
  out += "]}";
}

}  // namespace kerf::gateway
