// One case of the differential test: texts only, so that it can be mutated, shrunk and printed.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ir/values/json.h"

namespace kerf::test {

struct PolicyInput {
  std::string id, text;      // `text`: Cedar or JSON, see Case::policies_json
  bool is_template = false;
};

struct LinkInput {
  std::string id, template_id;
  std::map<std::string, Json> values;   // by slot: {"type", "id"}
};

struct RequestInput {
  Json principal, action, resource;     // {"type", "id"}
  std::string context;                  // JSON text
};

struct Case {
  std::string schema;
  bool schema_json = false;
  std::vector<PolicyInput> policies;
  bool policies_json = false;
  bool one_file = false;                // Cedar text without templates: the policies are one text, ids by position
  std::vector<LinkInput> links;
  std::string entities;                 // JSON text
  std::vector<RequestInput> requests;

  std::string joined() const;           // the policies as one text
};

Case make_case(std::uint64_t seed);
std::string show(const Case& c);        // for the reader of a failure

}  // namespace kerf::test
