// A file tree in memory, operations on it, and what the design says of each: which events it raises, and whether it goes
// on. Written from the contract (ARCHITECTURE.md, docs/kernel-files.md), not from the glue; decisions are asked for.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/kernel_model.h"
#include "tests/semantics/file_program.h"

namespace kerf::test {

enum class FileKind { file, directory, symlink, fifo };

struct FileNode {
  FileKind kind = FileKind::file;
  unsigned mode = 0644;        // permission bits
  unsigned owner = 0;
  unsigned links = 1;
  bool runs = false;           // holds a program
};

struct AskedEvent {
  KernelEventId event;
  std::string path;
  std::optional<FileNode> object;   // none: to be made
  bool directory = false;
};

// What the policies say: one decision, and the errno that a refusal of the event has; nothing for an event that no
// action binds.
struct Policies {
  std::function<bool(const AskedEvent&)> allow;
  std::function<std::optional<int>(KernelEventId)> refusal;
};

struct Operation {
  std::string steps;          // for the actor
  int error = 0;              // expected
};

class FileModel {
 public:
  FileModel(Random& random, Policies policies);
  // Lines "d /play/a", "f /play/a/f MODE OWNER", "r …" (a program), "l NEW OLD" (hard link): the tree to begin with.
  const std::vector<std::string>& tree() const { return tree_; }
  // A random operation that would succeed if nothing were refused; the tree becomes what it leaves.
  Operation next();
  std::size_t decisions() const { return decisions_; }

 private:
  using Entry = std::pair<const std::string, std::shared_ptr<FileNode>>;
  struct Refusal {
    int event = 99, error = 0;
  };
  std::optional<Operation> try_one();
  std::optional<Operation> open_file();
  std::optional<Operation> create(const std::string& path);
  std::optional<Operation> remove();
  std::optional<Operation> move();
  std::optional<Operation> exchange();
  std::optional<Operation> link();
  std::optional<Operation> change();
  std::optional<Operation> look();

  bool governed(KernelEventId event) const { return policies_.refusal(event).has_value(); }
  std::optional<KernelEventId> resolved(KernelEventId event, KernelEventId general) const;
  // The event of a name that is made for such an object, that is removed, of a change; or what stands for it.
  std::optional<KernelEventId> making(FileKind kind) const;
  std::optional<KernelEventId> removing(FileKind kind) const;
  std::optional<KernelEventId> changing(KernelEventId event) const { return resolved(event, KernelEventId::file_write); }
  void ask(Refusal& refusal, std::optional<KernelEventId> event, const std::string& path, const FileNode* object, bool directory);
  bool allows(KernelEventId event, const std::string& path, const FileNode* object, bool directory);
  void guard(Refusal& refusal, const FileNode& object, const std::string& old_path, const std::string& new_path);
  const Entry* any(FileKind kind);
  std::string new_name();
  std::string parent(const std::string& path) const { return path.substr(0, path.rfind('/')); }
  bool same_file_system(const std::string& a, const std::string& b) const;
  void drop(const std::string& path);

  Random& random_;
  Policies policies_;
  std::map<std::string, std::shared_ptr<FileNode>> nodes_;
  std::vector<std::string> tree_;
  std::size_t decisions_ = 0;
};

}  // namespace kerf::test
