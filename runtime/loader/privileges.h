// Who the command is to the system: its user, its capabilities, its environment.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/loader/loader.h"

namespace kerf::loader {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;              // supplementary
  std::string name, home, shell;          // empty where the user database has none
};

struct Surroundings {
  std::optional<User> user;               // nothing: as kerf itself
  std::uint64_t capabilities = 0;         // bit n: capability n is kept
  bool privileged = false;                // keeps every capability and the ways to gain more
  bool no_new_privs = false;              // even if privileged: there is a filter of system calls
  std::vector<std::string> environment;   // NAME=VALUE, whole
};

// From `--user`, `--cap`, `--privileged`, `--clean-env` and `--env`. K7504, K7505.
LoaderResult<Surroundings> read_surroundings(const RunOptions& options);

// In the child, between clone and exec; async-signal-safe, and final. Returns 0 or an errno. Without `privileged`: bounding set,
// inheritable, permitted, effective and ambient capabilities are `capabilities`, and no_new_privs is set.
int enter_surroundings(const Surroundings& surroundings);

}  // namespace kerf::loader
