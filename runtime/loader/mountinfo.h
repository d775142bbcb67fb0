// The mounts that a task sees, and which of their roots become anchors (design: canonical paths).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kerf::loader {

struct Mount {
  int id = 0, parent = 0;
  std::uint32_t device = 0;          // as the kernel keeps it: major << 20 | minor
  std::string root, point, fs_type;  // root within its file system, mount point within the view
};

// From the text of /proc/PID/mountinfo. Lines that do not have its form are left out.
std::vector<Mount> parse_mountinfo(std::string_view text);

// /proc writes space, tab, newline and backslash as \ooo.
std::string unescape_mount(std::string_view text);

struct Alias {
  std::string point, canonical;      // names below `point` are canonical below `canonical`
};

struct AnchorPlan {
  std::vector<Mount> anchors;        // in mountinfo's order
  std::vector<Alias> aliases;
  std::vector<std::string> left_out; // lines for a person: what is below is refused
  bool has_root = false;             // the view's "/" is the root of a mount
};

// Of the mounts that no other one covers, those of one file system with the same root, or a root below another's, are
// one anchor: the outermost root, and of equal ones the first in order, names it; the others are aliases.
AnchorPlan plan_anchors(const std::vector<Mount>& mounts);

// The mounts that a path in the view can reach, in order.
std::vector<Mount> visible_mounts(const std::vector<Mount>& mounts);

// `path` with the alias that it lies below replaced by its canonical spelling. A path that an anchor names stays.
std::string canonical_spelling(const AnchorPlan& plan, const std::string& path);

// "/a" is above "/a/b" and itself, "/" above everything.
bool is_at_or_below(std::string_view path, std::string_view directory);

}  // namespace kerf::loader
