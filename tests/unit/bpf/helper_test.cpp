// A helper that answers, but with an object that is not what was asked for: emit_bpf looks before it believes.
#include <doctest/doctest.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "backends/bpf/helper.h"
#include "backends/bpf/layout.h"
#include "backends/bpf/marks.h"
#include "backends/bpf/object.h"
#include "backends/bpf/protocol.h"
#include "paths.h"
#include "rig.h"

using namespace kerf;
using namespace kerf::test;

namespace {

// A helper that gives this object, whatever it is asked.
class FalseHelper {
 public:
  FalseHelper() : folder_((std::filesystem::temp_directory_path() / "kerf-helper-XXXXXX").string()) {
    REQUIRE(::mkdtemp(folder_.data()) != nullptr);
    std::ofstream(path()) << "#!/bin/sh\nexec cat '" << folder_ << "/answer'\n";
    ::chmod(path().c_str(), 0700);
  }
  ~FalseHelper() { std::filesystem::remove_all(folder_); }

  // Empty if it is taken.
  std::string refusal(const Program& program, std::string_view elf) {
    std::ofstream(folder_ + "/answer", std::ios::binary) << bpf::write_answer(elf);
    auto object = emit_bpf(program.module, program.plan, digest(), {path()});
    return object ? "" : object.error().message;
  }

 private:
  std::string path() const { return folder_ + "/helper"; }
  std::string folder_;
};

// The bytes of an object, to change in place.
struct Elf {
  std::string bytes;
  Elf64_Ehdr& header() { return *reinterpret_cast<Elf64_Ehdr*>(bytes.data()); }
  Elf64_Shdr& section(std::size_t i) { return reinterpret_cast<Elf64_Shdr*>(bytes.data() + header().e_shoff)[i]; }
  char* text(std::size_t strings, std::size_t at) { return bytes.data() + section(strings).sh_offset + at; }
  std::string name(std::size_t i) { return text(header().e_shstrndx, section(i).sh_name); }
  std::size_t find(std::string_view wanted) {
    for (std::size_t i = 0; i < header().e_shnum; ++i) {
      if (name(i) == wanted) return i;
    }
    FAIL("no section " << wanted);
    return 0;
  }
  Elf64_Shdr& symbols() { return section(find(".symtab")); }
  // The symbol's name, to change in place.
  char* symbol_name(std::string_view wanted) {
    const Elf64_Shdr table = symbols();
    for (std::size_t i = 0; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
      char* found = text(table.sh_link, symbol(i).st_name);
      if (found == wanted) return found;
    }
    FAIL("no symbol " << wanted);
    return nullptr;
  }
  Elf64_Sym& symbol(std::size_t i) { return reinterpret_cast<Elf64_Sym*>(bytes.data() + symbols().sh_offset)[i]; }
};

Elf64_Sym& symbol_named(Elf& e, std::string_view wanted) {
  const std::uint32_t at = static_cast<std::uint32_t>(e.symbol_name(wanted) - e.text(e.symbols().sh_link, 0));
  for (std::size_t i = 0;; ++i) {
    if (e.symbol(i).st_name == at) return e.symbol(i);
  }
}

Program one_row() {
  Program program = make_program();
  add_row(program, Effect::permit);
  return program;
}

// What the helper makes: an object whose tables are zero.
std::string blank_object(const Program& program) {
  auto layout = bpf::lay_out(program.module, program.plan, digest());
  REQUIRE(layout);
  auto elf = bpf::run_helper(std::string(KERF_BINARY_DIR) + "/kerf-codegen", bpf::write_request(layout->request));
  REQUIRE(elf);
  return *elf;
}

struct Rig {
  Program program = one_row();
  FalseHelper helper;
  Elf good{blank_object(program)};

