// The gateway's engine for C: a table and its entities, and queries that own all that deciding needs.
#include <array>

#include "driver/capi/result.h"
#include "ir/values/json.h"
#include "runtime/gateway/engine.h"

using namespace kerf;
using namespace kerf::capi;

struct kerf_gateway {
  std::shared_ptr<const gateway::Engine> engine;
};

struct kerf_query {
  explicit kerf_query(std::shared_ptr<const gateway::Engine> e) : engine(std::move(e)), query(*engine) {}
  std::shared_ptr<const gateway::Engine> engine;
  gateway::Query query;
  std::array<EntityUid, 3> uids;   // principal, action, resource
  ValueRecord context;
  gateway::Answer found;
  kerf_answer answer;
  bool answered = false;
  std::string message;
};

namespace {

Result<std::shared_ptr<const gateway::Engine>> build(std::string_view table_text, std::string_view entities_text) {
  Result<gateway::Table> table = gateway::Table::read(table_text);
  if (!table) return Error{"table: " + table.error().message};
  Entities entities;
  if (!entities_text.empty()) {
    Result<Json> json = parse_json(entities_text);
    Result<std::vector<Entity>> list = json ? entities_from_json(*json) : Result<std::vector<Entity>>(json.error());
    Result<Entities> built = list ? Entities::build(std::move(*list)) : Result<Entities>(list.error());
    if (!built) return Error{"entities: " + built.error().message};
    entities = std::move(*built);
  }
  auto shared = std::make_shared<const gateway::Table>(std::move(*table));
  Result<gateway::Engine> engine = gateway::Engine::build(std::move(shared), std::move(entities));
  if (!engine) return engine.error();
  return std::make_shared<const gateway::Engine>(std::move(*engine));
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

bool read_request(kerf_query& query, const kerf_request* request, Report& report) {
  kerf_request asked;
  if (request == nullptr || !read_options(request, asked)) return refuse(report, "a request of no known kind"), false;
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
  if (query.engine->set(query.query, query.uids[0], query.uids[1], query.uids[2], query.context)) return true;
  invalid(report, "the request does not fit the schema of the table");
  return false;
}

void decide(kerf_query& query, std::int32_t* decision) {
  query.engine->decide(query.query, query.found);
  const std::vector<gateway::PolicyInfo>& policies = query.engine->table().policies();
  kerf_answer& answer = query.answer;
  answer.allow = query.found.allow;
  answer.determining.clear();
  answer.errors.clear();
  for (std::uint32_t policy : query.found.determining) answer.determining.push_back(text_of(policies.at(policy).id));
  for (const gateway::Answer::Failure& failure : query.found.errors) {
    answer.errors.push_back({text_of(policies.at(failure.policy).id), query.engine->explain(query.query, failure).message});
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
  Report report = guarded([&](Report& inside) { body(inside); });
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
    Result<std::shared_ptr<const gateway::Engine>> engine = build(view(table), view(entities));
    if (!engine) return invalid(report, engine.error().message);
    *out = new kerf_gateway{std::move(*engine)};
  });
  if (status != KERF_OK && out != nullptr) *out = nullptr;
  kerf_result_free(unwanted);
  return status;
}

void kerf_gateway_free(kerf_gateway* gateway) { delete gateway; }

kerf_status kerf_query_new(const kerf_gateway* gateway, kerf_query** out) {
  if (out == nullptr) return KERF_BAD_ARGUMENT;
  *out = nullptr;
  if (gateway == nullptr) return KERF_BAD_ARGUMENT;
  return guarded([&](Report&) { *out = new kerf_query(gateway->engine); }).status;
}

kerf_status kerf_query_decide(kerf_query* query, const kerf_request* request, int32_t* decision) {
  return ask(query, decision, [&](Report& report) {
    if (read_request(*query, request, report) && set(*query, report)) decide(*query, decision);
  });
}

kerf_status kerf_query_allows(kerf_query* query, const kerf_request* request, int32_t* decision) {
  return ask(query, decision, [&](Report& report) {
    if (read_request(*query, request, report) && set(*query, report)) *decision = query->engine->allows(query->query) ? KERF_ALLOW : KERF_DENY;
  });
}

kerf_status kerf_query_decide_json(kerf_query* query, kerf_text request, int32_t* decision) {
  return ask(query, decision, [&](Report& report) {
    if (!is_text(request)) return refuse(report, "a text without an address");
    if (read_json_request(*query, view(request), report) && set(*query, report)) decide(*query, decision);
  });
}

const kerf_answer* kerf_query_answer(const kerf_query* query) { return query && query->answered ? &query->answer : nullptr; }
kerf_text kerf_query_message(const kerf_query* query) { return query ? text_of(query->message) : no_text(); }
void kerf_query_free(kerf_query* query) { delete query; }
