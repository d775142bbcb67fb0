// The gateway's engine for C: a table and its entities, and queries that own all that deciding needs.
// A change makes another engine; a query takes it at its next call.
#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "driver/capi/result.h"
#include "ir/values/json.h"
#include "runtime/gateway/editor.h"

using namespace kerf;
using namespace kerf::capi;

namespace {

// The newest engine of a gateway; queries hold it beyond the gateway's life.
class Newest {
 public:
  explicit Newest(gateway::Engine engine) : engine_(std::move(engine)) {}
  gateway::Engine get(std::uint64_t& generation) const {
    std::lock_guard lock(mutex_);
    generation = generation_.load(std::memory_order_relaxed);
    return engine_;
  }
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  void set(gateway::Engine engine) {
    std::lock_guard lock(mutex_);
    std::swap(engine_, engine);
    generation_.fetch_add(1, std::memory_order_release);
  }   // the old one goes after the lock: `engine` outlives it

 private:
  mutable std::mutex mutex_;
  gateway::Engine engine_;
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace

struct kerf_gateway {
  explicit kerf_gateway(gateway::Editor e) : editor(std::move(e)), newest(std::make_shared<Newest>(editor.engine())) {}
  std::mutex edits;
  gateway::Editor editor;
  std::shared_ptr<Newest> newest;
};

struct kerf_query {
  explicit kerf_query(std::shared_ptr<const Newest> source)
      : newest(std::move(source)), engine(newest->get(generation)), query(engine) {}
  void refresh() {
    if (generation == newest->generation()) return;
    engine = newest->get(generation);
    if (!query.fits(engine)) query = gateway::Query(engine);
  }
  std::shared_ptr<const Newest> newest;
  std::uint64_t generation = 0;
  gateway::Engine engine;
  gateway::Query query;
  std::array<EntityUid, 3> uids;   // principal, action, resource
  ValueRecord context;
  gateway::Answer found;
  kerf_answer answer;
  bool answered = false;
  std::string message, trace;
};

namespace {

Result<Entities> read_entities(std::string_view text) {
  if (text.empty()) return Entities();
  Result<Json> json = parse_json(text);
  Result<std::vector<Entity>> list = json ? entities_from_json(*json) : Result<std::vector<Entity>>(json.error());
  Result<Entities> built = list ? Entities::build(std::move(*list)) : Result<Entities>(list.error());
  if (!built) return Error{"entities: " + built.error().message};
  return built;
}

Result<gateway::Editor> build(std::string_view table_text, std::string_view entities_text) {
  Result<gateway::Table> table = gateway::Table::read(table_text);
  if (!table) return Error{"table: " + table.error().message};
  Result<Entities> entities = read_entities(entities_text);
  if (!entities) return entities.error();
  return gateway::Editor::build(std::make_shared<const gateway::Table>(std::move(*table)), std::move(*entities));
}

void invalid(Report& report, std::string message) { report = {KERF_INVALID, std::move(message)}; }

bool read_uid(const kerf_uid& uid, EntityUid& out) {
  if (!is_text(uid.type) || !is_text(uid.id)) return false;
  out.type.assign(view(uid.type));
  out.id.assign(view(uid.id));
  return find_invalid_utf8(out.id) == std::string_view::npos;
}

bool set_context(kerf_query& query, const Json& json, Report& report) {
  Result<Value> value = value_from_json(json);
  if (value && value->as_record()) return query.context = *value->as_record(), true;
  invalid(report, "the context is no JSON record" + (value ? std::string() : ": " + value.error().message));
  return false;
}

bool read_request(kerf_query& query, const kerf_request* request, Report& report, bool with_resource = true) {
  kerf_request asked;
  if (request == nullptr || !read_options(request, asked)) return refuse(report, "a request of no known kind"), false;
  if (!with_resource) asked.resource = {};
  bool read = read_uid(asked.principal, query.uids[0]) && read_uid(asked.action, query.uids[1]) && read_uid(asked.resource, query.uids[2]);
  if (!read || !is_text(asked.context)) return refuse(report, "a part of the request is no text"), false;
  query.context.clear();
  if (asked.context.size == 0) return true;
  Result<Json> json = parse_json(view(asked.context));
  if (json) return set_context(query, *json, report);
  invalid(report, "context: " + json.error().message);
  return false;
}

bool read_json_uid(const Json& request, const char* name, EntityUid& out, Report& report) {
  auto at = request.find(name);
  if (at == request.end()) return invalid(report, std::string("the request has no ") + name), false;
  std::optional<EntityUid> uid;
  if (at->is_string()) {
    uid = parse_uid(at->get_ref<const std::string&>());
  } else if (Result<EntityUid> read = uid_from_json(*at); read) {
    uid = *read;
  }
  if (uid) return out = std::move(*uid), true;
  invalid(report, std::string("the ") + name + " is no entity");
  return false;
}

// Strict: a key that is not known could have been meant to matter.
bool read_json_request(kerf_query& query, std::string_view text, Report& report) {
  Result<Json> json = parse_json(text);
  if (!json) return invalid(report, json.error().message), false;
  if (!json->is_object()) return invalid(report, "the request is no JSON object"), false;
  constexpr const char* names[] = {"principal", "action", "resource"};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!read_json_uid(*json, names[i], query.uids[i], report)) return false;
  }
  query.context.clear();
  auto context = json->find("context");
  if (json->size() != 3u + (context != json->end())) return invalid(report, "the request has a key that is not known"), false;
  return context == json->end() || set_context(query, *context, report);
}

bool set(kerf_query& query, Report& report) {
  if (query.engine.set(query.query, query.uids[0], query.uids[1], query.uids[2], query.context)) return true;
  invalid(report, "the request does not fit the schema of the table");
  return false;
}

void decide(kerf_query& query, std::int32_t* decision) {
  query.engine.decide(query.query, query.found);
  kerf_answer& answer = query.answer;
  answer.allow = query.found.allow;
  answer.determining.clear();
  answer.errors.clear();
  for (std::uint32_t policy : query.found.determining) answer.determining.push_back(text_of(query.engine.policy(policy).id));
  for (const gateway::Answer::Failure& failure : query.found.errors) {
    answer.errors.push_back({text_of(query.engine.policy(failure.policy).id), query.engine.explain(query.query, failure).message});
  }
  query.answered = true;
  *decision = answer.allow ? KERF_ALLOW : KERF_DENY;
}

template <class Body>
kerf_status ask(kerf_query* query, std::int32_t* decision, Body body) noexcept {
  if (decision == nullptr) return KERF_BAD_ARGUMENT;
  *decision = KERF_DENY;
  if (query == nullptr) return KERF_BAD_ARGUMENT;
  query->answered = false;
  Report report = guarded([&](Report& inside) {
    query->refresh();
    body(inside);
  });
  query->message = std::move(report.message);
  if (report.status != KERF_OK) {
    *decision = KERF_DENY;
    query->answered = false;
  }
  return report.status;
}

}  // namespace

