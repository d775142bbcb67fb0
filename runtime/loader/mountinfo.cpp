// The text of mountinfo -> anchors and aliases. The one decision: this is pure; whether the kernel agrees that a path
// leads to a mount is asked where the anchor's key is learned (anchors.cpp).
#include "runtime/loader/mountinfo.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "runtime/abi/policy_abi.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

constexpr std::string_view kDeleted = "//deleted";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

template <class T>
bool read_number(std::string_view text, T& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// 36 35 98:0 /root /point options optional… - type source options
std::optional<Mount> read_line(std::string_view line) {
  std::vector<std::string_view> fields = split(line, ' ');
  auto dash = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 10 || dash == fields.end() || fields.end() - dash < 2) return std::nullopt;
  Mount mount;
  std::uint32_t major = 0, minor = 0;
  std::size_t colon = fields[2].find(':');
  bool numbers = colon != std::string_view::npos && read_number(fields[0], mount.id) && read_number(fields[1], mount.parent) &&
                 read_number(fields[2].substr(0, colon), major) && read_number(fields[2].substr(colon + 1), minor);
  if (!numbers) return std::nullopt;
  constexpr int kMinorBits = 20;
  mount.device = major << kMinorBits | minor;
  mount.root = unescape_mount(fields[3]);
  mount.point = unescape_mount(fields[4]);
  mount.fs_type = std::string(*(dash + 1));
  return mount;
}

bool properly_below(std::string_view path, std::string_view directory) { return path != directory && is_at_or_below(path, directory); }

// Inode numbers of these repeat in their subvolumes, and the key of an anchor does not tell them apart.
bool has_subvolumes(const Mount& mount) { return mount.fs_type == "btrfs" || mount.fs_type == "bcachefs"; }

std::optional<std::string> why_left_out(const Mount& mount) {
  std::string point = escape_bytes(mount.point);
  if (has_subvolumes(mount)) return fmt::format("{} is {}, whose subvolumes kerf cannot tell apart", point, mount.fs_type);
  if (mount.root.ends_with(kDeleted)) return fmt::format("{} shows a directory that was deleted", point);
  if (mount.point.size() >= KERF_ANCHOR_BYTES) return fmt::format("the mount point {}… is longer than {} bytes", point.substr(0, 64), KERF_ANCHOR_BYTES - 1);
  return std::nullopt;
}

// `path` is at or below `from`: the same place below `to`.
std::string moved(const std::string& path, const std::string& from, const std::string& to) {
  std::string_view rest(path);
  rest.remove_prefix(from == "/" ? 0 : from.size());
  if (rest == "/") rest = "";
  if (rest.empty()) return to;
  return to == "/" ? std::string(rest) : to + std::string(rest);
}

}  // namespace

std::string unescape_mount(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool escape = text[i] == '\\' && i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3' && text[i + 2] >= '0' &&
                  text[i + 2] <= '7' && text[i + 3] >= '0' && text[i + 3] <= '7';
    if (!escape) {
      out += text[i];
      continue;
    }
    out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

bool is_at_or_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.starts_with('/');
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  for (std::string_view line : split(text, '\n')) {
    if (auto mount = read_line(line)) mounts.push_back(std::move(*mount));
  }
  return mounts;
}

std::vector<Mount> visible_mounts(const std::vector<Mount>& mounts) {
  std::map<int, std::vector<std::size_t>> below;
  std::map<int, std::size_t> by_id;
  for (std::size_t i = 0; i < mounts.size(); ++i) by_id.emplace(mounts[i].id, i);
  std::vector<std::size_t> open, seen;
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    bool top = mounts[i].parent == mounts[i].id || !by_id.contains(mounts[i].parent);
    if (top) open.push_back(i);
    else below[mounts[i].parent].push_back(i);
  }
  while (!open.empty()) {
    std::size_t at = open.back();
    open.pop_back();
    const std::vector<std::size_t>& inside = below[mounts[at].id];
    // mounted on its very root: it is covered, and so is all that was mounted inside it before
    auto over = std::find_if(inside.rbegin(), inside.rend(), [&](std::size_t m) { return mounts[m].point == mounts[at].point; });
    if (over != inside.rend()) {
      open.push_back(*over);
      continue;
    }
    seen.push_back(at);
    for (std::size_t m : inside) {
      bool hidden = std::any_of(inside.begin(), inside.end(), [&](std::size_t other) {
        return properly_below(mounts[m].point, mounts[other].point) || (other > m && mounts[m].point == mounts[other].point);
      });
      if (!hidden) open.push_back(m);
    }
  }
  std::sort(seen.begin(), seen.end());
  std::vector<Mount> list;
  for (std::size_t i : seen) {
    if (!mounts[i].point.ends_with(kDeleted)) list.push_back(mounts[i]);
  }
  return list;
}

AnchorPlan plan_anchors(const std::vector<Mount>& mounts) {
  AnchorPlan plan;
  std::vector<Mount> usable;
  for (Mount& mount : visible_mounts(mounts)) {
    plan.has_root = plan.has_root || mount.point == "/";
    if (auto why = why_left_out(mount)) plan.left_out.push_back(std::move(*why));
    else usable.push_back(std::move(mount));
  }
  for (const Mount& mount : usable) {
    const Mount* names = &mount;
    for (const Mount& other : usable) {
      bool above = other.device == mount.device && is_at_or_below(mount.root, other.root);
      bool outer = other.root.size() < names->root.size();
      bool earlier = other.root == names->root && &other < names;
      if (above && (outer || earlier)) names = &other;
    }
    if (names == &mount) plan.anchors.push_back(mount);
    else plan.aliases.push_back({mount.point, moved(mount.root, names->root, names->point)});
  }
  return plan;
}

std::string canonical_spelling(const AnchorPlan& plan, const std::string& path) {
  const Alias* alias = nullptr;
  std::size_t longest = 0;
  for (const Mount& anchor : plan.anchors) {
    if (is_at_or_below(path, anchor.point)) longest = std::max(longest, anchor.point.size());
  }
  for (const Alias& a : plan.aliases) {
    if (!is_at_or_below(path, a.point) || a.point.size() < longest) continue;
    alias = &a;
    longest = a.point.size();
  }
  return alias == nullptr ? path : moved(path, alias->point, alias->canonical);
}

}  // namespace kerf::loader
