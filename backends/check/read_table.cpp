// Bytes -> decoded table, or the first thing that is not as the format says. Whatever a reader would refuse is refused.
#include "backends/check/read_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "backends/check/read_expr.h"
#include "ir/base/check.h"

namespace kerf::proof {

namespace {

class TableReader {
 public:
  Result<DecodedTable> run(const Json& json) {
    if (!keys(json, {"format", "version", "policies", "actions", "environments"}, "the table")) return error_;
    if (json["format"] != "kerf-table" || json["version"] != 1) return Error{"it is no kerf-table of version 1"};
    if (!list(json["policies"], "policies", [&](const Json& j) { return policy(j); })) return error_;
    if (!list(json["actions"], "actions", [&](const Json& j) { return action(j); })) return error_;
    if (!list(json["environments"], "environments", [&](const Json& j) { return environment(j); })) return error_;
    return std::move(table_);
  }

 private:
  bool fail(std::string why) {
    if (error_.message.empty()) error_.message = std::move(why);
    return false;
  }
  bool keys(const Json& json, std::initializer_list<const char*> names, std::string_view what) {
    bool good = json.is_object() && json.size() == names.size();
    for (const char* name : names) good = good && json.contains(name);
    return good || fail(fmt::format("{} has other keys than the format says", what));
  }
  template <class Read>
  bool list(const Json& json, std::string_view what, const Read& read) {
    if (!json.is_array()) return fail(fmt::format("{} is no array", what));
    return std::all_of(json.begin(), json.end(), read);
  }
  bool text(const Json& json, std::string& to) {
    if (!json.is_string()) return fail("a text is missing");
    to = json.get<std::string>();
    return true;
  }
  bool uid(const Json& json, EntityUid& to) {
    Result<EntityUid> read = read_uid(json);
    if (!read) return fail(read.error().message);
    to = std::move(*read);
    return true;
  }
  bool number(const Json& json, std::size_t limit, std::string_view what, std::uint32_t& to) {
    if (!json.is_number_integer() || json < 0 || json >= limit) return fail(fmt::format("{} is out of range", what));
    to = json.get<std::uint32_t>();
    return true;
  }
  bool outcome(const Json& json, Outcome& to) {
    for (Outcome o : {Outcome::false_, Outcome::true_, Outcome::error}) {
      if (!json.is_string() || json.get_ref<const std::string&>() != to_text(o)) continue;
      to = o;
      return true;
    }
    return fail("an outcome is none of true, false, error");
  }

  bool policy(const Json& json) {
    TablePolicy made;
    if (!keys(json, {"id", "effect", "annotations", "source"}, "a policy") || !text(json["id"], made.id)) return false;
    if (json["effect"] != "permit" && json["effect"] != "forbid") return fail("an effect is neither permit nor forbid");
    made.effect = json["effect"] == "permit" ? Effect::permit : Effect::forbid;
    if (!json["annotations"].is_object()) return fail("annotations are no object");
    for (const auto& [name, value] : json["annotations"].items()) {
      made.annotations.emplace_back(name, "");
      if (!text(value, made.annotations.back().second)) return false;
    }
    if (!keys(json["source"], {"file", "begin", "end", "line", "column"}, "a source")) return false;
    if (!ids_.insert(made.id).second) return fail(fmt::format("the policy `{}` is there twice", made.id));
    table_.policies.push_back(std::move(made));
    return true;
  }

  bool action(const Json& json) {
    auto& [own, parents] = table_.actions.emplace_back();
    if (!keys(json, {"uid", "parents"}, "an action") || !uid(json["uid"], own)) return false;
    return list(json["parents"], "parents", [&](const Json& j) { return uid(j, parents.emplace_back()); });
  }

  bool environment(const Json& json) {
    TableEnvironment& env = table_.environments.emplace_back();
    env.body = std::make_unique<Body>();
    if (!keys(json, {"principal", "action", "resource", "atoms", "groups"}, "an environment")) return false;
    if (!text(json["principal"], env.request.principal) || !uid(json["action"], env.request.action) ||
        !text(json["resource"], env.request.resource)) {
      return false;
    }
    if (!list(json["atoms"], "atoms", [&](const Json& j) { return atom(j, env); })) return false;
    if (!env.atoms.empty()) env.body->root = env.atoms.back();
    scopes_.clear();
    if (!list(json["groups"], "groups", [&](const Json& j) { return group(j, env); })) return false;
    std::stable_sort(env.places.begin(), env.places.end(), [](const auto& a, const auto& b) { return a.policy < b.policy; });
    auto twice = std::adjacent_find(env.places.begin(), env.places.end(), [](const auto& a, const auto& b) { return a.policy == b.policy; });
    if (twice != env.places.end()) return fail(fmt::format("policy {} has two places in an environment", twice->policy));
    return true;
  }

  bool atom(const Json& json, TableEnvironment& env) {
    Result<NodeId> read = read_expr(json, *env.body);
    if (!read) return fail(read.error().message);
    env.atoms.push_back(*read);
    return true;
  }

