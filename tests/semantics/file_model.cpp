#include "tests/semantics/file_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace kerf::test {
namespace {

using Event = KernelEventId;
const std::vector<unsigned> kModes = {0644, 0600, 0755, 04755, 0640};

}  // namespace

FileModel::FileModel(Random& random, Policies policies) : random_(random), policies_(std::move(policies)) {
  auto directory = [&](const std::string& path) {
    nodes_[path] = std::make_shared<FileNode>(FileNode{FileKind::directory, 0755, 0, 2, false});
    if (auto above = nodes_.find(parent(path)); above != nodes_.end()) ++above->second->links;
  };
  directory("/play");
  for (const std::string& path : kDirectories) {
    directory(path);
    if (path != "/play/m") tree_.push_back("d " + path);
  }
  for (const std::string& path : kDirectories) {
    for (const std::string& name : kNames) {
      if (chance(random_, 25)) continue;
      bool runs = name == "run";
      unsigned mode = runs ? 0755 : one_of(random_, kModes), owner = chance(random_, 80) ? 0 : 1000;
      std::string file = path + "/" + name;
      nodes_[file] = std::make_shared<FileNode>(FileNode{FileKind::file, mode, owner, 1, runs});
      tree_.push_back(fmt::format("{} {} {:o} {}", runs ? "r" : "f", file, mode, owner));
    }
  }
}

bool FileModel::same_file_system(const std::string& a, const std::string& b) const {
  return a.starts_with("/play/m/") == b.starts_with("/play/m/");
}

std::optional<Event> FileModel::resolved(Event event, Event general) const {
  if (governed(event)) return event;
  return governed(general) ? std::optional(general) : std::nullopt;
}

std::optional<Event> FileModel::making(FileKind kind) const {
  auto creation = resolved(Event::file_create, Event::file_write);
  if (kind == FileKind::directory && governed(Event::file_mkdir)) return Event::file_mkdir;
  if (kind == FileKind::symlink && governed(Event::file_symlink)) return Event::file_symlink;
  if (kind == FileKind::fifo && governed(Event::file_mknod)) return Event::file_mknod;
  return creation;
}

std::optional<Event> FileModel::removing(FileKind kind) const {
  if (kind == FileKind::directory && governed(Event::file_rmdir)) return Event::file_rmdir;
  return resolved(Event::file_delete, Event::file_write);
}

bool FileModel::allows(Event event, const std::string& path, const FileNode* object, bool directory) {
  ++decisions_;
  return policies_.allow({event, path, object == nullptr ? std::nullopt : std::optional(*object), directory});
}

// The first refused event in the model's order gives the errno.
void FileModel::ask(Refusal& refusal, std::optional<Event> event, const std::string& path, const FileNode* object, bool directory) {
  if (!event || !governed(*event) || allows(*event, path, object, directory)) return;
  if (static_cast<int>(*event) >= refusal.event) return;
  refusal = {static_cast<int>(*event), *policies_.refusal(*event)};
}

// No event may be allowed at the new name that is not at the old one.
void FileModel::guard(Refusal& refusal, const FileNode& object, const std::string& old_path, const std::string& new_path) {
  if (refusal.error != 0) return;
  bool directory = object.kind == FileKind::directory;
  for (const KernelEvent& row : kernel_events()) {
    if (row.resource != KernelKind::file || !governed(row.id)) continue;
    if (allows(row.id, new_path, &object, directory) && !allows(row.id, old_path, &object, directory)) {
      refusal = {0, EXDEV};
      return;
    }
  }
}

const FileModel::Entry* FileModel::any(FileKind kind) {
  std::vector<const Entry*> entries;
  for (const Entry& entry : nodes_) {
    if (entry.second->kind == kind && entry.first != "/play") entries.push_back(&entry);
  }
  return entries.empty() ? nullptr : one_of(random_, entries);
}

std::string FileModel::new_name() {
  const Entry* directory = any(FileKind::directory);
  std::string path = directory->first + "/" + (chance(random_, 70) ? one_of(random_, kNames) : fmt::format("n{}", pick(random_, 30)));
  return nodes_.contains(path) ? "" : path;
}

void FileModel::drop(const std::string& path) {
  auto at = nodes_.find(path);
  if (at->second->kind == FileKind::directory) --nodes_.at(parent(path))->links;
  --at->second->links;
  nodes_.erase(at);
}

Operation FileModel::next() {
  for (;;) {
    if (auto operation = try_one()) return *operation;
  }
}

