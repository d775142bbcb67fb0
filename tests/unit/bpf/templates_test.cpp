// Objects from templates: the same bytes as without, whatever was made before; and what is kept.
#include "backends/bpf/templates.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "rig.h"

using namespace kerf;
using namespace kerf::test;

namespace {

const std::string kHelper = std::string(KERF_BINARY_DIR) + "/kerf-codegen";

// A helper that works until it is told not to.
class MortalHelper {
 public:
  MortalHelper() : folder_((std::filesystem::temp_directory_path() / "kerf-helper-XXXXXX").string()) {
    REQUIRE(::mkdtemp(folder_.data()) != nullptr);
    std::filesystem::create_symlink(kHelper, path());
  }
  ~MortalHelper() { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/helper"; }
  void die() { std::filesystem::remove(path()); }

 private:
  std::string folder_;
};

// Networks, every third with a port; `code`: and a condition that is code and compares with this number.
Program networks(std::uint32_t count, std::uint32_t first, std::int64_t code = 0) {
  Program program = make_program();
  for (std::uint32_t i = 0; i < count; ++i) {
    KernelRow& row = add_row(program, i % 4 == 1 ? Effect::forbid : Effect::permit);
    row.address = AddressSet{{prefix4(first + (i << 8), 24)}, {}};
    if (i % 3 == 0) row.port = PortSet{{static_cast<std::uint16_t>(i + first), static_cast<std::uint16_t>(i + first)}};
  }
  if (code) {
    PolicyId policy = add_policy(program, Effect::permit);
    Body& body = program.module.policies[policy.index].body;
    NodeId node = body.add(Op::less, {body.add(Op::add, {context_attr(body, "uid"), context_attr(body, "gid")}, {}), number(body, code)}, {});
    env_of(program).code.push_back({policy, node, {}, {}});
    add_row(program, Effect::permit).code = {{0, Outcome::true_}};
  }
  return program;
}

Program paths(std::uint32_t count) {
  Program program = make_file_program();
  for (std::uint32_t i = 0; i < count; ++i) {
    env_of(program).paths.push_back({{}, {"/srv/" + std::to_string(i * 7919)}, std::nullopt});
    add_row(program, Effect::permit).path = {{i, Outcome::true_}};
  }
  return program;
}

Result<BpfObject> emit_with(const Program& program, const std::string& helper, ObjectTemplates& templates) {
  return emit_bpf(program.module, program.plan, digest(), {helper, &templates});
}

bool same(const Result<BpfObject>& a, const Result<BpfObject>& b) {
  REQUIRE(a);
  REQUIRE(b);
  return a->elf == b->elf && a->layout.programs == b->layout.programs && a->layout.maps == b->layout.maps &&
         a->layout.binding_bytes == b->layout.binding_bytes;
}

}  // namespace

TEST_CASE("templates: an object from a template has the bytes of one that was made anew") {
  MortalHelper helper;
  ObjectTemplates templates;
  const Program first = networks(40, 0x0a000000), second = networks(37, 0x0b000000);
  const Program code = networks(40, 0x0a000000, 7), files = paths(20), other_files = paths(19);
  for (const Program* program : {&first, &code, &files}) REQUIRE(emit_with(*program, helper.path(), templates));
  helper.die();
  auto again = emit_with(second, helper.path(), templates);
  CHECK(same(again, emit(second)));
  CHECK(again->elf != emit(first)->elf);
  CHECK(same(emit_with(first, helper.path(), templates), emit(first)));
  CHECK(same(emit_with(code, helper.path(), templates), emit(code)));
  CHECK(same(emit_with(other_files, helper.path(), templates), emit(other_files)));
  CHECK_FALSE(emit(files)->elf == emit(other_files)->elf);
}

TEST_CASE("templates: another event, condition or helper is another object, and another number of policies is not") {
  MortalHelper helper;
  ObjectTemplates templates;
  REQUIRE(emit_with(networks(40, 0x0a000000, 7), helper.path(), templates));
  helper.die();
  CHECK(emit_with(networks(40, 0x0a000000, 7), helper.path(), templates));
  CHECK_FALSE(emit_with(networks(40, 0x0a000000, 7), kHelper + "-", templates));
  CHECK_FALSE(emit_with(networks(40, 0x0a000000), helper.path(), templates));
  CHECK_FALSE(emit_with(paths(3), helper.path(), templates));
  CHECK(same(emit_with(networks(4000, 0x0a000000, 7), helper.path(), templates), emit(networks(4000, 0x0a000000, 7))));
  CHECK_FALSE(emit_with(networks(40, 0x0a000000, 8), helper.path(), templates));
}

TEST_CASE("templates: what is no object is not kept") {
  MortalHelper helper;
  ObjectTemplates templates;
  helper.die();
  std::filesystem::create_symlink("/bin/true", helper.path());
  CHECK_FALSE(emit_with(networks(3, 1), helper.path(), templates));
  helper.die();
  std::filesystem::create_symlink(kHelper, helper.path());
  CHECK(same(emit_with(networks(3, 1), helper.path(), templates), emit(networks(3, 1))));
}

TEST_CASE("templates: the last that were asked for are kept, within bounds") {
  ObjectTemplates templates;
  auto object = [](std::size_t bytes) { return std::make_shared<const std::string>(bytes, 'x'); };
  for (std::size_t i = 0; i < ObjectTemplates::kMaxCount; ++i) templates.keep(std::to_string(i), object(1));
  CHECK(templates.find("0"));
  templates.keep("one more", object(1));
  CHECK(templates.find("0"));
  CHECK_FALSE(templates.find("1"));
  CHECK(templates.find("2"));
  templates.keep("too large", object(ObjectTemplates::kMaxBytes));
  CHECK_FALSE(templates.find("too large"));
  CHECK(templates.find("2"));
  templates.keep("large", object(ObjectTemplates::kMaxBytes - 100));
  CHECK(templates.find("large"));
  CHECK(templates.find("2"));
  CHECK_FALSE(templates.find("3"));
  templates.keep("large", object(3));
  CHECK(templates.find("large")->size() == ObjectTemplates::kMaxBytes - 100);
}
