// The one decision: what is printed reads as what was given, but brackets, space and escapes are left to chance.
#include "tests/differential/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "ir/base/check.h"

namespace kerf::test {
namespace {

// Levels of the grammar: what stands as an operand must bind at least as tightly, or be in brackets.
enum Level { kExpr = 0, kOr, kAnd, kRelation, kAdd, kMult, kUnary, kMember, kPrimary };

class Printer {
 public:
  explicit Printer(Random& random) : random_(random) {}
  std::string policy(const Json& policy);

 private:
  std::string space() {   // where one may stand
    if (random_.chance(92)) return "";
    return random_.of({" ", "\n", "\t", " // c\n", "\r\n", "  "});
  }
  std::string gap() { return random_.chance(95) ? " " : random_.of({"\n", " // \"x\n", "\t", "\r", "\u00a0"}); }
  std::string expr(const Json& e, Level least);
  std::pair<std::string, Level> bare(const std::string& op, const Json& body);
  std::pair<std::string, Level> value(const Json& v);
  std::pair<std::string, Level> has(const Json& body);
  std::pair<std::string, Level> extension_call(const std::string& name, const Json& args);
  std::string list(const Json& items);
  std::string arguments(const Json& args, std::size_t from);
  std::string record(const Json& fields);
  std::string pattern(const Json& parts);
  std::string member(const Json& left, const std::string& attr);
  std::string scope(const char* var, const Json& constraint);
  std::string uid(const Json& entity) {
    const Json& e = entity.contains("__entity") ? entity["__entity"] : entity;
    return e["type"].get<std::string>() + "::" + string_literal(random_, e["id"]);
  }