  template <class Change>
  std::string refusal(Change change) {
    Elf changed = good;
    change(changed);
    return helper.refusal(program, changed.bytes);
  }
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("helper: the object that it made is taken, with its programs and maps") {
  Rig rig;
  CHECK(rig.helper.refusal(rig.program, rig.good.bytes) == "");
  auto object = emit(rig.program);
  REQUIRE(object);
  const std::vector<std::string>& maps = object->layout.maps;
  CHECK(std::set<std::string>(maps.begin(), maps.end()).contains("kerf_bindings"));
  CHECK(std::is_sorted(maps.begin(), maps.end()));
  CHECK_FALSE(object->layout.programs.empty());
  for (const std::string& name : object->layout.programs) CHECK(std::find(maps.begin(), maps.end(), name) == maps.end());
}

TEST_CASE("helper: nothing stays open") {
  Rig rig;
  auto open_files = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()); };
  const auto before = open_files();
  CHECK(rig.helper.refusal(rig.program, rig.good.bytes) == "");
  CHECK(rig.helper.refusal(rig.program, "nothing") != "");
  CHECK(open_files() == before);
}

TEST_CASE("helper: signals that the caller ignores or blocks end it as they end any program") {
  const std::string folder = std::filesystem::temp_directory_path() / ("kerf-signals-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/helper") << "#!/bin/sh\nwhile read -r line; do echo \"$line\"; done < /proc/self/status > '" << folder << "/status'\n";
  std::filesystem::permissions(folder + "/helper", std::filesystem::perms::owner_all);
  const Program program = one_row();
  struct sigaction old[NSIG] {};
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigset_t all, mask;
  sigfillset(&all);
  for (int s = 1; s < NSIG; ++s) {
    if (s != SIGCHLD) ::sigaction(s, &ignore, &old[s]);
  }
  ::pthread_sigmask(SIG_SETMASK, &all, &mask);
  (void)emit_bpf(program.module, program.plan, digest(), {folder + "/helper"});
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  for (int s = 1; s < NSIG; ++s) {
    if (s != SIGCHLD) ::sigaction(s, &old[s], nullptr);
  }
  std::ifstream in(folder + "/status");
  const std::string status{std::istreambuf_iterator<char>(in), {}};
  CHECK(has(status, "SigBlk:\t0000000000000000\n"));
  const std::size_t ignored = status.find("SigIgn:\t");
  REQUIRE(ignored != std::string::npos);
  CHECK((std::stoull(status.substr(ignored + 8, 16), nullptr, 16) & ~(std::uint64_t{3} << 31)) == 0);   // but two of the C library's own
  std::filesystem::remove_all(folder);
}

TEST_CASE("helper: it bounds its memory, and is nowhere") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const std::string helper = std::string(KERF_BINARY_DIR) + "/kerf-codegen";
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[0], 0);
    ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
    ::execl(helper.c_str(), helper.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(ends[0]);
  const std::string more_than_a_pipe_holds(std::size_t{1} << 17, 'x');
  REQUIRE(::write(ends[1], more_than_a_pipe_holds.data(), more_than_a_pipe_holds.size()) > 0);   // so it reads by now
  const std::string process = "/proc/" + std::to_string(child);
  std::ifstream in(process + "/limits");
  const std::string limits{std::istreambuf_iterator<char>(in), {}};
  CHECK(has(limits, "Max address space         4294967296           4294967296"));
  CHECK(std::filesystem::read_symlink(process + "/cwd") == "/");
  ::close(ends[1]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 1));   // that was no request
}

TEST_CASE("helper: tables that end with the object are read to their ends") {
  Rig rig;
  auto to_the_end = [](Elf& e, std::size_t section) {
    const Elf64_Shdr table = e.section(section);
    const std::string copy = e.bytes.substr(table.sh_offset, table.sh_size);
    e.section(section).sh_offset = e.bytes.size();
    e.bytes += copy;
  };
  CHECK(rig.refusal([&](Elf& e) { to_the_end(e, e.find(".symtab")); }) == "");
  CHECK(rig.refusal([&](Elf& e) { to_the_end(e, e.symbols().sh_link); }) == "");
}

