// Mounts become anchors and aliases; paths of policies are looked at in a view.
#include <doctest/doctest.h>

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "runtime/loader/abilities.h"
#include "runtime/loader/anchors.h"
#include "runtime/loader/identity.h"
#include "runtime/loader/mountinfo.h"
#include "runtime/loader/paths.h"
#include "sample.h"

using namespace kerf;
using namespace kerf::loader;
using namespace kerf::loader::test;

namespace {

AnchorPlan plan_of(const std::string& text) { return plan_anchors(parse_mountinfo(text)); }

std::vector<std::string> points(const std::vector<Mount>& mounts) {
  std::vector<std::string> list;
  for (const Mount& mount : mounts) list.push_back(mount.point);
  return list;
}

using Texts = std::vector<std::string>;

const char* const kHost =
    "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
    "23 22 0:21 / /proc rw shared:2 - proc proc rw\n"
    "24 22 0:22 / /tmp rw - tmpfs tmpfs rw\n"
    "25 22 254:2 / /data rw - xfs /dev/vdb rw\n";

}  // namespace

TEST_CASE("lines of mountinfo") {
  auto mounts = parse_mountinfo("36 35 98:1048575 /r\\040o\\134t /mnt/a\\011b\\012 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw\n"
                                "37 35 0:5 net:[4026531840] /run/netns/x rw - nsfs nsfs rw\n");
  REQUIRE(mounts.size() == 2);
  CHECK(mounts[0].id == 36);
  CHECK(mounts[0].parent == 35);
  CHECK(mounts[0].device == (98u << 20 | 1048575u));
  CHECK(mounts[0].root == "/r o\\t");
  CHECK(mounts[0].point == "/mnt/a\tb\n");
  CHECK(mounts[0].fs_type == "ext3");
  CHECK(mounts[1].root == "net:[4026531840]");
  for (const char* bad : {"", "garbage", "1 2 3 / / rw - ext4 x y", "x 1 8:1 / / rw - ext4 d rw", "1 1 8:1 / / rw shared:1 ext4 d rw x y z"}) {
    CHECK_MESSAGE(parse_mountinfo(bad).empty(), bad);
  }
}

TEST_CASE("the mounts of a plain machine are its anchors") {
  AnchorPlan plan = plan_of(kHost);
  CHECK(plan.has_root);
  CHECK(points(plan.anchors) == Texts{"/", "/proc", "/tmp", "/data"});
  CHECK(plan.aliases.empty());
  CHECK(canonical_spelling(plan, "/data/x") == "/data/x");
}

TEST_CASE("a file system mounted twice has one name") {
  AnchorPlan plan = plan_of(std::string(kHost) + "30 22 254:2 / /again rw - xfs /dev/vdb rw\n"
                                                 "31 22 254:2 /sub/dir /inner rw - xfs /dev/vdb rw\n"
                                                 "32 22 254:1 /srv /bind rw - ext4 /dev/vda1 rw\n");
  CHECK(points(plan.anchors) == Texts{"/", "/proc", "/tmp", "/data"});
  CHECK(canonical_spelling(plan, "/again") == "/data");
  CHECK(canonical_spelling(plan, "/again/f") == "/data/f");
  CHECK(canonical_spelling(plan, "/inner/f") == "/data/sub/dir/f");
  CHECK(canonical_spelling(plan, "/bind/f") == "/srv/f");
  CHECK(canonical_spelling(plan, "/binder/f") == "/binder/f");
}

TEST_CASE("the outermost root names a file system, wherever it stands in the list") {
  AnchorPlan plan = plan_of("1 0 0:40 / / rw - overlay overlay rw\n"
                            "2 1 254:1 /var/lib/volumes/x /volume rw - ext4 /dev/vda1 rw\n"
                            "3 1 254:1 /var/lib /state rw - ext4 /dev/vda1 rw\n"
                            "4 1 254:1 /var/lib/hosts /etc/hosts rw - ext4 /dev/vda1 rw\n");
  CHECK(points(plan.anchors) == Texts{"/", "/state"});
  CHECK(canonical_spelling(plan, "/volume/f") == "/state/volumes/x/f");
  CHECK(canonical_spelling(plan, "/etc/hosts") == "/state/hosts");
}

