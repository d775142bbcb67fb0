// A request to the helper program kerf-codegen, which is started for it.
#pragma once
#include <string>
#include <string_view>

#include "ir/base/result.h"

namespace kerf::bpf {

// `helper`: absolute path. `request`: write_request(). The object that it answers, which nobody has looked at yet.
Result<std::string> run_helper(const std::string& helper, std::string_view request);

}  // namespace kerf::bpf
