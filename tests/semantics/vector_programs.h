// Small programs written by hand for the test vectors: what a second implementation of table.json is likely to get
// wrong, one subject each. Requests are all combinations of the lists.
#pragma once
#include <string>
#include <vector>

namespace kerf::test {

struct VectorProgram {
  std::string name, schema, policies, entities;
  std::vector<std::string> principals, actions, resources, contexts;   // uids in Cedar syntax, records in JSON
};

const std::vector<VectorProgram>& vector_programs();

}  // namespace kerf::test
