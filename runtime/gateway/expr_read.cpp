// JSON -> Program. Strict: what is not exactly an expression of format 1 is an error that names it. Works through a
// list of tasks instead of recursing, so nesting costs memory and not stack.
#include <charconv>
#include <utility>

#include "ir/values/extension.h"
#include "runtime/gateway/expr.h"
#include "runtime/gateway/program.h"

namespace kerf::gateway {
namespace {

// Operators whose value is an array of exactly `arity` expressions.
struct PlainOperator {
  std::string_view text;
  Code code;
  std::size_t arity;
};
constexpr PlainOperator kPlain[] = {
    {"!", Code::not_, 1},          {"neg", Code::neg, 1},         {"isEmpty", Code::is_empty, 1},
    {"==", Code::eq, 2},           {"<", Code::less, 2},          {"<=", Code::less_eq, 2},
    {"+", Code::add, 2},           {"-", Code::sub, 2},           {"*", Code::mul, 2},
    {"in", Code::in, 2},           {"hasTag", Code::has_tag, 2},  {"getTag", Code::get_tag, 2},
    {"contains", Code::contains, 2}, {"containsAll", Code::contains_all, 2}, {"containsAny", Code::contains_any, 2},
};

constexpr std::pair<std::string_view, std::uint32_t> kVariables[] = {
    {"principal", 0}, {"action", 1}, {"resource", 2}, {"context", 3}};

Error wrong(std::string message) { return {std::move(message)}; }

std::optional<std::int64_t> read_long(const std::string& text) {
  std::int64_t value = 0;
  auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::to_string(value) == text ? std::optional(value) : std::nullopt;
}

Result<Value> read_scalar(const std::string& key, const std::string& text) {
  auto value = [&](auto parsed) -> Result<Value> {
    if (!parsed) return wrong("`" + key + "` of " + quote(text) + " is not a value");
    return Value(*parsed);
  };
  if (key == "String") return Value(text);
  if (key == "Long") return value(read_long(text));
  if (key == "ip") return value(parse_ip(text));
  if (key == "decimal") return value(parse_decimal(text));
  if (key == "datetime") return value(parse_datetime(text));
  if (key == "duration") return value(parse_duration(text));
  return wrong("unknown operator `" + key + "`");
}

bool is_literal(const std::string& key) {
  for (const char* known : {"Bool", "Long", "String", "Entity", "ip", "decimal", "datetime", "duration", "SetValue",
                            "RecordValue"}) {
    if (key == known) return true;
  }
  return false;
}

Result<EntityUid> read_uid(const Json& json) {
  if (!json.is_object() || json.size() != 2 || !json.contains("type") || !json.contains("id") ||
      !json["type"].is_string() || !json["id"].is_string()) {
    return wrong("an entity is {\"type\": string, \"id\": string}");
  }
  return EntityUid{json["type"].get<std::string>(), json["id"].get<std::string>()};
}

// `depth` bounds the recursion: a value has to be compared and printed later, which recurses too.
Result<Value> read_literal(const Json& json, int depth) {
  if (!json.is_object() || json.size() != 1) return wrong("a literal is an object with one key");
  if (depth > kMaxJsonDepth) return wrong("a literal nests too deep");
  const std::string& key = json.begin().key();
  const Json& operand = json.begin().value();
  if (key == "Bool") {
    if (!operand.is_boolean()) return wrong("`Bool` takes true or false");
    return Value(operand.get<bool>());
  }
  if (key == "Entity") {
    Result<EntityUid> uid = read_uid(operand);
    if (!uid.ok()) return uid.error();
    return Value(*std::move(uid));
  }
  if (key == "SetValue") {
    if (!operand.is_array()) return wrong("`SetValue` takes an array of literals");
    std::vector<Value> elements;
    for (const Json& element : operand) {
      Result<Value> value = read_literal(element, depth + 1);
      if (!value.ok()) return value;
      elements.push_back(*std::move(value));
    }
    return Value::set(std::move(elements));
  }
  if (key == "RecordValue") {
    if (!operand.is_object()) return wrong("`RecordValue` takes an object of literals");
    ValueRecord record;
    for (const auto& [name, field] : operand.items()) {
      Result<Value> value = read_literal(field, depth + 1);
      if (!value.ok()) return value;
      record.emplace(name, *std::move(value));
    }
    return Value(std::move(record));
  }
  if (!operand.is_string()) return wrong("`" + key + "` takes a string");
  return read_scalar(key, operand.get_ref<const std::string&>());
}

class Reader {
 public:
  Result<Program> read(const Json& json) {
    push_visit(json);
    while (!tasks_.empty()) {
      Task task = tasks_.back();
      tasks_.pop_back();
      Status status = perform(task);
      if (!status.ok()) return status.error();
    }
    return std::move(program_);
  }

