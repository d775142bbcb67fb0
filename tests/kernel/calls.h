// System calls that a test makes, as text: "tcp 127.0.0.1 80", "udp ::1 53", "raw", "nest /sys/fs/cgroup", "bind 0.0.0.0 80",
// "accept 127.0.0.2 80" (from there), "socket 2 3 1", …
#pragma once
#include <string>
#include <vector>

namespace kerf::test {

// 0: it worked and the other side was reached; else the errno. Every wait is bounded.
int perform(const std::string& call);

// One line "errno" for each call, into `out`; calls are made in order.
int perform_all(const std::string& out, const std::vector<std::string>& calls);

}  // namespace kerf::test