kerf_status kerf_gateway_new(kerf_text table, kerf_text entities, kerf_gateway** out, kerf_result** why) {
  kerf_result* unwanted = nullptr;
  if (why != nullptr) *why = nullptr;
  kerf_status status = operate(why ? why : &unwanted, [&](kerf_result&, Report& report) {
    if (out == nullptr) return refuse(report, "nowhere to put the gateway");
    *out = nullptr;
    if (!is_text(table) || !is_text(entities)) return refuse(report, "a text without an address");
    Result<gateway::Editor> editor = build(view(table), view(entities));
    if (!editor) return invalid(report, editor.error().message);
    *out = new kerf_gateway(std::move(*editor));
  });
  if (status != KERF_OK && out != nullptr) *out = nullptr;
  kerf_result_free(unwanted);
  return status;
}

namespace {

// Runs the body, which changes the editor; its engine is the newest then.
template <class Body>
kerf_status edit(kerf_gateway* gateway, kerf_text text, kerf_result** why, Body body) {
  kerf_result* unwanted = nullptr;
  const kerf_status status = operate(why ? why : &unwanted, [&](kerf_result&, Report& report) {
    if (gateway == nullptr) return refuse(report, "no gateway");
    if (!is_text(text)) return refuse(report, "a text without an address");
    std::lock_guard lock(gateway->edits);
    const Status done = body(view(text));
    if (!done) return invalid(report, done.error().message);
    gateway->newest->set(gateway->editor.engine());
  });
  kerf_result_free(unwanted);
  return status;
}

}  // namespace