  bool scope(const Json& json, ScopeConstraint& to) {
    if (json.is_null()) return true;
    if (!json.is_object() || json.size() != 1) return fail("a scope is neither null nor one comparison");
    const std::string& kind = json.begin().key();
    if (kind != "==" && kind != "in") return fail("a scope is neither null nor one comparison");
    to.kind = kind == "==" ? ScopeConstraint::Kind::eq : ScopeConstraint::Kind::in;
    return uid(*json.begin(), to.uid);
  }

  bool group(const Json& json, TableEnvironment& env) {
    ScopeConstraint principal, resource;
    if (!keys(json, {"principal", "resource", "rows", "exprs"}, "a group")) return false;
    if (!scope(json["principal"], principal) || !scope(json["resource"], resource)) return false;
    if (!scopes_.insert({principal.kind, principal.uid, resource.kind, resource.uid}).second) return fail("a pair of scopes comes twice");
    const std::size_t first = env.places.size();
    auto place_of = [&](std::uint32_t policy, bool joins) -> TablePlace& {   // rows of a policy lie together
      if (joins && env.places.size() > first && env.places.back().policy == policy) return env.places.back();
      return env.places.emplace_back(TablePlace{policy, principal, resource, {}, {}});
    };
    const bool rows = list(json["rows"], "rows", [&](const Json& j) {
      TableRow row;
      std::uint32_t policy = 0;
      if (!read_row(j, env, policy, row)) return false;
      place_of(policy, true).rows.push_back(std::move(row));
      return true;
    });
    return rows && list(json["exprs"], "exprs", [&](const Json& j) {
      std::uint32_t policy = 0;
      if (!keys(j, {"policy", "formula"}, "a formula's entry")) return false;
      if (!number(j["policy"], table_.policies.size(), "a policy's number", policy)) return false;
      TableFormula formula;
      if (!read_formula(j["formula"], env, formula, 0)) return false;
      place_of(policy, false).formula = std::move(formula);
      return true;
    });
  }

  bool read_row(const Json& json, const TableEnvironment& env, std::uint32_t& policy, TableRow& row) {
    if (!keys(json, {"policy", "when", "then"}, "a row")) return false;
    if (!number(json["policy"], table_.policies.size(), "a policy's number", policy) || !outcome(json["then"], row.then)) return false;
    const bool good = list(json["when"], "when", [&](const Json& pair) {
      auto& [atom, wanted] = row.when.emplace_back();
      if (!pair.is_array() || pair.size() != 2) return fail("a requirement is no pair");
      return number(pair[0], env.atoms.size(), "an atom's number", atom) && outcome(pair[1], wanted);
    });
    if (!good) return false;
    if (row.then == Outcome::false_) return fail("a row says false");
    for (std::size_t i = 0; i < row.when.size(); ++i) {
      const bool may = i + 1 == row.when.size() && row.then == Outcome::error;
      if (row.when[i].second == Outcome::error && !may) return fail("a row asks for an error and goes on");
    }
    const bool asks_error = !row.when.empty() && row.when.back().second == Outcome::error;
    return asks_error == (row.then == Outcome::error) || fail("a row errs without asking for an error");
  }

  bool read_formula(const Json& json, const TableEnvironment& env, TableFormula& to, int depth) {
    if (!json.is_object() || json.size() != 1 || depth > kMaxExprNesting) return fail("a formula is no object with one key, or nests too deep");
    const std::string& key = json.begin().key();
    const Json& content = *json.begin();
    using Kind = TableFormula::Kind;
    if (key == "const") {
      to.kind = Kind::constant;
      return outcome(content, to.constant) && (to.constant != Outcome::error || fail("a formula is the constant error"));
    }
    if (key == "atom") {
      to.kind = Kind::atom;
      return number(content, env.atoms.size(), "an atom's number", to.atom);
    }
    if (key != "!" && key != "&&" && key != "||" && key != "if") return fail(fmt::format("`{}` is no formula", key));
    to.kind = key == "!" ? Kind::not_ : key == "&&" ? Kind::and_ : key == "||" ? Kind::or_ : Kind::if_;
    const std::size_t least = to.kind == Kind::not_ ? 1 : to.kind == Kind::if_ ? 3 : 2;
    const bool many = to.kind == Kind::and_ || to.kind == Kind::or_;
    if (!content.is_array() || content.size() < least || (!many && content.size() > least)) return fail("a formula has another number of operands");
    return list(content, "operands", [&](const Json& j) { return read_formula(j, env, to.args.emplace_back(), depth + 1); });
  }

  DecodedTable table_;
  Error error_;
  std::set<std::string> ids_;
  std::set<std::tuple<ScopeConstraint::Kind, EntityUid, ScopeConstraint::Kind, EntityUid>> scopes_;
};

}  // namespace

Result<DecodedTable> read_table(std::string_view bytes) {
  Result<Json> json = parse_json(bytes, kMaxArtefactJsonDepth, JsonNull::accept);
  if (!json) return json.error();
  return TableReader().run(*json);
}

}  // namespace kerf::proof