std::optional<Operation> FileModel::try_one() {
  switch (pick(random_, 16)) {
    case 0: case 1: case 2: return open_file();
    case 3: case 4: case 5: {
      std::string path = new_name();
      return path.empty() ? std::nullopt : create(path);
    }
    case 6: case 7: return remove();
    case 8: case 9: return move();
    case 10: return exchange();
    case 11: return link();
    case 12: case 13: return change();
    default: return look();
  }
}

std::optional<Operation> FileModel::open_file() {
  const Entry* entry = any(FileKind::file);
  if (entry == nullptr) return std::nullopt;
  static const std::vector<std::string> hows = {"r", "w", "rw", "w+trunc", "r+trunc", "w+append", "acc3", "w+creat", "r+creat"};
  const std::string& how = one_of(random_, hows);
  bool reads = how[0] == 'r', writes = how != "r" && how != "r+creat";
  Refusal refusal;
  if (reads) ask(refusal, Event::file_read, entry->first, entry->second.get(), false);
  if (writes) ask(refusal, Event::file_write, entry->first, entry->second.get(), false);
  bool truncates = how.find("trunc") != std::string::npos;
  if (truncates) ask(refusal, Event::file_truncate, entry->first, entry->second.get(), false);
  if (refusal.error == 0 && truncates) entry->second->runs = false;
  return Operation{fmt::format("open {} {}+idle", entry->first, how), refusal.error};
}

std::optional<Operation> FileModel::create(const std::string& path) {
  Refusal refusal;
  static const std::vector<FileKind> kinds = {FileKind::directory, FileKind::symlink, FileKind::fifo, FileKind::file};
  std::size_t what = pick(random_, 7);
  ask(refusal, making(kinds[std::min<std::size_t>(what, 3)]), path, nullptr, what == 0);
  FileNode made;
  std::string steps;
  switch (what) {
    case 0:
      steps = "mkdir " + path;
      made = {FileKind::directory, 0755, 0, 2, false};
      break;
    case 1:
      steps = "symlink nowhere " + path;
      made = {FileKind::symlink, 0777, 0, 1, false};
      break;
    case 2:
      steps = "mkfifo " + path;
      made = {FileKind::fifo, 0644, 0, 1, false};
      break;
    case 3: steps = "mkfile " + path; break;
    default: {
      bool reads = chance(random_, 50), writes = !reads || chance(random_, 50);
      steps = fmt::format("open {} {}+creat+idle", path, reads ? writes ? "rw" : "r" : "w");
      if (refusal.error != 0) break;
      // the file is there now, whatever becomes of the opening
      nodes_[path] = std::make_shared<FileNode>(made);
      if (reads) ask(refusal, Event::file_read, path, &made, false);
      if (writes) ask(refusal, Event::file_write, path, &made, false);
      return Operation{steps, refusal.error};
    }
  }
  if (refusal.error == 0) {
    nodes_[path] = std::make_shared<FileNode>(made);
    if (made.kind == FileKind::directory) ++nodes_.at(parent(path))->links;
  }
  return Operation{steps, refusal.error};
}

std::optional<Operation> FileModel::remove() {
  bool directory = chance(random_, 25);
  const Entry* entry = any(directory ? FileKind::directory : chance(random_, 75) ? FileKind::file : chance(random_, 50) ? FileKind::fifo : FileKind::symlink);
  if (entry == nullptr || entry->first == "/play/m") return std::nullopt;
  if (directory) {
    auto below = nodes_.upper_bound(entry->first + "/");
    if (below != nodes_.end() && below->first.starts_with(entry->first + "/")) return std::nullopt;
  }
  std::string path = entry->first;
  Refusal refusal;
  ask(refusal, removing(entry->second->kind), path, entry->second.get(), directory);
  if (refusal.error == 0) drop(path);
  return Operation{fmt::format("{} {}", directory ? "rmdir" : "unlink", path), refusal.error};
}

std::optional<Operation> FileModel::move() {
  const Entry* from = any(chance(random_, 80) ? FileKind::file : chance(random_, 50) ? FileKind::fifo : FileKind::symlink);
  const Entry* onto = chance(random_, 35) ? any(FileKind::file) : nullptr;
  std::string to = onto != nullptr ? onto->first : new_name();
  if (from == nullptr || to.empty() || to == from->first || !same_file_system(from->first, to)) return std::nullopt;
  if (onto != nullptr && onto->second == from->second) return std::nullopt;   // two names of one file: nothing happens
  std::string old_path = from->first;
  std::shared_ptr<FileNode> object = from->second;
  Refusal refusal;
  if (governed(Event::file_rename)) {
    ask(refusal, Event::file_rename, old_path, object.get(), false);
    ask(refusal, Event::file_rename, to, object.get(), false);
  } else {
    ask(refusal, removing(object->kind), old_path, object.get(), false);
    ask(refusal, making(object->kind), to, nullptr, false);
    if (onto != nullptr) ask(refusal, removing(onto->second->kind), to, onto->second.get(), false);
  }
  guard(refusal, *object, old_path, to);
  if (refusal.error == 0) {
    if (onto != nullptr) drop(to);
    nodes_.erase(old_path);
    nodes_[to] = object;
  }
  return Operation{fmt::format("{} {} {}", onto == nullptr && chance(random_, 30) ? "rename-noreplace" : "rename", old_path, to), refusal.error};
}

