// Tests of policies, in the file format of Cedar's own command line: requests with the decision that is expected.
#pragma once
#include "driver/language.h"

namespace kerf {

struct TestOutcome {
  std::string name;            // "(unnamed)" without one
  bool passed = false;
  bool ran = false;            // the test itself was right: it has a decision, though perhaps another
  std::string why = {};        // it did not pass
};

// `tests` is a JSON array of {name?, request, entities, decision, reason, num_errors}: the decision and the number of
// evaluation errors must be equal, the policies in `reason` must be among those that determined the decision. `entities` is an
// array, or the name of a file below `directory`. With a schema, requests and entities must fit it, and the policies must
// validate without warnings. Nothing after a report.
std::optional<std::vector<TestOutcome>> run_policy_tests(Session& session, const std::vector<InputFile>& policies,
                                                         const std::optional<InputFile>& links, const std::optional<InputFile>& schema,
                                                         const InputFile& tests, const std::string& directory);

}  // namespace kerf
