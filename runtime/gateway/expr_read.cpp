// JSON -> Program. Strict: what is not exactly an expression of format 1 is an error that names it. Works through a
// list of tasks instead of recursing, so nesting costs memory and not stack.
#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "ir/values/extension.h"
#include "runtime/gateway/expr.h"
#include "runtime/gateway/program.h"
#include "runtime/gateway/tree.h"

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

Result<Value> read_scalar(std::string_view key, const std::string& text) {
  auto value = [&](auto parsed) -> Result<Value> {
    if (!parsed) return wrong("`" + std::string(key) + "` of " + quote(text) + " is not a value");
    return Value(*parsed);
  };
  if (key == "String") return Value(text);
  if (key == "Long") return value(read_long(text));
  if (key == "ip") return value(parse_ip(text));
  if (key == "decimal") return value(parse_decimal(text));
  if (key == "datetime") return value(parse_datetime(text));
  if (key == "duration") return value(parse_duration(text));
  return wrong("unknown operator `" + std::string(key) + "`");
}

constexpr std::string_view kLiterals[] = {"Bool", "Long", "String", "Entity", "ip", "decimal", "datetime", "duration", "SetValue", "RecordValue"};
bool is_literal(std::string_view key) { return std::find(std::begin(kLiterals), std::end(kLiterals), key) != std::end(kLiterals); }

template <class Node>
Result<EntityUid> read_uid(const Node& json) {
  std::array<Node, 2> fields;
  if (json.is_object() && json.fields({"type", "id"}, fields) && fields[0].is_string() && fields[1].is_string()) {
    return EntityUid{std::string(fields[0].text()), std::string(fields[1].text())};
  }
  return wrong("an entity is {\"type\": string, \"id\": string}");
}

// `depth` bounds the recursion: a value has to be compared and printed later, which recurses too.
template <class Node>
Result<Value> read_literal(const Node& json, int depth) {
  if (!json.is_object() || json.size() != 1) return wrong("a literal is an object with one key");
  if (depth > kMaxJsonDepth) return wrong("a literal nests too deep");
  const auto [key, operand] = json.only();
  if (key == "Bool") {
    if (!operand.is_boolean()) return wrong("`Bool` takes true or false");
    return Value(operand.boolean());
  }
  if (key == "Entity") {
    Result<EntityUid> uid = read_uid(operand);
    if (!uid.ok()) return uid.error();
    return Value(*std::move(uid));
  }
  if (key == "SetValue") {
    if (!operand.is_array()) return wrong("`SetValue` takes an array of literals");
    std::vector<Value> elements;
    for (const Node& element : elements_of(operand)) {
      Result<Value> value = read_literal(element, depth + 1);
      if (!value.ok()) return value;
      elements.push_back(*std::move(value));
    }
    return Value::set(std::move(elements));
  }
  if (key == "RecordValue") {
    if (!operand.is_object()) return wrong("`RecordValue` takes an object of literals");
    ValueRecord record;
    for (const auto& [attribute, field] : operand.members()) {
      Result<Value> value = read_literal(field, depth + 1);
      if (!value.ok()) return value;
      if (!record.emplace(attribute, *std::move(value)).second) return wrong("a key is there twice");
    }
    return Value(std::move(record));
  }
  if (!operand.is_string()) return wrong("`" + std::string(key) + "` takes a string");
  return read_scalar(key, std::string(operand.text()));
}

template <class Node>
class Reader {
 public:
  Result<Program> read(const Node& json) {
    tasks_.reserve(8);
    push_visit(json);
    while (!tasks_.empty()) {
      Task task = tasks_.back();
      tasks_.pop_back();
      Status status = perform(task);
      if (!status.ok()) return status.error();
    }
    program_.code.shrink_to_fit();
    return std::move(program_);
  }

 private:
  // visit: read an expression. emit: append an instruction. open: append a jump whose target is not known yet.
  // else_: the end of a `then` branch. close: the target of the last open jump is here.
  struct Task {
    enum class Kind { visit, emit, open, else_, close } kind;
    std::optional<Node> node;
    Instruction instruction{Code::jump};
  };

  void push_visit(const Node& node) { tasks_.push_back({Task::Kind::visit, node, {Code::jump}}); }
  void push(Task::Kind kind, Code code) { tasks_.push_back({kind, std::nullopt, {code}}); }
  void emit(Instruction instruction) {
    if (program_.code.empty()) program_.code.reserve(8);
    program_.code.push_back(instruction);
  }
  std::uint32_t here() const { return static_cast<std::uint32_t>(program_.code.size()); }

  void close() {
    program_.code[open_.back()].a = here();
    open_.pop_back();
  }