TEST_CASE("helper: without files to talk through there is an error") {
  const Program program = one_row();
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &old) == 0);
  const int free = ::open("/dev/null", O_RDONLY | O_CLOEXEC);   // the lowest that is free
  REQUIRE(free >= 0);
  ::close(free);
  for (rlim_t more : {0, 1, 2}) {
    const rlimit few{static_cast<rlim_t>(free) + more, old.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    const Result<BpfObject> object = emit(program);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &old) == 0);
    REQUIRE_FALSE(object.ok());
    CHECK(has(object.error().message, "temporary memory"));
  }
}

TEST_CASE("helper: where it has too few files to link with it says so, and what libbpf says") {
  const Program program = one_row();
  const std::string folder = std::filesystem::temp_directory_path() / ("kerf-few-files-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  auto refusal = [&](int files) {
    std::ofstream(folder + "/helper") << "#!/bin/sh\nulimit -n " << files << "\nexec '" << KERF_BINARY_DIR << "/kerf-codegen'\n";
    std::filesystem::permissions(folder + "/helper", std::filesystem::perms::owner_all);
    auto object = emit_bpf(program.module, program.plan, digest(), {folder + "/helper"});
    return object ? "" : object.error().message;
  };
  const std::string no_output = refusal(4), no_part = refusal(5), no_reading = refusal(6);   // three of them are open
  CHECK(has(no_output, "failed to create"));
  CHECK(has(no_output, "libbpf: the linker does not start: Too many open files"));
  CHECK(has(no_part, "a part of the object cannot be written"));
  CHECK(has(no_reading, "failed to open"));
  CHECK(has(no_reading, "libbpf: a part of the object: Too many open files"));
  CHECK(refusal(7) == "");
  std::filesystem::remove_all(folder);
}

TEST_CASE("helper: an object has what its policies ask for, and nothing more") {
  const auto contents = bpf::read_contents(blank_object(one_row()));
  REQUIRE(contents);
  for (const char* of_paths : {"kerf_path_bytes", "kerf_path_cells", "kerf_path_edges", "kerf_path_starts"}) CHECK_FALSE(contents->constants.contains(of_paths));
  for (const char* of_others : {"kerf_named", "kerf_anchors"}) CHECK_FALSE(contents->maps.contains(of_others));
  Program program = one_row();
  PolicyId policy = add_policy(program, Effect::permit);
  Body& body = program.module.policies[policy.index].body;
  NodeId node = body.add(Op::less, {body.add(Op::add, {context_attr(body, "uid"), context_attr(body, "gid")}, {}), number(body, 7)}, {});
  env_of(program).code.push_back({policy, node, {}, {}});
  add_row(program, Effect::permit).code = {{0, Outcome::true_}};
  const std::string with_condition = blank_object(program);
  CHECK(has(with_condition, "kerf_code"));
  CHECK_FALSE(has(with_condition, "kerf_code_0"));   // one function is enough for it
}

TEST_CASE("helper: what is no BPF object is refused") {
  Rig rig;
  const char* refused = "made no BPF object";
  CHECK(has(rig.refusal([](Elf& e) { e.bytes.clear(); }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.bytes[0] ^= 1; }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.header().e_ident[EI_CLASS] = ELFCLASS32; }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.header().e_ident[EI_DATA] = ELFDATA2MSB; }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.header().e_type = ET_EXEC; }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.header().e_machine = EM_X86_64; }), refused));
  CHECK(has(rig.refusal([](Elf& e) { ++e.header().e_shentsize; }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.header().e_shstrndx = e.header().e_shnum; }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.header().e_shoff = ~std::uint64_t{0} - 8; }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.section(e.find(".BTF")).sh_name = e.section(e.find(".rodata")).sh_name; }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.bytes.pop_back(); }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.bytes.resize(sizeof(Elf64_Ehdr) - 1); }), refused));
}

