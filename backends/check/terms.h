// Expressions as terms: equal expressions are one number, wherever they were read from. Sources (bodies of the IR) and
// artefacts (bodies decoded from JSON) meet here. Constant parts of sets, records and calls are values; chains of && and
// || nest to the right; the operands of == have no order.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/body.h"

namespace kerf::proof {

using Term = std::uint32_t;

class Terms {
 public:
  // The term of the body's root. The body must outlive this: messages print from it.
  Term add(const Body& body);
  // By node. Inner links of chains have none (kNone).
  const std::vector<Term>& add_all(const Body& body);
  static constexpr Term kNone = ~0u;
  Term add_literal(Value value);
  Term add_variable(Var var);
  Term add_node(Op op, std::vector<Term> args);   // operators without a name
  Term add_like(Term t, std::vector<Term> args);  // with other operands
  Term add_has(Term object, const std::string& attr);

  Op op(Term t) const { return nodes_[t].op; }
  std::span<const Term> args(Term t) const { return {args_.data() + nodes_[t].first_arg, nodes_[t].arg_count}; }
  Term arg(Term t, std::size_t i) const { return args_[nodes_[t].first_arg + i]; }
  const Value& literal(Term t) const { return literals_[nodes_[t].payload]; }
  Var variable(Term t) const { return static_cast<Var>(nodes_[t].payload); }
  const std::string& name(Term t) const { return names_[nodes_[t].payload]; }
  const Pattern& pattern(Term t) const { return patterns_[nodes_[t].payload]; }
  const std::string& field(Term t, std::size_t i) const { return names_[nodes_[t].payload + i]; }   // sorted
  bool is_variable(Term t, Var var) const { return op(t) == Op::variable && variable(t) == var; }
  std::size_t size() const { return nodes_.size(); }

  std::string text(Term t) const;   // Cedar syntax, of where it was read first

 private:
  struct Node {
    Op op;
    std::uint32_t first_arg, arg_count, payload;
  };
  struct Place {
    const Body* body;
    NodeId node;
  };
  // A node before it is stored.
  struct Draft {
    Op op;
    std::vector<Term> args;
    std::vector<std::string> names;    // one, or a record's fields
    const Pattern* pattern = nullptr;
    std::uint32_t variable = 0;
  };

  void add_nodes(const Body& body);
  Term add_one(const Body& body, NodeId id);
  Term add_chain(const Body& body, NodeId id);
  Term constant_or(Draft draft, Place place);
  Term intern(const Draft& draft, Place place);
  bool same(Term t, const Draft& draft) const;

  std::vector<Node> nodes_;
  std::vector<Place> places_;             // by term; no body: nowhere
  std::vector<Term> args_;
  std::vector<Value> literals_;
  std::vector<std::string> names_;
  std::vector<Pattern> patterns_;
  std::unordered_multimap<std::uint64_t, Term> index_;
  std::vector<Term> terms_;               // of the body that is being added
};

}  // namespace kerf::proof
