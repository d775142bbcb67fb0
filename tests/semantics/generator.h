// Random well-typed programs for the differential tests: one schema with a governed and two gateway actions, entities,
// policies over every stage, and events and requests that sit on the boundaries of what the policies mention.
#pragma once
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "driver/pipeline.h"
#include "ir/passes/materialise.h"
#include "ir/values/entities.h"
#include "tests/semantics/oracle.h"

namespace kerf::test {

struct GeneratedProgram {
  std::string schema, policies, entities;   // texts
  std::vector<TemplateText> templates;
  std::vector<TemplateLink> links;
  std::vector<KernelEventData> events;
  std::vector<Request> requests;            // on gateway actions
};

class Generator {
 public:
  // `unknowns`: conditions at the hook may also read what no hook observes, or be what it cannot compute.
  explicit Generator(std::uint64_t seed, bool unknowns = false) : random_(seed), unknowns_(unknowns) {}
  GeneratedProgram program(std::size_t events, std::size_t requests);

 private:
  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  template <class T>
  const T& one_of(const std::vector<T>& list) { return list[pick(list.size())]; }

  std::string small_long();
  std::string any_cidr();
  std::string any_endpoint();
  std::string kernel_atom();
  std::string bind_atom();
  std::string publish_atom();
  std::string address_atom();
  std::string port_atom();
  std::string endpoint_atom();
  std::string mixed_atom();
  std::string code_atom();
  std::string clock_atom();
  std::string number_atom();
  std::string host_atom(bool forbid);
  Datetime any_time();
  std::string gateway_atom();
  std::string unknown_atom();
  std::string error_prone(bool kernel);
  std::string combine(int depth, bool kernel);
  std::string policy(bool kernel);
  void add_links(GeneratedProgram& program, std::size_t count);
  std::string entities_json();
  KernelEventData event();
  Request request();

  std::mt19937_64 random_;
  bool unknowns_;
  std::vector<std::string> cidrs_, endpoints_;   // of the current program
  std::vector<std::int64_t> ports_;
};

// As kerf reads them: a file of policies, and one of templates with their links if there are any.
ProgramText program_text(const GeneratedProgram& generated);

}  // namespace kerf::test