TEST_CASE("helper: what points out of the object is refused") {
  Rig rig;
  const char* refused = "made no BPF object";
  const std::uint64_t all = rig.good.bytes.size();
  auto strings = [](Elf& e) -> Elf64_Shdr& { return e.section(e.header().e_shstrndx); };
  CHECK(has(rig.refusal([&](Elf& e) { strings(e).sh_offset = all + 1; }), refused));
  CHECK(has(rig.refusal([&](Elf& e) { strings(e).sh_size = all - strings(e).sh_offset + 1; }), refused));
  CHECK(has(rig.refusal([&](Elf& e) { e.section(1).sh_name = static_cast<std::uint32_t>(strings(e).sh_size); }), refused));
  CHECK(has(rig.refusal([](Elf& e) { e.symbols().sh_link = e.header().e_shnum; }), refused));
  CHECK(has(rig.refusal([&](Elf& e) { e.symbols().sh_offset = all - 8; }), refused));
  CHECK(has(rig.refusal([](Elf& e) {
    const Elf64_Shdr& table = e.symbols();
    for (std::size_t i = 1; i < table.sh_size / sizeof(Elf64_Sym); ++i) e.symbol(i).st_name = ~0u;
  }), refused));
  // A symbol of a section that is not there is nobody's: neither a program nor a map.
  CHECK(has(rig.refusal([](Elf& e) {
    const Elf64_Shdr table = e.symbols();
    for (std::size_t i = 1; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
      if (ELF64_ST_TYPE(e.symbol(i).st_info) == STT_FUNC) e.symbol(i).st_shndx = e.header().e_shnum;
    }
  }), "without the program"));
}

TEST_CASE("helper: an object without what kerf needs, or with what it cannot carry, is refused") {
  Rig rig;
  for (const char* needed : {".text", ".maps", ".BTF", ".BTF.ext", "license"}) {
    CAPTURE(needed);
    CHECK(has(rig.refusal([&](Elf& e) { e.section(e.find(needed)).sh_size = 0; }), std::string("without `") + needed + "`"));
  }
  for (const char* forbidden : {".data", ".bss", ".ksyms", ".kconfig"}) {
    CAPTURE(forbidden);
    CHECK(has(rig.refusal([&](Elf& e) {
      std::strcpy(e.text(e.header().e_shstrndx, e.section(e.find("cgroup/connect4")).sh_name), forbidden);
    }), std::string("with `") + forbidden + "`"));
  }
}

TEST_CASE("helper: an object has the programs of the governed events, and no other") {
  Rig rig;
  auto object = emit(rig.program);
  REQUIRE(object);
  for (const std::string& name : object->layout.programs) {
    CAPTURE(name);
    CHECK(has(rig.refusal([&](Elf& e) { e.symbol_name(name)[0] = 'K'; }), "without the program `" + name + "`"));
  }
  // Those of files are one too many for a program that governs connections only, and the other way round.
  Program files = make_file_program();
  add_row(files, Effect::permit);
  CHECK(has(rig.helper.refusal(rig.program, blank_object(files)), "kerf-codegen made an object with"));
  CHECK(has(rig.helper.refusal(files, rig.good.bytes), "kerf-codegen made an object with"));
}