  Status perform(const Task& task) {
    switch (task.kind) {
      case Task::Kind::visit: return visit(*task.node);
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

  Status visit(const Node& json) {
    if (!json.is_object() || json.size() != 1) return wrong("an expression is an object with one key, the operator");
    const auto [key, operand] = json.only();
    if (key == "Var") return visit_variable(operand);
    for (const PlainOperator& plain : kPlain) {
      if (key == plain.text) return visit_plain(plain, operand);
    }
    if (is_literal(key)) return visit_literal(json);
    if (key == "&&" || key == "||" || key == "if") return visit_branch(key, operand);
    if (key == "." || key == "has" || key == "is") return visit_named(key, operand);
    if (key == "like") return visit_like(operand);
    if (key == "Set" || key == "call") return visit_list(key, operand);
    if (key == "Record") return visit_record(operand);
    return wrong("unknown operator " + quote(std::string(key)));
  }

  // Operands in order, then `instruction`.
  void schedule(std::span<const Node> operands, Instruction instruction) {
    tasks_.push_back({Task::Kind::emit, std::nullopt, instruction});
    for (std::size_t i = operands.size(); i > 0; --i) push_visit(operands[i - 1]);
  }

  Status visit_plain(const PlainOperator& plain, const Node& operand) {
    if (!operand.is_array() || operand.size() != plain.arity) {
      return wrong("`" + std::string(plain.text) + "` takes " + std::to_string(plain.arity) + " expressions");
    }
    if (plain.arity == 1) schedule(parts_of<1>(operand), {plain.code});
    else schedule(parts_of<2>(operand), {plain.code});
    return Unit{};
  }

  Status visit_literal(const Node& json) {
    Result<Value> value = read_literal(json, 0);
    if (!value.ok()) return value.error();
    emit({Code::literal, static_cast<std::uint32_t>(program_.literals.size())});
    program_.literals.push_back(*std::move(value));
    return Unit{};
  }

  Status visit_variable(const Node& operand) {
    for (const auto& [name, index] : kVariables) {
      if (!operand.is_text(name)) continue;
      emit({Code::variable, index});
      return Unit{};
    }
    return wrong("`Var` takes \"principal\", \"action\", \"resource\" or \"context\"");
  }

  Status visit_branch(std::string_view key, const Node& operand) {
    const bool is_if = key == "if";
    const std::size_t arity = is_if ? 3 : 2;
    if (!operand.is_array() || operand.size() != arity) {
      return wrong("`" + std::string(key) + "` takes " + std::to_string(arity) + " expressions");
    }
    const std::vector<Node> parts = elements_of(operand);
    push(Task::Kind::close, Code::jump);
    if (!is_if) push(Task::Kind::emit, Code::bool_check);
    push_visit(parts[arity - 1]);
    if (is_if) {
      push(Task::Kind::else_, Code::jump);
      push_visit(parts[1]);
    }
    push(Task::Kind::open, is_if ? Code::if_test : key == "&&" ? Code::and_test : Code::or_test);
    push_visit(parts[0]);
    return Unit{};
  }

  std::uint32_t add_name(std::string name) {
    program_.names.push_back(std::move(name));
    return static_cast<std::uint32_t>(program_.names.size() - 1);
  }

  Status visit_named(std::string_view key, const Node& operand) {
    const bool is_pair = operand.is_array() && operand.size() == 2;
    const auto parts = is_pair ? parts_of<2>(operand) : std::array<Node, 2>();
    if (!is_pair || !parts[1].is_string()) return wrong("`" + std::string(key) + "` takes an expression and a name");
    Code code = key == "is" ? Code::is : key == "has" ? Code::has_attr : Code::get_attr;
    schedule({&parts[0], 1}, {code, add_name(std::string(parts[1].text()))});
    return Unit{};
  }

  Status visit_like(const Node& operand) {
    const char* shape = "`like` takes an expression and {\"pieces\": [string, …]}";
    if (!operand.is_array() || operand.size() != 2) return wrong(shape);
    const auto parts = parts_of<2>(operand);
    if (!parts[1].is_object() || parts[1].size() != 1 || parts[1].only().first != "pieces") return wrong(shape);
    const Node pieces = parts[1].only().second;
    if (!pieces.is_array() || pieces.size() == 0) return wrong(shape);
    Pattern pattern;
    pattern.pieces.clear();
    for (const Node& piece : elements_of(pieces)) {
      if (!piece.is_string()) return wrong(shape);
      pattern.pieces.emplace_back(piece.text());
    }
    program_.patterns.push_back(std::move(pattern));
    schedule({&parts[0], 1}, {Code::like, static_cast<std::uint32_t>(program_.patterns.size() - 1)});
    return Unit{};
  }

  Status visit_list(std::string_view key, const Node& operand) {
    const bool is_call = key == "call";
    if (!operand.is_array()) return wrong("`" + std::string(key) + "` takes an array");
    std::vector<Node> operands = elements_of(operand);
    if (!is_call) {
      schedule(operands, {Code::set, static_cast<std::uint32_t>(operands.size())});
      return Unit{};
    }
    if (operands.empty() || !operands[0].is_string()) return wrong("`call` takes a function's name and its arguments");
    std::string name(operands[0].text());
    if (!is_extension_function(name) && !is_extension_method(name)) return wrong("unknown function " + quote(name));
    operands.erase(operands.begin());
    auto count = static_cast<std::uint32_t>(operands.size());
    schedule(operands, {Code::call, add_name(std::move(name)), count});
    return Unit{};
  }

  Status visit_record(const Node& operand) {
    if (!operand.is_object()) return wrong("`Record` takes an object");
    auto first = static_cast<std::uint32_t>(program_.names.size());
    std::vector<Node> operands;
    const auto members = operand.members();
    if (repeats(members)) return wrong("a key is there twice");
    for (const auto& [name, field] : members) {
      add_name(std::string(name));
      operands.push_back(field);
    }
    schedule(operands, {Code::record, first, static_cast<std::uint32_t>(operands.size())});
    return Unit{};
  }

  Program program_;
  std::vector<Task> tasks_;
  std::vector<std::uint32_t> open_;
};

}  // namespace

template <class Node>
Result<Expr> Expr::from_node(const Node& node) {
  Result<Program> program = Reader<Node>().read(node);
  if (!program.ok()) return program.error();
  return Expr(std::make_shared<const Program>(*std::move(program)));
}
template Result<Expr> Expr::from_node(const JsonNode&);
template Result<Expr> Expr::from_node(const TapeNode&);

Result<Expr> Expr::from_json(const Json& json) { return from_node(JsonNode(json)); }

}  // namespace kerf::gateway
