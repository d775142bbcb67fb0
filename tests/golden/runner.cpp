// Golden tests: section files. A line `=== NAME` opens a section:
//   === policies [NAME]   === schema   === entities      inputs of the pipeline
//   === file NAME                                        a file for `=== run`
//   === run                                              a shell script, run in a directory with these files; `kerf`
//                                                        is the command under test
//   === expect diagnostics|ast|ir|plan|split|table|picture|split-table   === expect stdout|stderr|exit   the outputs
//                                                        ($KERF is its path); `seal DIR` makes the hashes of a changed
//                                                        bundle right again; `alone COMMAND…` runs it with mounts, state
//                                                        and cgroups that no other test sees (alone.sh)
//   === needs bpf                                        skipped, with a line that says so, where bpf() is not permitted
// Policies without a schema are only parsed. UPDATE_GOLDEN=1 rewrites the expectations. A name starts with bad_ if and
// only if there is an error diagnostic.
#include <fmt/core.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "driver/pipeline.h"
#include "driver/render.h"
#include "frontend/parse/parse.h"

namespace {

namespace fs = std::filesystem;
using namespace kerf;

struct Section {
  std::string head;   // "policies a.cedar", "expect plan"
  std::string body;
};

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream buffer;
  buffer << in.rdbuf();
  return buffer.str();
}

std::vector<Section> read_sections(const fs::path& path) {
  std::vector<Section> sections;
  std::istringstream in(read_file(path));
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("=== ", 0) == 0) sections.push_back({line.substr(4), ""});
    else if (!sections.empty()) sections.back().body += line + "\n";
  }
  return sections;
}

void write_sections(const fs::path& path, const std::vector<Section>& sections) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  for (const Section& s : sections) out << "=== " << s.head << "\n" << s.body;
}

std::string argument(const std::string& head) {
  std::size_t space = head.find(' ');
  return space == std::string::npos ? "" : head.substr(space + 1);
}

struct Output {
  std::map<std::string, std::string> texts;   // by name of expectation
  bool failed = false;                        // has an error diagnostic
};