TEST_CASE("helper: an object that cannot be filled as it was asked for is refused") {
  Rig rig;
  CHECK(has(rig.refusal([&](Elf& e) { symbol_named(e, "kerf_event_errnos").st_size += 4; }), "gave the table kerf_event_errnos another length"));
  CHECK(has(rig.refusal([&](Elf& e) { symbol_named(e, "kerf_rows").st_value = e.section(e.find(".rodata")).sh_size - 8; }), "made no BPF object"));
  CHECK(has(rig.refusal([&](Elf& e) { std::strcpy(e.symbol_name("kerf_envs"), "kerf_rows"); }), "made no BPF object"));
  CHECK(has(rig.refusal([&](Elf& e) { symbol_named(e, "kerf_rows").st_name = static_cast<std::uint32_t>(e.section(e.symbols().sh_link).sh_size); }), "made no BPF object"));
  CHECK(has(rig.refusal([&](Elf& e) { e.section(e.find(".rodata")).sh_type = SHT_NOBITS; }), "made no BPF object"));
  CHECK(has(rig.refusal([&](Elf& e) { e.section(e.find(".rodata")).sh_size += e.bytes.size(); }), "made no BPF object"));
  // The types: a mark that is missing or there twice, and a section that is cut off.
  auto types = [](Elf& e) { return e.bytes.data() + e.section(e.find(".BTF")).sh_offset; };
  auto mark_of = [&](Elf& e) { return e.bytes.find("BREK", static_cast<std::size_t>(types(e) - e.bytes.data())); };
  CHECK(has(rig.refusal([&](Elf& e) { e.bytes[mark_of(e)] ^= 4; }), "no lengths to replace"));
  CHECK(has(rig.refusal([&](Elf& e) { std::memcpy(types(e) + 24 + 8, "BREK", 4); }), "no lengths to replace"));
  CHECK(has(rig.refusal([&](Elf& e) { types(e)[0] ^= 1; }), "malformed types"));
  CHECK(has(rig.refusal([&](Elf& e) { e.section(e.find(".BTF")).sh_size = 30; }), "malformed types"));
  CHECK(has(rig.refusal([&](Elf& e) { e.section(e.find(".BTF")).sh_size = 23; }), "malformed types"));
  CHECK(has(rig.refusal([&](Elf& e) { e.section(e.find(".BTF")).sh_offset = e.bytes.size() - 24; }), "malformed object"));
}

namespace {

// The functions' instructions whose constants are marks, in the file.
std::vector<std::size_t> marks_in(Elf& e, bool of_conditions) {
  std::vector<std::size_t> found;
  const std::size_t text = e.find(".text");
  const Elf64_Shdr table = e.symbols();
  for (std::size_t i = 0; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
    const Elf64_Sym symbol = e.symbol(i);
    const bool condition = std::string_view(e.text(table.sh_link, symbol.st_name)).starts_with("kerf_code");
    if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx != text || condition != of_conditions) continue;
    for (std::size_t at = e.section(text).sh_offset + symbol.st_value; at < e.section(text).sh_offset + symbol.st_value + symbol.st_size; at += 8) {
      std::uint32_t constant;
      std::memcpy(&constant, e.bytes.data() + at + 4, sizeof constant);
      if (bpf::is_mark(constant)) found.push_back(at);
    }
  }
  return found;
}

}  // namespace

TEST_CASE("helper: every number is put in the place of its mark, and a condition's own constants stay") {
  Program program = one_row();
  const std::int64_t like_a_mark = KERF_MARK_BASE + KERF_MARK_STEP * 3;
  PolicyId policy = add_policy(program, Effect::permit);
  Body& body = program.module.policies[policy.index].body;
  NodeId node = body.add(Op::less, {body.add(Op::add, {context_attr(body, "uid"), context_attr(body, "gid")}, {}), number(body, like_a_mark)}, {});
  env_of(program).code.push_back({policy, node, {}, {}});
  add_row(program, Effect::permit).code = {{0, Outcome::true_}};
  Elf blank{blank_object(program)};
  CHECK(marks_in(blank, false).size() > 30);
  CHECK(marks_in(blank, true).size() == 1);
  auto object = emit(program);
  REQUIRE(object);
  Elf filled{object->elf};
  CHECK(marks_in(filled, false).empty());
  CHECK(marks_in(filled, true).size() == 1);
}

