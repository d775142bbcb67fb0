// Work on hostile bytes in a child process: a crash or an endless loop there is a failure here.
#pragma once
#include <functional>
#include <string>

#include "ir/base/result.h"

namespace kerf::loader {

// What `work` returned in a forked child, at most 64 KiB of it, within 20 seconds. Nothing that it does stays.
Result<std::string> in_child(const std::function<std::string()>& work);

}  // namespace kerf::loader