 private:
  // visit: read an expression. emit: append an instruction. open: append a jump whose target is not known yet.
  // else_: the end of a `then` branch. close: the target of the last open jump is here.
  struct Task {
    enum class Kind { visit, emit, open, else_, close } kind;
    const Json* json = nullptr;
    Instruction instruction{Code::jump};
  };

  void push_visit(const Json& json) { tasks_.push_back({Task::Kind::visit, &json, {Code::jump}}); }
  void push(Task::Kind kind, Code code) { tasks_.push_back({kind, nullptr, {code}}); }
  void emit(Instruction instruction) { program_.code.push_back(instruction); }
  std::uint32_t here() const { return static_cast<std::uint32_t>(program_.code.size()); }

  void close() {
    program_.code[open_.back()].a = here();
    open_.pop_back();
  }

  Status perform(const Task& task) {
    switch (task.kind) {
      case Task::Kind::visit: return visit(*task.json);
      case Task::Kind::emit: emit(task.instruction); break;
      case Task::Kind::open:
        open_.push_back(here());
        emit(task.instruction);
        break;
      case Task::Kind::else_:
        emit({Code::jump});
        close();
        open_.push_back(here() - 1);
        break;
      case Task::Kind::close: close(); break;
    }
    return Unit{};
  }

  Status visit(const Json& json) {
    if (!json.is_object() || json.size() != 1) return wrong("an expression is an object with one key, the operator");
    const std::string& key = json.begin().key();
    const Json& operand = json.begin().value();
    for (const PlainOperator& plain : kPlain) {
      if (key == plain.text) return visit_plain(plain, operand);
    }
    if (is_literal(key)) return visit_literal(json);
    if (key == "Var") return visit_variable(operand);
    if (key == "&&" || key == "||" || key == "if") return visit_branch(key, operand);
    if (key == "." || key == "has" || key == "is") return visit_named(key, operand);
    if (key == "like") return visit_like(operand);
    if (key == "Set" || key == "call") return visit_list(key, operand);
    if (key == "Record") return visit_record(operand);
    return wrong("unknown operator " + quote(key));
  }

  // Operands in order, then `instruction`.
  template <class Operands>
  void schedule(const Operands& operands, Instruction instruction) {
    tasks_.push_back({Task::Kind::emit, nullptr, instruction});
    for (std::size_t i = operands.size(); i > 0; --i) push_visit(*operands[i - 1]);
  }

  Status visit_plain(const PlainOperator& plain, const Json& operand) {
    if (!operand.is_array() || operand.size() != plain.arity) {
      return wrong("`" + std::string(plain.text) + "` takes " + std::to_string(plain.arity) + " expressions");
    }
    std::vector<const Json*> operands;
    for (const Json& child : operand) operands.push_back(&child);
    schedule(operands, {plain.code});
    return Unit{};
  }

  Status visit_literal(const Json& json) {
    Result<Value> value = read_literal(json, 0);
    if (!value.ok()) return value.error();
    emit({Code::literal, static_cast<std::uint32_t>(program_.literals.size())});
    program_.literals.push_back(*std::move(value));
    return Unit{};
  }

  Status visit_variable(const Json& operand) {
    for (const auto& [name, index] : kVariables) {
      if (operand != name) continue;
      emit({Code::variable, index});
      return Unit{};
    }
    return wrong("`Var` takes \"principal\", \"action\", \"resource\" or \"context\"");
  }