TEST_CASE("a container: overlay root, bind-mounted volume and file") {
  AnchorPlan plan = plan_of("700 650 0:50 / / rw - overlay overlay rw,lowerdir=/l\n"
                            "701 700 0:51 / /proc rw - proc proc rw\n"
                            "702 700 254:1 /var/lib/volumes/x/_data /data rw - ext4 /dev/vda1 rw\n"
                            "703 700 254:1 /var/lib/containers/c/hosts /etc/hosts rw - ext4 /dev/vda1 rw\n");
  CHECK(plan.has_root);
  CHECK(points(plan.anchors) == Texts{"/", "/proc", "/data", "/etc/hosts"});
  CHECK(plan.aliases.empty());
}

TEST_CASE("covered mounts are no anchors") {
  SUBCASE("at the same place") {
    AnchorPlan plan = plan_of(std::string(kHost) + "30 25 0:60 / /data rw - tmpfs over rw\n31 24 0:61 / /tmp/x rw - tmpfs x rw\n");
    CHECK(points(plan.anchors) == Texts{"/", "/proc", "/tmp", "/data", "/tmp/x"});
    CHECK(plan.anchors[3].device == 60);
  }
  SUBCASE("above") {
    AnchorPlan plan = plan_of(std::string(kHost) + "29 22 254:3 / /a/b rw - ext4 x rw\n30 22 0:60 / /a rw - tmpfs over rw\n");
    CHECK(points(plan.anchors) == Texts{"/", "/proc", "/tmp", "/data", "/a"});
  }
  SUBCASE("with what was mounted inside before") {
    AnchorPlan plan = plan_of(std::string(kHost) + "29 25 254:3 / /data/in rw - ext4 x rw\n30 25 0:60 / /data rw - tmpfs over rw\n");
    CHECK(points(plan.anchors) == Texts{"/", "/proc", "/tmp", "/data"});
  }
  SUBCASE("the root itself") {
    AnchorPlan plan = plan_of("1 0 0:1 / / rw - rootfs rootfs rw\n2 1 254:1 / / rw - ext4 x rw\n3 2 0:5 / /proc rw - proc proc rw\n4 1 0:6 / /old rw - tmpfs t rw\n");
    CHECK(points(plan.anchors) == Texts{"/", "/proc"});
    CHECK(plan.anchors[0].fs_type == "ext4");
  }
  SUBCASE("a covered twin names nothing") {
    AnchorPlan plan = plan_of("1 0 254:1 / / rw - ext4 x rw\n2 1 254:2 / /a rw - xfs y rw\n3 2 0:9 / /a rw - tmpfs t rw\n4 1 254:2 / /b rw - xfs y rw\n");
    CHECK(points(plan.anchors) == Texts{"/", "/a", "/b"});
    CHECK(canonical_spelling(plan, "/b/f") == "/b/f");
  }
}

TEST_CASE("what cannot be named is left out, and said") {
  AnchorPlan plan = plan_of(std::string(kHost) + "30 22 0:70 /@home /home rw - btrfs /dev/vdc rw\n"
                                                 "31 22 254:1 /gone//deleted /dead rw - ext4 /dev/vda1 rw\n"
                                                 "32 22 254:9 / /" + std::string(1023, 'x') + " rw - ext4 /dev/vdd rw\n"
                                                 "33 22 254:8 / /" + std::string(1022, 'y') + " rw - ext4 /dev/vde rw\n");
  CHECK(plan.anchors.size() == 5);
  REQUIRE(plan.left_out.size() == 3);
  CHECK(plan.left_out[0].find("btrfs") != std::string::npos);
  CHECK(plan.left_out[1].find("/dead") != std::string::npos);
  CHECK(plan.left_out[2].find("1023") != std::string::npos);
}

