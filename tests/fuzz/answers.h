// Decisions as text, so that they can be compared.
#pragma once
#include <string>
#include <vector>

#include "runtime/gateway/engine.h"

namespace kerf::fuzz {

struct Answered {
  bool allow = false;
  std::vector<std::uint32_t> determining, errors;
  std::string text() const;
};
std::string by_table(const gateway::Table& table, const Request& request, const Entities& entities);
std::string by_engine(const gateway::Engine& engine, gateway::Query& query, const Request& request);

}  // namespace kerf::fuzz