kerf_status kerf_gateway_change_entities(kerf_gateway* gateway, kerf_text change, kerf_result** why) {
  return edit(gateway, change, why, [&](std::string_view text) -> Status {
    Result<gateway::EntityChange> read = gateway::read_entity_change(text);
    if (!read) return read.error();
    return gateway->editor.change(*read);
  });
}

kerf_status kerf_gateway_set_entities(kerf_gateway* gateway, kerf_text entities, kerf_result** why) {
  return edit(gateway, entities, why, [&](std::string_view text) -> Status {
    Result<Entities> read = read_entities(text);
    if (!read) return read.error();
    return gateway->editor.replace(std::move(*read));
  });
}

kerf_status kerf_gateway_change_policies(kerf_gateway* gateway, const kerf_text* remove, size_t count, kerf_text table, kerf_result** why) {
  return edit(gateway, table, why, [&](std::string_view text) -> Status {
    gateway::PolicyChange change;
    for (std::size_t i = 0; i < count; ++i) {
      if (remove == nullptr || !is_text(remove[i])) return Error{"an id without an address"};
      change.remove.emplace_back(view(remove[i]));
    }
    if (!text.empty()) {
      Result<gateway::Table> read = gateway::Table::read(text);
      if (!read) return Error{"table: " + read.error().message};
      change.add = std::make_shared<const gateway::Table>(std::move(*read));
    }
    return gateway->editor.change(change);
  });
}

void kerf_gateway_free(kerf_gateway* gateway) { delete gateway; }

kerf_status kerf_query_new(const kerf_gateway* gateway, kerf_query** out) {
  if (out == nullptr) return KERF_BAD_ARGUMENT;
  *out = nullptr;
  if (gateway == nullptr) return KERF_BAD_ARGUMENT;
  return guarded([&](Report&) { *out = new kerf_query(gateway->newest); }).status;
}

kerf_status kerf_query_decide(kerf_query* query, const kerf_request* request, int32_t* decision) {
  return ask(query, decision, [&](Report& report) {
    if (read_request(*query, request, report) && set(*query, report)) decide(*query, decision);
  });
}

kerf_status kerf_query_allows(kerf_query* query, const kerf_request* request, int32_t* decision) {
  return ask(query, decision, [&](Report& report) {
    if (read_request(*query, request, report) && set(*query, report)) *decision = query->engine.allows(query->query) ? KERF_ALLOW : KERF_DENY;
  });
}

kerf_status kerf_query_allowed(kerf_query* query, const kerf_request* request, const kerf_uid* resources, size_t count,
                               uint32_t* places, size_t* allowed) {
  if (allowed == nullptr) return KERF_BAD_ARGUMENT;
  *allowed = 0;
  std::int32_t decision = KERF_DENY;
  std::vector<std::uint32_t> found;
  const kerf_status status = ask(query, &decision, [&](Report& report) {
    if (count != 0 && (resources == nullptr || places == nullptr)) return refuse(report, "no resources, or nowhere to put their places");
    if (count > UINT32_MAX) return refuse(report, "too many resources");
    if (!read_request(*query, request, report, false)) return;
    std::vector<EntityUid> uids(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (!read_uid(resources[i], uids[i])) return refuse(report, "a resource is no text");
    }
    found = query->engine.allowed(query->query, query->uids[0], query->uids[1], uids, query->context);
  });
  if (status != KERF_OK) return status;
  std::copy(found.begin(), found.end(), places);
  *allowed = found.size();
  return KERF_OK;
}

kerf_status kerf_query_decide_json(kerf_query* query, kerf_text request, int32_t* decision) {
  return ask(query, decision, [&](Report& report) {
    if (!is_text(request)) return refuse(report, "a text without an address");
    if (read_json_request(*query, view(request), report) && set(*query, report)) decide(*query, decision);
  });
}

const kerf_answer* kerf_query_answer(const kerf_query* query) { return query && query->answered ? &query->answer : nullptr; }
kerf_text kerf_query_trace(kerf_query* query) {
  if (query == nullptr || !query->answered) return no_text();
  query->trace.clear();
  const Report report = guarded([&](Report&) { query->engine.append_json(query->trace, query->engine.trace(query->query)); });
  return report.status == KERF_OK ? text_of(query->trace) : no_text();
}
kerf_text kerf_query_message(const kerf_query* query) { return query ? text_of(query->message) : no_text(); }
void kerf_query_free(kerf_query* query) { delete query; }
