// manifest.paths + a view -> what is misspelled. The one decision: resolution is done here, component by component, with
// descriptors that follow no link, because the answer needed is the name inside the view, which /proc/self/fd of another
// mount namespace does not tell.
#include "runtime/loader/paths.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>

#include "runtime/loader/failure.h"
#include "runtime/loader/fd.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

constexpr int kMaxLinks = 40;          // as the kernel's own resolution

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    std::size_t end = std::min(path.find('/', at), path.size());
    if (end > at) parts.emplace_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) path += "/" + part;
  return path.empty() ? "/" : path;
}

// A path without links, opened without following one: the kernel checks what we believe. "" is the root.
Fd open_plain(int root, const std::vector<std::string>& parts) {
  Fd at(::openat(root, ".", O_PATH | O_CLOEXEC));
  for (const std::string& part : parts) {
    if (!at.ok()) break;
    at = Fd(::openat(at.get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  }
  return at;
}

std::optional<std::string> link_target(int directory, const std::string& name) {
  char target[PATH_MAX];
  ssize_t n = ::readlinkat(directory, name.c_str(), target, sizeof target);
  if (n <= 0) return std::nullopt;
  return std::string(target, static_cast<std::size_t>(n));
}

// What of a row is resolved: the whole path, or the directory that a pattern's text begins with.
std::string resolved_part(const PathRow& row) {
  if (row.kind != PathKind::prefix) return row.path;
  std::size_t slash = row.path.rfind('/');
  return slash == 0 ? "/" : row.path.substr(0, slash);
}

std::string with_rest(const PathRow& row, const std::string& canonical) {
  std::string rest = row.path.substr(row.kind == PathKind::prefix ? row.path.rfind('/') : row.path.size());
  return canonical == "/" && !rest.empty() ? rest : canonical + rest;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

class LinkCounter {
 public:
  explicit LinkCounter(HardLinks& found) : found_(found) {}

  bool look(const struct stat& about, const std::string& path) {
    if (++looked_ > kMaxLooked) found_.complete = false;
    bool linked = found_.complete && S_ISREG(about.st_mode) && about.st_nlink > 1;
    if (linked && found_.count++ == 0) found_.example = path;
    return found_.complete;
  }

  // `start` and what is below it in the same file system.
  void walk(int root, const std::string& start) {
    std::vector<std::string> open{start};
    struct stat top {};
    if (Fd fd = open_plain(root, components(start)); !fd.ok() || ::fstat(fd.get(), &top) != 0) return;
    if (!look(top, start) || !S_ISDIR(top.st_mode)) return;
    while (!open.empty() && found_.complete) {
      std::string directory = std::move(open.back());
      open.pop_back();
      list(root, directory, top.st_dev, open);
    }
  }

 private:
  void list(int root, const std::string& path, dev_t device, std::vector<std::string>& open) {
    Fd at = open_plain(root, components(path));
    int readable = at.ok() ? ::openat(at.get(), ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC) : -1;
    std::unique_ptr<DIR, CloseDirectory> directory(readable >= 0 ? ::fdopendir(readable) : nullptr);
    while (directory) {
      const dirent* entry = ::readdir(directory.get());
      if (entry == nullptr) return;
      std::string name = entry->d_name;
      struct stat about {};
      if (name == "." || name == ".." || ::fstatat(readable, name.c_str(), &about, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) continue;
      std::string below = path == "/" ? "/" + name : path + "/" + name;
      if (!look(about, below)) return;
      if (S_ISDIR(about.st_mode) && about.st_dev == device) open.push_back(std::move(below));
    }
  }

  HardLinks& found_;
  std::size_t looked_ = 0;
};

}  // namespace

std::optional<std::string> resolve_in(int root, const std::string& path) {
  std::vector<std::string> done, left = components(path);
  std::reverse(left.begin(), left.end());
  int links = 0;
  while (!left.empty()) {
    std::string part = std::move(left.back());
    left.pop_back();
    if (part == ".") continue;
    if (part == "..") {
      if (!done.empty()) done.pop_back();
      continue;
    }
    Fd directory = open_plain(root, done);
    auto target = directory.ok() ? link_target(directory.get(), part) : std::nullopt;
    if (!target) {
      done.push_back(std::move(part));
      continue;
    }
    if (++links > kMaxLinks) return std::nullopt;
    if (target->starts_with('/')) done.clear();
    std::vector<std::string> inserted = components(*target);
    left.insert(left.end(), inserted.rbegin(), inserted.rend());
  }
  return joined(done);
}

std::vector<Misspelled> check_paths(const Manifest& manifest, int root, const AnchorPlan& plan) {
  std::vector<Misspelled> list;
  for (const PathRow& row : manifest.paths) {
    std::string part = resolved_part(row);
    auto real = resolve_in(root, part);
    if (!real) {
      list.push_back({Misspelled::Why::symlink, row.path, ""});
      continue;
    }
    std::string canonical = canonical_spelling(plan, *real);
    if (canonical == part) continue;
    list.push_back({*real == part ? Misspelled::Why::alias : Misspelled::Why::symlink, row.path, with_rest(row, canonical)});
  }
  return list;
}

Failure misspelled_failure(const std::vector<Misspelled>& list) {
  check(!list.empty(), "something is misspelled");
  auto spelled = [](const Misspelled& m) { return m.canonical.empty() ? std::string("a loop of links") : "`" + escape_bytes(m.canonical) + "`"; };
  const Misspelled& first = list.front();
  Failure failure = first.why == Misspelled::Why::symlink ? fail(Code::K7309, escape_bytes(first.path), spelled(first))
                                                          : fail(Code::K7310, escape_bytes(first.path), spelled(first));
  constexpr std::size_t kShown = 10;
  for (std::size_t i = 1; i < std::min(list.size(), kShown + 1); ++i) failure.help.push_back(fmt::format("also: `{}` is {}", escape_bytes(list[i].path), spelled(list[i])));
  if (list.size() > kShown + 1) failure.help.push_back(fmt::format("and {} more", list.size() - kShown - 1));
  return failure;
}

HardLinks count_hard_links(const Manifest& manifest, int root) {
  HardLinks found;
  LinkCounter counter(found);
  std::vector<std::string> walked;
  for (const PathRow& row : manifest.paths) {
    constexpr std::size_t kListed = 8;    // the manifest names no more: some other may be a permit
    bool permitted = row.policies.size() >= kListed || std::any_of(row.policies.begin(), row.policies.end(), [&](std::uint32_t p) { return !manifest.policies.at(p).forbid; });
    if (!permitted) continue;
    std::string start = resolved_part(row);
    if (row.kind == PathKind::prefix && start == "/") continue;   // `*` and the like: not a tree that somebody chose
    bool seen = std::any_of(walked.begin(), walked.end(), [&](const std::string& tree) { return is_at_or_below(start, tree); });
    if (seen) continue;
    if (row.kind != PathKind::file) walked.push_back(start);
    if (row.kind == PathKind::file) {
      struct stat about {};
      Fd fd = open_plain(root, components(start));
      if (fd.ok() && ::fstat(fd.get(), &about) == 0) counter.look(about, start);
    } else {
      counter.walk(root, start);
    }
    if (!found.complete) break;
  }
  return found;
}

}  // namespace kerf::loader
