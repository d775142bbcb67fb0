// A directory -> LoadedBundle, or a refusal without any effect. The one decision: every file is read once into memory
// and checked there, so that what was checked is what is used, whatever happens to the directory meanwhile.
#include "runtime/loader/bundle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "runtime/loader/digest.h"
#include "runtime/loader/failure.h"
#include "runtime/loader/fd.h"
#include "runtime/loader/features.h"
#include "runtime/loader/files.h"
#include "runtime/loader/object.h"
#include "runtime/loader/record.h"

namespace kerf::loader {
namespace {

constexpr const char* kManifest = "manifest.json";
constexpr const char* kObject = "policy.bpf.o";
constexpr const char* kTable = "table.json";
constexpr const char* kSplit = "split.json";
constexpr const char* kEntities = "entities.json";
constexpr const char* kSeccomp = "seccomp.json";

constexpr std::uint64_t kMaxManifestBytes = 256u << 20;
constexpr std::uint64_t kMaxObjectBytes = 64u << 20;
constexpr std::uint64_t kMaxDataBytes = 512u << 20;

LoaderResult<Fd> open_directory(const std::string& directory) {
  Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return fail(Code::K7101, directory, errno_text(errno));
  return fd;
}

LoaderResult<std::string> read_member(int directory, const char* name, std::uint64_t most) {
  // O_NONBLOCK: a FIFO under this name must not hold us up.
  Fd fd(::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.ok() && errno == ELOOP) return fail(Code::K7102, name);
  if (!fd.ok()) return fail(Code::K7101, name, errno_text(errno));
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return fail(Code::K7101, name, errno_text(errno));
  if (!S_ISREG(about.st_mode)) return fail(Code::K7102, name);
  if (static_cast<std::uint64_t>(about.st_size) > most) return fail(Code::K7103, name, most);
  auto bytes = read_all(fd.get(), most);
  if (!bytes) return fail(Code::K7101, name, bytes.error().message);
  return std::move(*bytes);
}

struct Member {
  const char* name;
  std::uint64_t most;
  std::string LoadedBundle::* bytes;
  bool optional = false;
};

constexpr Member kMembers[] = {{kObject, kMaxObjectBytes, &LoadedBundle::object},
                               {kTable, kMaxDataBytes, &LoadedBundle::table},
                               {kSplit, kMaxDataBytes, &LoadedBundle::split},
                               {kEntities, kMaxDataBytes, &LoadedBundle::entities_text},
                               {kSeccomp, kMaxDataBytes, &LoadedBundle::seccomp, true}};

LoaderResult<Unit> read_members(int directory, LoadedBundle& bundle) {
  std::map<std::string, const FileRow*> rows;
  for (const FileRow& row : bundle.manifest.outputs) {
    bool known = std::any_of(std::begin(kMembers), std::end(kMembers), [&](const Member& m) { return row.name == m.name; });
    if (!known) return fail(Code::K7108, fmt::format("an unexpected file `{}`", escape_bytes(row.name)));
    if (!rows.emplace(row.name, &row).second) return fail(Code::K7108, fmt::format("`{}` twice", row.name));
  }
  for (const Member& member : kMembers) {
    auto row = rows.find(member.name);
    if (row == rows.end() && member.optional) continue;
    if (row == rows.end()) return fail(Code::K7108, fmt::format("no `{}`", member.name));
    auto bytes = read_member(directory, member.name, member.most);
    if (!bytes) return bytes.error();
    if (bytes->size() != row->second->size || xxh3_128(*bytes) != row->second->xxh3_128) return fail(Code::K7106, member.name);
    if (bytes->empty()) return fail(Code::K7108, fmt::format("`{}` is empty", member.name));
    bundle.*member.bytes = std::move(*bytes);
  }
  return Unit{};
}

LoaderResult<Unit> read_entities(LoadedBundle& bundle) {
  auto json = parse_json(bundle.entities_text);
  if (!json) return fail(Code::K7109, json.error().message);
  auto list = entities_from_json(*json);
  if (!list) return fail(Code::K7109, list.error().message);
  auto entities = Entities::build(std::move(*list));
  if (!entities) return fail(Code::K7109, entities.error().message);
  bundle.entities = std::move(*entities);
  return Unit{};
}

// Exactly the features whose programs the governed events bring in, each with exactly these programs.
LoaderResult<Unit> check_features(const Manifest& manifest) {
  std::map<std::string_view, std::set<std::string_view>> expected;
  for (const KnownProgram& row : known_programs()) {
    bool promised = is_in_object(row, manifest.governed) && !row.feature.empty();
    if (promised) expected[row.feature].insert(row.name);
  }
  for (const Feature& feature : manifest.features) {
    auto it = expected.find(feature.name);
    if (it == expected.end()) return fail(Code::K7110, escape_bytes(feature.name), "is unknown here, or listed twice");
    if (it->second != std::set<std::string_view>(feature.programs.begin(), feature.programs.end())) {
      return fail(Code::K7110, feature.name, "has other programs");
    }
    expected.erase(it);
  }
  if (!expected.empty()) return fail(Code::K7110, expected.begin()->first, "is missing");
  for (const std::string& name : manifest.waived) {
    bool listed = std::any_of(manifest.features.begin(), manifest.features.end(), [&](const Feature& f) { return f.name == name; });
    if (!listed || !guard_bit(name)) return fail(Code::K7110, escape_bytes(name), "is waived, and is no guard of it");
  }
  return Unit{};
}

// A slot whose value has another type for a stored principal would fail its bind; better now than with tasks waiting.
LoaderResult<Unit> check_principals(const LoadedBundle& bundle) {
  for (const Entity& entity : bundle.entities.all()) {
    if (auto done = check_slots(bundle, entity.uid); !done) return done;
  }
  return Unit{};
}

}  // namespace

std::string xxh3_128(std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  std::string text;
  for (unsigned char byte : canonical.digest) text += fmt::format("{:02x}", byte);
  return text;
}

LoaderResult<LoadedBundle> read_bundle_data(const std::string& directory) {
  auto fd = open_directory(directory);
  if (!fd) return fd.error();
  auto text = read_member(fd->get(), kManifest, kMaxManifestBytes);
  if (!text) return text.error();
  auto manifest = read_manifest(*text);
  if (!manifest) return manifest.error();
  LoadedBundle bundle;
  bundle.manifest = std::move(*manifest);
  bundle.manifest_text = std::move(*text);
  if (auto done = read_members(fd->get(), bundle); !done) return done.error();
  if (auto done = read_entities(bundle); !done) return done.error();
  if (auto done = check_features(bundle.manifest); !done) return done.error();
  if (auto done = check_principals(bundle); !done) return done.error();
  if (!bundle.seccomp.empty()) {
    auto filters = read_filters(bundle.seccomp, bundle.entities);
    if (!filters) return filters.error();
    bundle.filters = std::move(*filters);
  }
  return bundle;
}

LoaderResult<LoadedBundle> read_bundle(const std::string& directory) {
  auto bundle = read_bundle_data(directory);
  if (!bundle) return bundle;
  if (auto done = check_object(bundle->object, bundle->manifest); !done) return done.error();
  return bundle;
}

LoaderResult<Unit> copy_bundle(const LoadedBundle& bundle, const std::string& directory) {
  for (const Member& member : kMembers) {
    if (member.optional && (bundle.*member.bytes).empty()) continue;
    if (auto done = write_file(directory + "/" + member.name, bundle.*member.bytes); !done) return fail(Code::K7407, done.error().message);
  }
  auto done = write_file(directory + "/" + kManifest, bundle.manifest_text);
  if (!done) return fail(Code::K7407, done.error().message);
  return Unit{};
}

}  // namespace kerf::loader
