// Formula JSON -> steps with one current outcome: `&&` leaves at the first false, `||` at the first true. A list of
// tasks instead of recursion, so nesting costs memory and not stack.
#include "runtime/gateway/formula_read.h"

#include "runtime/gateway/strict_json.h"

namespace kerf::gateway {
namespace {

using Kind = FormulaStep::Kind;

template <class Node>
class FormulaReader {
 public:
  FormulaReader(std::size_t atom_count, std::vector<FormulaStep>& steps)
      : atom_count_(atom_count), steps_(steps), base_(steps.size()) {}

  Status read(const Node& json) {
    push_visit(json);
    while (!tasks_.empty()) {
      Task task = tasks_.back();
      tasks_.pop_back();
      switch (task.kind) {
        case Task::Kind::visit:
          if (Status status = visit(*task.node); !status.ok()) return status;
          break;
        case Task::Kind::step: steps_.push_back(task.step); break;
        case Task::Kind::open:
          open_.push_back(steps_.size());
          steps_.push_back(task.step);
          break;
        case Task::Kind::else_:
          steps_.push_back({Kind::jump, 0});
          close();
          open_.push_back(steps_.size() - 1);
          break;
        case Task::Kind::close: close(); break;
      }
    }
    return Unit{};
  }

 private:
  struct Task {
    enum class Kind { visit, step, open, else_, close } kind;
    std::optional<Node> node;
    FormulaStep step{FormulaStep::Kind::flip, 0};
  };

  void push_visit(const Node& node) { tasks_.push_back({Task::Kind::visit, node, {Kind::flip, 0}}); }
  void push(Task::Kind kind, Kind step) { tasks_.push_back({kind, std::nullopt, {step, 0}}); }

  void close() {
    steps_[open_.back()].operand = static_cast<std::uint32_t>(steps_.size() - base_);
    open_.pop_back();
  }

  Status visit(const Node& json) {
    if (!json.is_object() || json.size() != 1) return Error{"a formula is an object with one key"};
    const auto [key, operand] = json.only();
    if (key == "const") return visit_constant(operand);
    if (key == "atom") {
      Result<std::uint32_t> atom = read_index(operand, "atom", atom_count_);
      if (!atom.ok()) return atom.error();
      steps_.push_back({Kind::atom, *atom});
      return Unit{};
    }
    if (!operand.is_array()) return Error{quote(std::string(key)) + " takes an array of formulas"};
    if (key == "!") return visit_not(operand);
    if (key == "if") return visit_if(operand);
    if (key == "&&") return visit_chain(operand, Kind::jump_if_false);
    if (key == "||") return visit_chain(operand, Kind::jump_if_true);
    return Error{"unknown formula " + quote(std::string(key))};
  }

  Status visit_constant(const Node& operand) {
    if (!operand.is_text("true") && !operand.is_text("false")) return Error{"`const` is \"true\" or \"false\""};
    const Outcome outcome = operand.is_text("true") ? Outcome::true_ : Outcome::false_;
    steps_.push_back({Kind::constant, static_cast<std::uint32_t>(outcome)});
    return Unit{};
  }

  Status visit_not(const Node& operand) {
    if (operand.size() != 1) return Error{"`!` takes 1 formula"};
    push(Task::Kind::step, Kind::flip);
    push_visit(parts_of<1>(operand)[0]);
    return Unit{};
  }

  Status visit_if(const Node& operand) {
    if (operand.size() != 3) return Error{"`if` takes 3 formulas"};
    const auto parts = parts_of<3>(operand);
    push(Task::Kind::close, Kind::jump);
    push_visit(parts[2]);
    push(Task::Kind::else_, Kind::jump);
    push_visit(parts[1]);
    push(Task::Kind::open, Kind::jump_if_false);
    push_visit(parts[0]);
    return Unit{};
  }

  // All of a chain leave to one place: each operand but the last opens a jump, and all close at the end.
  Status visit_chain(const Node& operand, Kind leave) {
    if (operand.size() < 2) return Error{"`&&` and `||` take 2 formulas or more"};
    const std::vector<Node> parts = elements_of(operand);
    for (std::size_t i = 1; i < parts.size(); ++i) push(Task::Kind::close, Kind::jump);
    for (std::size_t i = parts.size(); i > 0; --i) {
      if (i != parts.size()) push(Task::Kind::open, leave);
      push_visit(parts[i - 1]);
    }
    return Unit{};
  }

  std::size_t atom_count_;
  std::vector<FormulaStep>& steps_;
  std::size_t base_;
  std::vector<Task> tasks_;
  std::vector<std::size_t> open_;
};

}  // namespace

template <class Node>
Status read_formula(const Node& node, std::size_t atom_count, std::vector<FormulaStep>& steps) {
  return FormulaReader<Node>(atom_count, steps).read(node);
}
template Status read_formula(const JsonNode&, std::size_t, std::vector<FormulaStep>&);
template Status read_formula(const TapeNode&, std::size_t, std::vector<FormulaStep>&);

}  // namespace kerf::gateway