TEST_CASE("a view without a root mount") {
  CHECK(!plan_of("23 22 0:21 / /proc rw shared:2 - proc proc rw\n").has_root);
  CHECK(!plan_of("").has_root);
}

TEST_CASE("mount points whose directory was removed") {
  CHECK(points(plan_of(std::string(kHost) + "30 22 254:3 / /a//deleted rw - ext4 x rw\n").anchors) == Texts{"/", "/proc", "/tmp", "/data"});
}

TEST_CASE("our own view can be planned, and its root opened") {
  auto view = open_view("self");
  REQUIRE_MESSAGE(view.ok(), (view.ok() ? "" : view.error().message));
  CHECK(view->plan.has_root);
  std::vector<std::string> anchors = points(view->plan.anchors);
  CHECK(std::count(anchors.begin(), anchors.end(), "/") == 1);
  CHECK(open_view("999999999").error().code == "K7413");
}

TEST_CASE("two anchors with one key") {
  Anchor a{"/a", {1, 2, 3, 0, 0}}, b{"/b", {1, 2, 3, 0, 0}}, c{"/c", {1, 2, 4, 0, 0}};
  CHECK(!find_twins({a, c}).has_value());
  auto twins = find_twins({a, c, b});
  REQUIRE(twins.has_value());
  CHECK(twins->first.path == "/a");
  CHECK(twins->second.path == "/b");
}