std::string with_newline(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

bool has_section(const std::vector<Section>& sections, const std::string& head) {
  return std::any_of(sections.begin(), sections.end(), [&](const Section& s) { return s.head == head; });
}

Output run_parser(const ProgramText& text) {
  Sources sources;
  Diagnostics diagnostics;
  for (const InputFile& file : text.policies) parse_policies(sources, sources.add(file.name, file.text), diagnostics);
  diagnostics.sort();
  Output output;
  output.failed = diagnostics.has_errors();
  output.texts["diagnostics"] = render(sources, diagnostics, ErrorFormat::human, false);
  output.texts["ast"] = print_stage(Program{}, text, "ast").value_or("");
  return output;
}

Output run_pipeline(const std::vector<Section>& sections) {
  ProgramText text;
  for (const Section& s : sections) {
    std::string name = argument(s.head);
    if (s.head.rfind("policies", 0) == 0) text.policies.push_back({name.empty() ? "policies.cedar" : name, s.body});
    if (s.head == "schema") text.schema = InputFile{"schema.cedarschema", s.body};
    if (s.head == "entities") text.entities = InputFile{"entities.json", s.body};
  }
  std::sort(text.policies.begin(), text.policies.end(), [](auto& a, auto& b) { return a.name < b.name; });
  if (!text.schema) return run_parser(text);
  Program program = check_program(text);
  Output output;
  output.failed = program.diagnostics.has_errors();
  output.texts["diagnostics"] = render(program.sources, program.diagnostics, ErrorFormat::human, false);
  output.texts["ast"] = print_stage(program, text, "ast").value_or("");
  if (output.failed) return output;
  for (const char* stage : {"ir", "plan", "split", "table"}) {
    output.texts[stage] = print_stage(program, text, stage).value_or("");
  }
  Split report = split(program.module, program.plan);
  output.texts["picture"] = split_to_picture(program.module, program.sources, report, false);
  output.texts["split-table"] = split_to_table(program.module, program.sources, report);
  return output;
}

// The hashes of a bundle after somebody changed its files: what an attacker would do.
int seal(const fs::path& bundle) {
  auto manifest = parse_json(read_file(bundle / "manifest.json"));
  if (!manifest) return 1;
  for (Json& row : (*manifest)["outputs"]) {
    std::string bytes = read_file(bundle / row.at("name").get<std::string>());
    row["xxh3_128"] = xxh3_128(bytes);
    row["size"] = bytes.size();
  }
  (*manifest)["digest"] = "";
  (*manifest)["digest"] = xxh3_128(manifest->dump());
  std::ofstream(bundle / "manifest.json", std::ios::binary | std::ios::trunc) << pretty_json(*manifest);
  return 0;
}

Output run_script(const std::vector<Section>& sections, const std::string& kerf) {
  std::string pattern = (fs::temp_directory_path() / "kerf-golden-XXXXXX").string();
  Output output;
  if (::mkdtemp(pattern.data()) == nullptr) return output;
  fs::path base = pattern, directory = base / "work";
  fs::create_directory(directory);
  for (const Section& s : sections) {
    if (s.head.rfind("file ", 0) == 0) std::ofstream(directory / argument(s.head), std::ios::binary) << s.body;
    if (s.head == "run") std::ofstream(base / "run.sh") << s.body;
  }
  std::string command = fmt::format("cd '{}' && export KERF='{}' NO_COLOR=1 LC_ALL=C && kerf() {{ \"$KERF\" \"$@\"; }} && "
                                    "seal() {{ '{}' --seal \"$1\"; }} && alone() {{ bash '{}/alone.sh' \"$@\"; }} && "
                                    ". ../run.sh >../stdout 2>../stderr </dev/null",
                                    directory.string(), kerf, fs::read_symlink("/proc/self/exe").string(), KERF_GOLDEN_DIR);
  std::string quoted = "bash -c " + ("'" + [&] {
    std::string q;
    for (char c : command) q += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return q;
  }() + "'");
  int status = std::system(quoted.c_str());
  output.texts["exit"] = fmt::format("{}\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  auto shown = [&](const char* name) {
    std::string text = read_file(base / name), path = directory.string();
    for (std::size_t at; (at = text.find(path)) != std::string::npos;) text.replace(at, path.size(), "TMP");
    return text;
  };
  output.texts["stdout"] = shown("stdout");
  output.texts["stderr"] = shown("stderr");
  output.failed = output.texts["stderr"].find("error[K") != std::string::npos;
  std::error_code ignored;
  fs::remove_all(base, ignored);
  return output;
}

bool bpf_permitted() {
  union bpf_attr attr = {};
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = attr.value_size = 4;
  attr.max_entries = 1;
  long fd = ::syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return fd >= 0;
}

// A kernel that runs LSM programs: then nothing is degraded.
bool bpf_lsm_listed() { return read_file("/sys/kernel/security/lsm").find("bpf") != std::string::npos; }

// The feature of `=== needs FEATURE` that this machine does not have; empty if it has all.
std::string missing_feature(const fs::path& path) {
  for (const Section& s : read_sections(path)) {
    if (s.head.rfind("needs ", 0) != 0) continue;
    std::string feature = argument(s.head);
    if (feature != "bpf" && feature != "no-lsm") return feature + " (unknown)";
    if (!bpf_permitted()) return feature;
    if (feature == "no-lsm" && bpf_lsm_listed()) return feature;
  }
  return {};
}

bool check_file(const fs::path& path, const std::string& kerf, bool update) {
  std::vector<Section> sections = read_sections(path);
  Output output = has_section(sections, "run") ? run_script(sections, kerf) : run_pipeline(sections);
  bool good = true;
  std::string name = path.filename().string();
  bool bad_name = name.rfind("bad_", 0) == 0;
  if (bad_name != output.failed) {
    fmt::print("{}: the name says {}, the diagnostics say {}\n", name, bad_name ? "bad" : "ok", output.failed ? "bad" : "ok");
    good = false;
    if (!update && output.texts.contains("diagnostics")) fmt::print("{}", output.texts["diagnostics"]);
  }
  int expectations = 0;
  for (Section& s : sections) {
    if (s.head.rfind("expect ", 0) != 0) continue;
    ++expectations;
    std::string got = with_newline(output.texts[argument(s.head)]);
    if (got == s.body) continue;
    if (update) {
      s.body = got;
      continue;
    }
    good = false;
    fmt::print("{}: {} differs\n--- expected\n{}--- got\n{}---\n", name, s.head, s.body, got);
  }
  if (expectations == 0) {
    fmt::print("{}: expects nothing\n", name);
    good = false;
  }
  if (update) write_sections(path, sections);
  return good;
}

std::vector<fs::path> test_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.path().extension() == ".test") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Codes that no script provokes on every machine, with the unit test that does.
struct UnitTested {
  std::string_view code, test;
};
constexpr UnitTested kUnitTested[] = {
    {"K5004", "host names and data of other endpoints are refused"},   // K4102 comes first unless the caller is the library
    {"K7309", "policies that name links are told the real path"},                  // needs a kernel with BPF LSM to be reached
    {"K7310", "policies that name a second mount are told the canonical path"},   // likewise
    {"K7406", "a hook that somebody else holds exclusively"},
    {"K7408", "without a record everything is refused; with one, the policies decide"},
    {"K7411", "surroundings that cannot enforce"},
    {"K7413", "our own view can be planned, and its root opened"},
    {"K7503", "no room for another pipe"},
    {"K7704", "a comparison past the limit is an error"},
    {"K7604", "without a record everything is refused; with one, the policies decide"},
};

// Every code of the catalogue is in the expected output of some golden, or its unit test is named above.
int check_codes(const fs::path& directory) {
  std::string all;
  for (const fs::path& path : test_files(directory)) {
    for (const Section& s : read_sections(path)) {
      if (s.head.rfind("expect ", 0) == 0) all += s.body;
    }
  }
  int missing = 0;
  for (const CatalogueRow& row : catalogue()) {
    bool unit = std::any_of(std::begin(kUnitTested), std::end(kUnitTested), [&](const UnitTested& u) { return u.code == row.name; });
    if (unit || all.find(fmt::format("[{}]", row.name)) != std::string::npos) continue;
    fmt::print("no golden shows {}: {}\n", row.name, row.message);
    ++missing;
  }
  fmt::print("{} codes, {} without a golden\n", catalogue().size(), missing);
  return missing == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--codes") return check_codes(argv[2]);
  if (argc == 3 && std::string(argv[1]) == "--seal") return seal(argv[2]);
  if (argc != 3) return 64;
  bool update = std::getenv("UPDATE_GOLDEN") != nullptr;
  std::string kerf = fs::absolute(argv[2]).string();
  int failed = 0, total = 0, skipped = 0;
  for (const fs::path& path : test_files(argv[1])) {
    ++total;
    if (std::string feature = missing_feature(path); !feature.empty()) {
      fmt::print("SKIP {}: needs {}\n", path.filename().string(), feature);
      ++skipped;
    } else if (!check_file(path, kerf, update)) {
      ++failed;
    }
  }
  fmt::print("{} golden files, {} failed, {} skipped\n", total, failed, skipped);
  return failed == 0 && total > 0 ? 0 : 1;
}