std::optional<Operation> FileModel::exchange() {
  const Entry* one = any(FileKind::file);
  const Entry* two = any(FileKind::file);
  if (one == nullptr || one->second == two->second || !same_file_system(one->first, two->first)) return std::nullopt;
  std::string a = one->first, b = two->first;
  std::shared_ptr<FileNode> first = one->second, second = two->second;
  Refusal refusal;
  if (governed(Event::file_rename)) {
    for (const FileNode* object : {first.get(), second.get()}) {
      ask(refusal, Event::file_rename, a, object, false);
      ask(refusal, Event::file_rename, b, object, false);
    }
  } else {
    auto deletion = removing(FileKind::file), creation = making(FileKind::file);
    ask(refusal, deletion, a, first.get(), false);
    ask(refusal, creation, a, nullptr, false);
    ask(refusal, creation, b, nullptr, false);
    ask(refusal, deletion, b, second.get(), false);
  }
  guard(refusal, *first, a, b);
  guard(refusal, *second, b, a);
  if (refusal.error == 0) std::swap(nodes_[a], nodes_[b]);
  return Operation{fmt::format("exchange {} {}", a, b), refusal.error};
}

std::optional<Operation> FileModel::link() {
  const Entry* from = any(FileKind::file);
  std::string to = new_name();
  if (from == nullptr || to.empty() || !same_file_system(from->first, to)) return std::nullopt;
  std::shared_ptr<FileNode> object = from->second;
  Refusal refusal;
  if (governed(Event::file_link)) {
    ask(refusal, Event::file_link, from->first, object.get(), false);
    ask(refusal, Event::file_link, to, object.get(), false);
  } else {
    ask(refusal, making(FileKind::file), to, nullptr, false);
  }
  guard(refusal, *object, from->first, to);
  std::string steps = fmt::format("link {} {}", from->first, to);
  if (refusal.error == 0) {
    ++object->links;
    nodes_[to] = object;
  }
  return Operation{steps, refusal.error};
}

std::optional<Operation> FileModel::change() {
  const Entry* entry = any(FileKind::file);
  if (entry == nullptr) return std::nullopt;
  FileNode& node = *entry->second;
  Refusal refusal;
  std::size_t what = pick(random_, 3);
  Event event = what == 0 ? Event::file_truncate : what == 1 ? Event::file_chmod : Event::file_chown;
  ask(refusal, changing(event), entry->first, &node, false);
  switch (what) {
    case 0:
      if (refusal.error == 0) node.runs = false;
      return Operation{fmt::format("truncate {} {}", entry->first, pick(random_, 9)), refusal.error};
    case 1: {
      unsigned mode = one_of(random_, kModes);
      if (refusal.error == 0) node.mode = mode;
      return Operation{fmt::format("chmod {} {:o}", entry->first, mode), refusal.error};
    }
    default: {
      unsigned owner = chance(random_, 50) ? 0 : 1000;
      if (refusal.error == 0) {
        node.owner = owner;
        node.mode &= 0777;   // the kernel takes the set-user-id bit away
      }
      return Operation{fmt::format("chown {} {}", entry->first, owner), refusal.error};
    }
  }
}

std::optional<Operation> FileModel::look() {
  Refusal refusal;
  std::size_t what = pick(random_, 4);
  if (what == 0) {
    const Entry* entry = any(FileKind::directory);
    ask(refusal, Event::file_list, entry->first, entry->second.get(), true);
    return Operation{"list " + entry->first, refusal.error};
  }
  const Entry* entry = any(what == 1 && chance(random_, 50) ? FileKind::directory : FileKind::file);
  if (entry == nullptr) return std::nullopt;
  if (what == 1) {
    ask(refusal, Event::file_stat, entry->first, entry->second.get(), entry->second->kind == FileKind::directory);
    return Operation{"lstat " + entry->first, refusal.error};
  }
  if (!entry->second->runs || (entry->second->mode & 0111) == 0) return std::nullopt;
  ask(refusal, Event::file_exec, entry->first, entry->second.get(), false);
  return Operation{"exec " + entry->first, refusal.error};
}

}  // namespace kerf::test