namespace {

// A little root of its own.
struct World {
  World() {
    namespace fs = std::filesystem;
    fs::create_directories(dir / "usr/bin");
    fs::create_directories(dir / "run/app");
    fs::create_directories(dir / "var");
    put(dir / "usr/bin/python3.11", "x");
    REQUIRE(::symlink("usr/bin", (dir / "bin").c_str()) == 0);
    REQUIRE(::symlink("/run", (dir / "var/run").c_str()) == 0);
    REQUIRE(::symlink("python3.11", (dir / "usr/bin/python3").c_str()) == 0);
    REQUIRE(::symlink("../../../../etc", (dir / "up").c_str()) == 0);
    REQUIRE(::symlink("loop", (dir / "loop").c_str()) == 0);
    root = Fd(::open(dir.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  std::vector<Misspelled> check(const char* path, PathKind kind, const AnchorPlan& plan = {}) const {
    Manifest manifest;
    manifest.paths.push_back({path, kind, {}});
    return check_paths(manifest, root.get(), plan);
  }
  std::string canonical(const char* path, PathKind kind) const {
    auto found = check(path, kind);
    return found.empty() ? "" : found[0].canonical;
  }
  TempDir dir;
  Fd root;
};

}  // namespace

TEST_CASE("1,024 anchors, and not one more") {
  auto map = [](bpf_map_type type, std::uint32_t key, std::uint32_t value) {
    return Fd(::bpf_map_create(type, nullptr, key, value, KERF_MAX_ANCHORS, nullptr));
  };
  Maps maps;
  maps.anchors = map(BPF_MAP_TYPE_HASH, sizeof(kerf_anchor_key), 4);
  maps.anchor_paths = map(BPF_MAP_TYPE_ARRAY, 4, sizeof(kerf_anchor_path));
  if (!maps.anchors.ok() || !maps.anchor_paths.ok()) {
    MESSAGE("skipped: no maps can be made here");
    return;
  }
  std::vector<Anchor> anchors;
  for (std::uint64_t i = 0; i < KERF_MAX_ANCHORS - 1; ++i) anchors.push_back({"/" + std::to_string(i), {i + 1, 1, 0, 0, 0}});
  CHECK(add_anchors(maps, 1, anchors).ok());
  CHECK(add_anchors(maps, 2, {{"/a", {1, 2, 0, 0, 0}}, {"/b", {2, 2, 0, 0, 0}}}).error().code == "K7413");
  CHECK(add_anchors(maps, 2, {{"/a", {1, 2, 0, 0, 0}}}).ok());
  CHECK(add_anchors(maps, 3, {{"/c", {3, 2, 0, 0, 0}}}).error().code == "K7413");
  CHECK(remove_anchors(maps, 1).ok());
  CHECK(add_anchors(maps, 3, {{"/c", {3, 2, 0, 0, 0}}}).ok());
}

TEST_CASE("resolution stays inside the view") {
  World w;
  CHECK(*resolve_in(w.root.get(), "/") == "/");
  CHECK(*resolve_in(w.root.get(), "/usr/bin") == "/usr/bin");
  CHECK(*resolve_in(w.root.get(), "/bin/python3") == "/usr/bin/python3.11");
  CHECK(*resolve_in(w.root.get(), "/var/run/app/s") == "/run/app/s");
  CHECK(*resolve_in(w.root.get(), "/up/x") == "/etc/x");
  CHECK(*resolve_in(w.root.get(), "/nothing/here") == "/nothing/here");
  CHECK(*resolve_in(w.root.get(), "/usr/bin/python3.11/x") == "/usr/bin/python3.11/x");
  CHECK(!resolve_in(w.root.get(), "/loop/x").has_value());
}

TEST_CASE("policies that name links are told the real path") {
  World w;
  CHECK(w.canonical("/usr/bin/python3.11", PathKind::file) == "");
  CHECK(w.canonical("/usr", PathKind::tree) == "");
  CHECK(w.canonical("/absent/x", PathKind::tree) == "");
  CHECK(w.canonical("/bin/python3.11", PathKind::file) == "/usr/bin/python3.11");
  CHECK(w.canonical("/usr/bin/python3", PathKind::file) == "/usr/bin/python3.11");
  CHECK(w.canonical("/bin/nothing", PathKind::file) == "/usr/bin/nothing");
  CHECK(w.canonical("/var/run", PathKind::tree) == "/run");
  CHECK(w.canonical("/var/run/app-", PathKind::prefix) == "/run/app-");
  CHECK(w.canonical("/var/run", PathKind::prefix) == "");         // /var is its directory, `run…` a beginning
  CHECK(w.canonical("/", PathKind::prefix) == "");
  CHECK(w.canonical("/bi", PathKind::prefix) == "");
  auto loop = w.check("/loop/x", PathKind::file);
  REQUIRE(loop.size() == 1);
  CHECK(loop[0].canonical == "");
  Failure failure = misspelled_failure(w.check("/bin/sh", PathKind::file));
  CHECK(failure.code == "K7309");
  CHECK(failure.message.find("/usr/bin/sh") != std::string::npos);
}

TEST_CASE("policies that name a second mount are told the canonical path") {
  World w;
  AnchorPlan plan;
  plan.anchors = {Mount{1, 0, 1, "/", "/", "ext4"}};
  plan.aliases = {{"/run/app", "/srv/app"}};
  auto found = w.check("/run/app/x", PathKind::file, plan);
  REQUIRE(found.size() == 1);
  CHECK(found[0].why == Misspelled::Why::alias);
  CHECK(found[0].canonical == "/srv/app/x");
  CHECK(misspelled_failure(found).code == "K7310");
  found = w.check("/var/run/app/x", PathKind::file, plan);     // a link, and then a second mount
  REQUIRE(found.size() == 1);
  CHECK(found[0].why == Misspelled::Why::symlink);
  CHECK(found[0].canonical == "/srv/app/x");
}

TEST_CASE("hard links made before") {
  World w;
  std::filesystem::create_directories(w.dir / "tree/deep");
  for (const char* name : {"tree/one", "tree/deep/two", "outside", "single"}) put(w.dir / name, "x");
  REQUIRE(::link((w.dir / "outside").c_str(), (w.dir / "tree/deep/linked").c_str()) == 0);
  Manifest manifest;
  manifest.policies = {{"permit", false}, {"forbid", true}};
  auto count = [&](const char* path, PathKind kind, std::uint32_t policy) {
    manifest.paths = {{path, kind, {policy}}};
    return count_hard_links(manifest, w.root.get()).count;
  };
  CHECK(count("/tree", PathKind::tree, 0) == 1);
  CHECK(count("/tree", PathKind::tree, 1) == 0);       // nobody is permitted anything there
  CHECK(count("/tree/deep/lin", PathKind::prefix, 0) == 1);
  CHECK(count("/outside", PathKind::file, 0) == 1);
  CHECK(count("/single", PathKind::file, 0) == 0);
  CHECK(count("/absent", PathKind::tree, 0) == 0);
  manifest.paths = {{"/tree", PathKind::tree, {0}}, {"/tree/deep", PathKind::tree, {0}}, {"/tree/deep/linked", PathKind::file, {0}}};
  HardLinks found = count_hard_links(manifest, w.root.get());
  CHECK(found.count == 1);
  CHECK(found.example == "/tree/deep/linked");
  CHECK(found.complete);
}

TEST_CASE("the way out of a missing boot parameter") {
  CHECK(missing_lsm_parameter("lockdown,capability,yama,apparmor") == "lsm=lockdown,yama,apparmor,bpf");
  CHECK(missing_lsm_parameter("capability\n") == "lsm=bpf");
  CHECK(missing_lsm_parameter("capability,bpf,yama\n") == "");
  CHECK(missing_lsm_parameter("capability,notbpf") == "lsm=notbpf,bpf");
  CHECK(missing_lsm_parameter("") == "lsm=bpf");
}

namespace {

Manifest file_manifest() {
  auto manifest = read_manifest(seal(sample_file_manifest()));
  REQUIRE_MESSAGE(manifest.ok(), (manifest.ok() ? "" : manifest.error().message));
  return std::move(*manifest);
}

bool lists(const std::vector<std::string>& names, const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); }

}  // namespace

TEST_CASE("what a kernel can run decides what is promised") {
  Manifest manifest = file_manifest();
  SUBCASE("everything") {
    Enforcement plan = plan_enforcement(manifest, {});
    CHECK(plan.degraded.empty());
    CHECK(plan.files());
    CHECK(check_accepted(manifest, plan, {}).ok());
  }
  SUBCASE("one hook is missing: its feature alone") {
    Enforcement plan = plan_enforcement(manifest, {.refused = {"kerf_ptrace"}, .needless = {}, .unkept = {}, .reasons = {"no such hook"}});
    CHECK(plan.degraded == std::vector<std::string>{"guard-ptrace"});
    CHECK(!plan.has("kerf_ptrace"));
    CHECK(plan.has("kerf_bpf"));
    auto refused = check_accepted(manifest, plan, {"guard-bpf"});
    REQUIRE(!refused.ok());
    CHECK(refused.error().code == "K7410");
    CHECK(lists(refused.error().help, "--allow-degraded=guard-ptrace"));
    CHECK(lists(refused.error().help, "no such hook"));
    CHECK(check_accepted(manifest, plan, {"guard-ptrace"}).ok());
  }
  SUBCASE("a hook that is newer than the kernel is not missed") {
    Enforcement plan = plan_enforcement(manifest, {.refused = {}, .needless = {"kerf_ptrace"}, .unkept = {}, .reasons = {}});
    CHECK(plan.degraded.empty());
    CHECK(!plan.has("kerf_ptrace"));
  }
  SUBCASE("a feature does not hold although its hooks are there") {
    Enforcement plan = plan_enforcement(manifest, {.refused = {}, .needless = {}, .unkept = {"guard-ptrace"}, .reasons = {}});
    CHECK(plan.degraded == std::vector<std::string>{"guard-ptrace"});
    CHECK(plan.has("kerf_ptrace"));
  }
  SUBCASE("without identity nothing that asks for tags is attached") {
    Enforcement plan = plan_enforcement(manifest, {.refused = {"kerf_cgroup_move"}, .needless = {}, .unkept = {}, .reasons = {}});
    CHECK(plan.enforced.empty());
    CHECK(plan.programs.empty());
    CHECK(!plan.files());
    CHECK(lists(plan.degraded, "files"));
    CHECK(lists(plan.degraded, "identity"));
  }
  SUBCASE("a waived guard is not attached, unless its hooks decide events too") {
    manifest.waived = {"guard-mount", "guard-rename"};
    Enforcement plan = plan_enforcement(manifest, {});
    CHECK(plan.waived == std::vector<std::string>{"guard-rename", "guard-mount"});
    CHECK(!plan.has("kerf_sb_mount"));
    CHECK(plan.has("kerf_path_rename"));
    CHECK(plan.waived_guards == (1u << KERF_GUARD_MOUNT | 1u << KERF_GUARD_RENAME));
    CHECK(check_accepted(manifest, plan, {}).ok());
  }
  SUBCASE("two programs that ask the same are not attached to one hook; where the first cannot be, the second is") {
    manifest.programs.push_back("kerf_protected_open");
    Enforcement plan = plan_enforcement(manifest, {});
    CHECK(plan.has("kerf_file_open"));
    CHECK(!plan.has("kerf_protected_open"));
    plan = plan_enforcement(manifest, {.refused = {"kerf_file_open"}, .needless = {}, .unkept = {}, .reasons = {}});
    CHECK(!plan.has("kerf_file_open"));
    CHECK(plan.has("kerf_protected_open"));
  }
  SUBCASE("names that are no features") {
    auto refused = check_known_features(manifest, {"idenity"});
    REQUIRE(!refused.ok());
    CHECK(refused.error().code == "K7409");
    CHECK(refused.error().help.back() == "did you mean `identity`?");
  }
}

TEST_CASE("symbols that the kernel shows, and hides") {
  CHECK(shows_symbol("ffffffff810a1b00 t rename_lock\n", "rename_lock"));
  CHECK(shows_symbol("ffffffff810a1b00 t a\nffffffff82b0 D rename_lock", "rename_lock"));
  CHECK(!shows_symbol("0000000000000000 D rename_lock\n", "rename_lock"));   // kernel.kptr_restrict
  CHECK(!shows_symbol("ffffffff810a1b00 t rename_lock_x\nffffffff810a1b00 t my_rename_lock\n", "rename_lock"));
  CHECK(!shows_symbol("ffffffff810a1b00 t rename_lock\t[module]\n", "rename_lock"));
  CHECK(!shows_symbol("", "rename_lock"));
}

TEST_CASE("depths of cgroups") {
  CHECK(level_bit("/sys/fs/cgroup", "/sys/fs/cgroup/a", true) == 2);
  CHECK(level_bit("/sys/fs/cgroup", "/sys/fs/cgroup/a/b", true) == 4);
  CHECK(level_bit("/sys/fs/cgroup", "/sys/fs/cgroup/a/b", false) == ~0ull);
  CHECK(level_bit("/sys/fs/cgroup", "/elsewhere/a", true) == ~0ull);
  std::string deep = "/sys/fs/cgroup";
  for (int i = 0; i < 63; ++i) deep += "/d";
  CHECK(level_bit("/sys/fs/cgroup", deep, true) == 1ull << 63);
  CHECK(level_bit("/sys/fs/cgroup", deep + "/d", true) == ~0ull);
  CHECK(cgroup_depth("/sys/fs/cgroup", deep) == kMaxCgroupDepth);
  CHECK(cgroup_depth("/sys/fs/cgroup", deep + "/d") == kMaxCgroupDepth + 1);
}

TEST_CASE("the table of programs") {
  for (const KnownProgram& row : known_programs()) {
    CHECK_MESSAGE((row.role == ProgramRole::selftest || find_feature(row.feature) != nullptr), row.name);
    CHECK_MESSAGE(row.events != 0, row.name);
  }
  for (const KnownFeature& feature : known_features()) {
    CHECK_MESSAGE(feature.name.starts_with("guard-") == guard_bit(feature.name).has_value(), feature.name);
  }
  for (std::uint32_t kind = 0; kind < KERF_EVENT_KINDS; ++kind) {
    bool known = (KERF_ALL_EVENTS >> kind & 1) != 0;
    CHECK(event_name(kind).empty() != known);
    if (known) CHECK(find_event_kind(event_name(kind)) == kind);
  }
}