TEST_CASE("helper: a filled object's tables are aligned, do not overlap, and end with the constants") {
  Program program = make_file_program();
  env_of(program).paths = {files({"/a", "/a/b.c", "/xyz"}), pattern({"/srv/", ".txt"})};
  for (std::uint32_t test : {0u, 1u}) add_row(program, Effect::permit).path = {{test, Outcome::true_}};
  auto object = emit(program);
  REQUIRE(object);
  Elf blank{blank_object(program)}, e{object->elf};
  const std::size_t constants = e.find(".rodata");
  const std::uint64_t behind = blank.section(blank.find(".rodata")).sh_size;   // here tables begin that became longer
  std::map<std::uint64_t, std::uint64_t> tables;             // place -> size
  for (std::size_t i = 0; i < e.symbols().sh_size / sizeof(Elf64_Sym); ++i) {
    const Elf64_Sym symbol = e.symbol(i);
    if (symbol.st_shndx == constants && ELF64_ST_TYPE(symbol.st_info) == STT_OBJECT) tables[symbol.st_value] = symbol.st_size;
  }
  REQUIRE(std::distance(tables.lower_bound(behind), tables.end()) > 5);
  std::uint64_t end = 0;
  for (auto [place, size] : tables) {
    CHECK(place >= end);
    if (place >= behind) CHECK(place % 8 == 0);
    end = place + size;
  }
  CHECK(end == e.section(constants).sh_size);
}

TEST_CASE("helper: a mark that leaves no number, and an instruction that points into a table, are refused") {
  Rig rig;
  CHECK(has(rig.refusal([](Elf& e) {
    const std::uint32_t below = KERF_MARK_BASE + kerf_env_count_index * KERF_MARK_STEP - 2;   // there is one
    std::memcpy(e.bytes.data() + marks_in(e, false).front() + 4, &below, sizeof below);
  }), "a mark at a wrong place in kerf_"));
  CHECK(has(rig.refusal([](Elf& e) {
    const Elf64_Shdr text = e.section(e.find(".text"));
    const std::uint64_t table = symbol_named(e, "kerf_rows").st_value;
    for (std::size_t at = text.sh_offset; at < text.sh_offset + text.sh_size; at += 8) {
      std::uint32_t constant;
      std::memcpy(&constant, e.bytes.data() + at + 4, sizeof constant);
      if (e.bytes[at] != 0x18 || constant != table) continue;
      constant += 4;
      std::memcpy(e.bytes.data() + at + 4, &constant, sizeof constant);
    }
  }), "points into a table"));
}

TEST_CASE("helper: tables lie behind the other constants, and everything behind them moves on") {
  Rig rig;
  auto object = emit(rig.program);
  REQUIRE(object);
  Elf filled{object->elf}, blank = rig.good;
  const std::size_t constants = filled.find(".rodata");
  CHECK(filled.section(constants).sh_size > blank.section(constants).sh_size + 1000);
  for (std::size_t i = 1; i < filled.header().e_shnum; ++i) {
    CAPTURE(filled.name(i));
    const Elf64_Shdr before = blank.section(i), after = filled.section(i);
    if (i != constants) CHECK(after.sh_size == before.sh_size);
    if (after.sh_addralign > 1) CHECK(after.sh_offset % after.sh_addralign == 0);
    CHECK(after.sh_offset + after.sh_size <= filled.bytes.size());
    for (std::size_t j = 1; j < i; ++j) {
      const Elf64_Shdr other = filled.section(j);
      CHECK((other.sh_offset + other.sh_size <= after.sh_offset || after.sh_offset + after.sh_size <= other.sh_offset));
    }
  }
  // The type of the constants, whose size the kernel compares with the map's.
  const std::uint32_t size = static_cast<std::uint32_t>(filled.section(constants).sh_size);
  CHECK(has(filled.bytes.substr(filled.section(filled.find(".BTF")).sh_offset), std::string_view(reinterpret_cast<const char*>(&size), sizeof size)));
  CHECK(has(rig.refusal([](Elf& e) {
    const Elf64_Shdr btf = e.section(e.find(".BTF"));
    const std::size_t name = e.bytes.find(std::string_view("\0.rodata\0", 9), btf.sh_offset);
    REQUIRE(name < btf.sh_offset + btf.sh_size);
    e.bytes[name + 1] = '-';
  }), "without the type of its constants"));
  // Sections that lie over each other.
  CHECK(has(rig.refusal([](Elf& e) { e.section(e.find(".BTF.ext")).sh_offset = e.section(e.find(".rodata")).sh_offset + 8; }), "malformed object"));
}