  Status visit_branch(const std::string& key, const Json& operand) {
    const bool is_if = key == "if";
    const std::size_t arity = is_if ? 3 : 2;
    if (!operand.is_array() || operand.size() != arity) {
      return wrong("`" + key + "` takes " + std::to_string(arity) + " expressions");
    }
    push(Task::Kind::close, Code::jump);
    if (!is_if) push(Task::Kind::emit, Code::bool_check);
    push_visit(operand[arity - 1]);
    if (is_if) {
      push(Task::Kind::else_, Code::jump);
      push_visit(operand[1]);
    }
    push(Task::Kind::open, is_if ? Code::if_test : key == "&&" ? Code::and_test : Code::or_test);
    push_visit(operand[0]);
    return Unit{};
  }

  std::uint32_t add_name(std::string name) {
    program_.names.push_back(std::move(name));
    return static_cast<std::uint32_t>(program_.names.size() - 1);
  }

  Status visit_named(const std::string& key, const Json& operand) {
    if (!operand.is_array() || operand.size() != 2 || !operand[1].is_string()) {
      return wrong("`" + key + "` takes an expression and a name");
    }
    Code code = key == "is" ? Code::is : key == "has" ? Code::has_attr : Code::get_attr;
    schedule(std::vector{&operand[0]}, {code, add_name(operand[1].get<std::string>())});
    return Unit{};
  }

  Status visit_like(const Json& operand) {
    const char* shape = "`like` takes an expression and {\"pieces\": [string, …]}";
    if (!operand.is_array() || operand.size() != 2 || !operand[1].is_object() || operand[1].size() != 1 ||
        !operand[1].contains("pieces")) {
      return wrong(shape);
    }
    const Json& pieces = operand[1]["pieces"];
    if (!pieces.is_array() || pieces.empty()) return wrong(shape);
    Pattern pattern;
    pattern.pieces.clear();
    for (const Json& piece : pieces) {
      if (!piece.is_string()) return wrong(shape);
      pattern.pieces.push_back(piece.get<std::string>());
    }
    program_.patterns.push_back(std::move(pattern));
    schedule(std::vector{&operand[0]}, {Code::like, static_cast<std::uint32_t>(program_.patterns.size() - 1)});
    return Unit{};
  }

  Status visit_list(const std::string& key, const Json& operand) {
    const bool is_call = key == "call";
    if (!operand.is_array()) return wrong("`" + key + "` takes an array");
    std::vector<const Json*> operands;
    for (const Json& child : operand) operands.push_back(&child);
    if (!is_call) {
      schedule(operands, {Code::set, static_cast<std::uint32_t>(operands.size())});
      return Unit{};
    }
    if (operands.empty() || !operands[0]->is_string()) return wrong("`call` takes a function's name and its arguments");
    std::string name = operands[0]->get<std::string>();
    if (!is_extension_function(name) && !is_extension_method(name)) return wrong("unknown function " + quote(name));
    operands.erase(operands.begin());
    auto count = static_cast<std::uint32_t>(operands.size());
    schedule(operands, {Code::call, add_name(std::move(name)), count});
    return Unit{};
  }

  Status visit_record(const Json& operand) {
    if (!operand.is_object()) return wrong("`Record` takes an object");
    auto first = static_cast<std::uint32_t>(program_.names.size());
    std::vector<const Json*> operands;
    for (const auto& [name, field] : operand.items()) {
      add_name(name);
      operands.push_back(&field);
    }
    schedule(operands, {Code::record, first, static_cast<std::uint32_t>(operands.size())});
    return Unit{};
  }

  Program program_;
  std::vector<Task> tasks_;
  std::vector<std::uint32_t> open_;
};

}  // namespace

Result<Expr> Expr::from_json(const Json& json) {
  Result<Program> program = Reader().read(json);
  if (!program.ok()) return program.error();
  return Expr(std::make_shared<const Program>(*std::move(program)));
}

}  // namespace kerf::gateway
