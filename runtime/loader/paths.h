// The paths that policies name, looked at in the view of a principal: spellings that no event will ever have, and hard
// links made before.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "runtime/loader/manifest.h"
#include "runtime/loader/mountinfo.h"

namespace kerf::loader {

// Where `path` leads when symbolic links on the way, the last component's included, are followed inside `root` (an
// O_PATH descriptor of the view's "/"). What does not exist stays as written. Nothing: too many links, or a loop.
std::optional<std::string> resolve_in(int root, const std::string& path);

// A policy's path that no object of the view has.
struct Misspelled {
  enum class Why { symlink, alias } why;
  std::string path, canonical;      // canonical empty: a loop of links
};
std::vector<Misspelled> check_paths(const Manifest& manifest, int root, const AnchorPlan& plan);
// The first one as the failure of a bind, with the others as help.
Failure misspelled_failure(const std::vector<Misspelled>& list);

// Files that a permit names, or that lie below a tree or prefix directory that it names, with more than one hard link.
// Looks at kMaxLooked entries at most.
inline constexpr std::size_t kMaxLooked = 20'000;
struct HardLinks {
  std::size_t count = 0;
  std::string example;
  bool complete = true;             // false: the bound was reached
};
HardLinks count_hard_links(const Manifest& manifest, int root);

}  // namespace kerf::loader