  Random& random_;
};

std::string Printer::list(const Json& items) { return "[" + space() + arguments(items, 0) + "]"; }

std::string Printer::arguments(const Json& args, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < args.size(); ++i) out += (i == from ? "" : "," + gap()) + expr(args[i], kExpr);
  if (args.size() > from && random_.chance(8)) out += ",";
  return out;
}

std::string Printer::record(const Json& fields) {
  std::string out = "{";
  std::size_t left = fields.size();
  for (const auto& [name, value] : fields.items()) {
    out += (is_identifier(name) && random_.chance(70) ? name : string_literal(random_, name)) + ":" + gap() + expr(value, kExpr);
    if (--left > 0 || random_.chance(8)) out += "," + gap();
  }
  return out + "}";
}

std::string Printer::pattern(const Json& parts) {
  std::string out = "\"";
  for (const Json& part : parts) {
    if (part.is_string()) {
      out += "*";
      continue;
    }
    for (const std::string text = string_literal(random_, part["Literal"]); char c : text.substr(1, text.size() - 2)) {
      out += c == '*' ? "\\*" : std::string(1, c);
    }
  }
  return out + "\"";
}

std::string Printer::member(const Json& left, const std::string& attr) {
  std::string object = expr(left, kMember);
  if (is_identifier(attr) && random_.chance(80)) return object + space() + "." + attr;
  return object + "[" + string_literal(random_, attr) + "]";
}

std::pair<std::string, Level> Printer::value(const Json& v) {
  if (v.is_string()) return {string_literal(random_, v), kPrimary};
  if (v.is_boolean()) return {v.get<bool>() ? "true" : "false", kPrimary};
  if (v.is_number()) {
    std::int64_t n = v.get<std::int64_t>();
    std::string digits = fmt::format("{}", n);
    if (n >= 0 && random_.chance(4)) digits = "00" + digits;
    return {digits, n < 0 ? kUnary : kPrimary};
  }
  if (v.is_object() && v.contains("__entity")) return {uid(v), kPrimary};
  internal_error("text has no such value");
}

// `e has a && e.a has b` may be `e has a.b`; here only what the array form says.
std::pair<std::string, Level> Printer::has(const Json& body) {
  std::string left = expr(body["left"], kAdd) + gap() + "has" + gap();
  const Json& attr = body["attr"];
  if (attr.is_string()) {
    std::string name = attr;
    return {left + (is_identifier(name) && random_.chance(80) ? name : string_literal(random_, name)), kRelation};
  }
  std::string path;
  for (const Json& one : attr) path += (path.empty() ? "" : ".") + one.get<std::string>();
  return {left + path, kRelation};
}

std::pair<std::string, Level> Printer::extension_call(const std::string& name, const Json& args) {
  static const std::set<std::string> kFunctions = {"ip", "decimal", "datetime", "duration"};
  if (kFunctions.contains(name) || args.empty()) return {name + "(" + arguments(args, 0) + ")", kPrimary};
  return {expr(args[0], kMember) + "." + name + "(" + arguments(args, 1) + ")", kMember};
}

std::pair<std::string, Level> Printer::bare(const std::string& op, const Json& body) {
  static const std::set<std::string> kRelations = {"==", "!=", "<", "<=", ">", ">=", "in"};
  static const std::set<std::string> kMethods = {"contains", "containsAll", "containsAny", "getTag", "hasTag"};
  if (op == "Value") return value(body);
  if (op == "Var") return {body.get<std::string>(), kPrimary};
  if (op == "Set") return {list(body), kPrimary};
  if (op == "Record") return {record(body), kPrimary};
  if (op == "has") return has(body);
  if (op == ".") return {member(body["left"], body["attr"]), kMember};
  if (op == "like") return {expr(body["left"], kAdd) + " like " + pattern(body["pattern"]), kRelation};
  if (op == "is") {
    std::string text = expr(body["left"], kAdd) + gap() + "is" + gap() + body["entity_type"].get<std::string>();
    return {body.contains("in") ? text + " in " + expr(body["in"], kAdd) : text, kRelation};
  }
  if (op == "!") {
    bool twice = body["arg"].contains("!") && !body["arg"]["!"]["arg"].contains("!") && random_.chance(50);
    return {"!" + space() + (twice ? bare("!", body["arg"]["!"]).first : expr(body["arg"], kMember)), kUnary};
  }
  if (op == "neg") {   // a literal behind the sign would become part of it
    bool literal = body["arg"].contains("Value");
    return {literal ? "-(" + expr(body["arg"], kExpr) + ")" : "-" + expr(body["arg"], kMember), kUnary};
  }
  if (op == "if-then-else") {
    return {"if" + gap() + expr(body["if"], kExpr) + gap() + "then" + gap() + expr(body["then"], kExpr) + gap() + "else" + gap() +
                expr(body["else"], kExpr), kExpr};
  }
  auto binary = [&](Level left, Level right) { return expr(body["left"], left) + gap() + op + gap() + expr(body["right"], right); };
  if (op == "||") return {binary(kOr, kAnd), kOr};
  if (op == "&&") return {binary(kAnd, kRelation), kAnd};
  if (kRelations.contains(op)) return {binary(kAdd, kAdd), kRelation};
  if (op == "+" || op == "-") return {binary(kAdd, kMult), kAdd};
  if (op == "*") return {binary(kMult, kUnary), kMult};
  if (op == "isEmpty") return {expr(body["arg"], kMember) + ".isEmpty()", kMember};
  if (kMethods.contains(op)) return {expr(body["left"], kMember) + "." + op + "(" + expr(body["right"], kExpr) + ")", kMember};
  return extension_call(op, body);
}

std::string Printer::expr(const Json& e, Level least) {
  auto [text, level] = bare(e.begin().key(), e.begin().value());
  if (level < least || random_.chance(4)) return "(" + space() + text + space() + ")";
  return text;
}

std::string Printer::scope(const char* var, const Json& c) {
  std::string op = c["op"], out = var;
  auto target = [&](const Json& holder) { return holder.contains("slot") ? holder["slot"].get<std::string>() : uid(holder["entity"]); };
  if (op == "All") return out;
  if (op == "is") {
    out += " is " + c["entity_type"].get<std::string>();
    return c.contains("in") ? out + " in " + target(c["in"]) : out;
  }
  if (!c.contains("entities")) return out + gap() + op + gap() + target(c);
  out += " in [";
  for (std::size_t i = 0; i < c["entities"].size(); ++i) out += (i == 0 ? "" : ", ") + uid(c["entities"][i]);
  return out + "]";
}

std::string Printer::policy(const Json& p) {
  std::string out;
  if (p.contains("annotations")) {
    for (const auto& [key, value] : p["annotations"].items()) {
      out += "@" + key + (value.is_null() ? "" : "(" + string_literal(random_, value) + ")") + gap();
    }
  }
  out += p["effect"].get<std::string>() + space() + "(" + space() + scope("principal", p["principal"]) + "," + gap() +
         scope("action", p["action"]) + "," + gap() + scope("resource", p["resource"]) + (random_.chance(5) ? ",)" : ")");
  for (const Json& c : p["conditions"]) {
    out += gap() + c["kind"].get<std::string>() + space() + " {" + gap() + expr(c["body"], kExpr) + gap() + "}";
  }
  return out + ";";
}

}  // namespace

bool is_identifier(const std::string& text) {
  static const std::set<std::string> kReserved = {"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"};
  if (text.empty() || kReserved.contains(text)) return false;
  auto letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string string_literal(Random& random, const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += random.chance(70) ? "\\n" : "\\u{a}"; break;
      case '\t': out += random.chance(50) ? "\\t" : "\t"; break;
      case '\'': out += random.chance(50) ? "\\'" : "'"; break;
      case 'a': out += random.chance(97) ? "a" : random.chance(50) ? "\\x61" : "\\u{0061}"; break;
      default: out += c;
    }
  }
  return out + "\"";
}

std::string policy_text(Random& random, const Json& policy) { return Printer(random).policy(policy); }

}  // namespace kerf::test
