// The checker's test. Random programs are compiled; every table and object must be proved. Then one random edit is made:
// a table that decides some request otherwise than before, or that the evaluator refuses, must not be proved, and neither
// must an object, or a manifest, that decides some event otherwise in this kernel.
//   mutations [PROGRAMS [MUTANTS [REQUESTS [SEED]]]]
#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <set>

#include "backends/check/check.h"
#include "backends/table/emit.h"
#include "driver/pipeline.h"
#include "driver/render.h"
#include "runtime/gateway/table.h"
#include "tests/semantics/file_generator.h"
#include "tests/semantics/generator.h"
#include "tests/semantics/kernel_judge.h"

namespace {

using namespace kerf;
using namespace kerf::test;

// Changes one thing in the JSON, wherever an edit fits; each site is one place and one kind of edit.
class Mutator {
 public:
  Mutator(Json& table, std::mt19937_64& random) : random_(random) { visit(table, ""); }

  // What was done; empty if the table has no site.
  std::string apply() {
    if (sites_.empty()) return {};
    auto& [what, edit] = sites_[random_() % sites_.size()];
    edit();
    return what;
  }

 private:
  void site(std::string what, std::function<void()> edit) { sites_.emplace_back(std::move(what), std::move(edit)); }

  void visit(Json& json, const std::string& key) {
    if (key == "annotations" || key == "source" || key == "format" || key == "version") return;
    if (json.is_string()) return visit_text(json, key);
    if (json.is_number()) {
      site(key + ": another number", [&] { json = json.get<int>() + (random_() % 2 ? 1 : -1); });
      return;
    }
    if (json.is_boolean()) return site(key + ": other truth", [&] { json = !json.get<bool>(); });
    if (json.is_array()) return visit_array(json, key);
    if (!json.is_object()) return;
    if (key == "principal" || key == "resource") {
      site(key + ": any scope", [&] { json = nullptr; });
    }
    for (auto& [name, value] : json.items()) {
      visit(value, name);
      visit_operator(json, name);
    }
  }

  void visit_text(Json& json, const std::string& key) {
    if (key == "effect") {
      site("effect flipped", [&] { json = json == "permit" ? "forbid" : "permit"; });
    } else if (json == "true" || json == "false" || json == "error") {
      site("another outcome", [&] {
        const char* outcomes[] = {"true", "false", "error"};
        json = outcomes[random_() % 3];
      });
    } else if (key == "Long") {
      site("a Long off by one", [&] { json = std::to_string(std::atoll(json.get<std::string>().c_str()) + 1); });
    } else {
      site(key + ": another text", [&] {
        std::string text = json.get<std::string>();
        if (text.empty() || static_cast<unsigned char>(text.back()) >= 0x80 || random_() % 2) text += "x";
        else text.pop_back();
        json = text;
      });
    }
  }

  void visit_array(Json& json, const std::string& key) {
    if (!json.empty()) {
      site(key + ": one dropped", [&] { json.erase(json.begin() + static_cast<std::ptrdiff_t>(random_() % json.size())); });
      site(key + ": one doubled", [&] { json.push_back(json[random_() % json.size()]); });
    }
    if (json.size() > 1) site(key + ": two swapped", [&] { std::swap(json[0], json[json.size() - 1]); });
    for (Json& element : json) visit(element, key);
  }

  void visit_operator(Json& json, const std::string& name) {
    static const std::vector<std::vector<std::string>> alike = {
        {"<", "<=", "=="}, {"+", "-", "*"}, {"&&", "||"}, {"contains", "containsAll", "containsAny"}, {"!", "neg"}, {"has", "."}, {"==", "in"}};
    for (const auto& family : alike) {
      if (std::find(family.begin(), family.end(), name) == family.end()) continue;
      site(name + ": another operator", [&json, name, this, &family] {
        Json content = json[name];
        json.erase(name);
        json[family[random_() % family.size()]] = content;
      });
    }
  }

  std::mt19937_64& random_;
  std::vector<std::pair<std::string, std::function<void()>>> sites_;
};

using Answers = std::vector<std::string>;

std::optional<Answers> answers(const gateway::Table& table, const Module& module, const std::vector<Request>& requests) {
  Answers all;
  for (const Request& request : requests) {
    Result<gateway::Decision> d = table.decide(request, module.entities);
    if (!d) return std::nullopt;
    std::string text = d->allow ? "allow" : "deny";
    for (std::uint32_t p : d->determining) text += " " + table.policies().at(p).id;
    for (const auto& e : d->errors) text += " !" + table.policies().at(e.policy).id;
    all.push_back(std::move(text));
  }
  return all;
}

struct Tally {
  std::size_t programs = 0, mutants = 0, refused = 0, deciding = 0, found = 0, proved = 0;
};

bool proved(const Module& module, const std::string& table) {
  Diagnostics diagnostics;
  proof::check_table(module, table, diagnostics);
  return !diagnostics.has_errors();
}

bool run(const GeneratedProgram& generated, std::uint64_t seed, std::uint64_t mutants, Tally& tally) {
  const ProgramText source = program_text(generated);
  Program program = check_program(source);
  if (program.diagnostics.has_errors()) return fmt::print("seed {}: the program does not compile\n", seed), false;
  const Module& module = program.module;
  const std::string table = emit_table(module, program.sources);
  Diagnostics diagnostics;
  proof::check_table(module, table, diagnostics);
  ++tally.programs;
  if (diagnostics.has_errors()) {
    fmt::print("seed {}: the table is not proved\n{}\n--- policies\n{}", seed,
               render(program.sources, diagnostics, ErrorFormat::plain, false), generated.policies);
    return false;
  }
  std::vector<Request> requests = generated.requests;
  for (const KernelEventData& event : generated.events) {
    if (auto m = materialise(module, event)) requests.push_back(m->request);
  }
  const std::optional<Answers> before = answers(*gateway::Table::read(table), module, requests);
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < mutants; ++i) {
    Json changed = *parse_json(table, 20000, JsonNull::accept);
    const std::string what = Mutator(changed, random).apply();
    const std::string text = changed.dump();
    Result<gateway::Table> read = gateway::Table::read(text);
    const std::optional<Answers> after = read ? answers(*read, module, requests) : std::nullopt;
    const bool other = after != before, good = proved(module, text);
    ++tally.mutants;
    tally.refused += !after;
    tally.deciding += after && other;
    tally.found += other && !good;
    tally.proved += good;
    if (!other || !good) continue;
    fmt::print("seed {}: a changed table is proved: {}\n--- policies\n{}--- table\n{}\n", seed, what, generated.policies, changed.dump(1));
    return false;
  }
  return true;
}

// ---- objects ----

// The tables that decide and the code of conditions, as ranges of the ELF file.
struct Range {
  std::size_t at, size;
  bool code;
};
// Without most of its padding, where a change is none.
std::size_t filled(const std::string& elf, std::size_t at, std::size_t size) {
  auto element = [&](std::size_t end) { return std::string_view(elf).substr(at + end - 4, 4); };
  const std::string_view last = element(size);
  if (last.find_first_not_of(last[0]) != std::string_view::npos || (last[0] != '\0' && last[0] != '\xff')) return size;
  std::size_t end = size;
  while (end > 4 && element(end - 4) == last) end -= 4;
  return std::min(end + 4, size);
}
// Places of symbols: `visit` gets name, place and size.
template <class Visit>
void each_symbol(const std::string& elf, const Visit& visit) {
  Elf64_Ehdr header;
  std::memcpy(&header, elf.data(), sizeof header);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), elf.data() + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  for (const Elf64_Shdr& table : sections) {
    for (std::size_t i = 0; table.sh_type == SHT_SYMTAB && i < table.sh_size / sizeof(Elf64_Sym); ++i) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, elf.data() + table.sh_offset + i * sizeof symbol, sizeof symbol);
      if (symbol.st_shndx >= sections.size()) continue;
      visit(std::string(elf.data() + sections[table.sh_link].sh_offset + symbol.st_name), sections[symbol.st_shndx].sh_offset + symbol.st_value, symbol.st_size);
    }
  }
}
std::vector<Range> deciding_ranges(const std::string& elf) {
  static const std::set<std::string> names = {"kerf_envs", "kerf_rows", "kerf_keys32", "kerf_keys64", "kerf_trees", "kerf_ranks", "kerf_class_blocks", "kerf_blocks",
                                              "kerf_words", "kerf_peer_slots", "kerf_peer_factors", "kerf_path_cells", "kerf_path_edges", "kerf_path_starts",
                                              "kerf_path_bytes"};
  std::vector<Range> found;
  each_symbol(elf, [&](const std::string& name, std::size_t at, std::size_t size) {
    const bool code = name.starts_with("kerf_code");
    if (code || names.contains(name)) found.push_back({at, code ? size : filled(elf, at, size), code});
  });
  std::stable_sort(found.begin(), found.end(), [](const Range& a, const Range& b) { return a.code < b.code; });   // code, if any, last
  return found;
}

// Another bit in each number that hooks are told, one after the other: what would still be proved. Not all objects have all.
template <class Check>
std::string told_and_not_checked(const std::string& elf, std::mt19937_64& random, const Check& check) {
  static const std::set<std::string> names = {"kerf_governed", "kerf_exe_events", "kerf_reads_clock", "kerf_reads_command", "kerf_reads_task",
                                              "kerf_reads_user", "kerf_reads_fs_type"};
  std::string unseen;
  int told = 0;
  each_symbol(elf, [&](const std::string& name, std::size_t at, std::size_t size) {
    if (!names.contains(name)) return;
    ++told;
    std::string changed = elf;
    changed[at + random() % size] ^= static_cast<char>(1u << random() % 8);
    Diagnostics found;
    check(changed, found);
    if (!found.has_errors()) unseen += name + " ";
  });
  return told >= 3 ? unseen : "all";   // every hook is told what is governed; every task's and clock's
}

template <class T>
void change(std::string& bytes, std::size_t at, T by, bool add) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  value = static_cast<T>(add ? value + by : value ^ by);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// An instruction's constant, operator or distance.
void change_instruction(std::string& elf, std::size_t at, std::mt19937_64& random) {
  switch (random() % 4) {
    case 0: return change<std::uint32_t>(elf, at + 4, random() % 2 ? 1 : ~0u, true);
    case 1: return change<std::uint8_t>(elf, at, static_cast<std::uint8_t>(0x10u << random() % 4), false);
    case 2: return change<std::uint16_t>(elf, at + 2, random() % 2 ? 1 : 0xffff, true);
    default: return change<std::uint32_t>(elf, at + 4, 1u << random() % 32, false);
  }
}

// A bit, or an element that becomes another one of its table, or the next number. `code`: whether it was an instruction.
std::string changed_object(std::string elf, std::mt19937_64& random, bool& code) {
  const std::vector<Range> ranges = deciding_ranges(elf);
  const Range range = ranges[random() % 2 == 0 ? ranges.size() - 1 : random() % ranges.size()];
  const std::size_t at = range.at, size = range.size;
  code = range.code;
  if (code) return change_instruction(elf, at + random() % (size / 8) * 8, random), elf;
  auto element = [&] { return at + random() % (size / 4) * 4; };
  const std::size_t to = element();
  std::uint32_t value;
  std::memcpy(&value, elf.data() + to, 4);
  switch (random() % 3) {
    case 0: value ^= 1u << random() % 32; break;
    case 1: value += random() % 2 ? 1 : ~0u; break;
    default: std::memcpy(&value, elf.data() + element(), 4);
  }
  std::memcpy(elf.data() + to, &value, 4);
  return elf;
}

struct ObjectTally {
  std::size_t code = 0, not_loaded = 0;
  std::size_t objects = 0, mutants = 0, deciding = 0, found = 0, proved = 0;
};

bool run_objects(const GeneratedProgram& generated, std::uint64_t seed, std::uint64_t mutants, ObjectTally& tally) {
  const ProgramText source = program_text(generated);
  Program program = check_program(source);
  std::optional<Artefacts> artefacts = program.diagnostics.has_errors() ? std::nullopt : compile_program(program, source, {codegen_helper_path()});
  if (!artefacts) {
    fmt::print("seed {}: not compiled, or not proved\n{}\n{}", seed, render(program.sources, program.diagnostics, ErrorFormat::plain, false), generated.policies);
    return false;
  }
  auto file = [&](std::string_view name) -> const std::string& {
    return std::find_if(artefacts->bundle.files.begin(), artefacts->bundle.files.end(), [&](const NamedBytes& f) { return f.name == name; })->bytes;
  };
  auto check = [&](const std::string& elf, Diagnostics& diagnostics) { return proof::check_kernel(program.module, elf, file("manifest.json"), diagnostics); };
  Diagnostics diagnostics;
  ++tally.objects;
  check(file("policy.bpf.o"), diagnostics);
  std::mt19937_64 random(seed);
  if (const std::string unseen = told_and_not_checked(file("policy.bpf.o"), random, check); !unseen.empty()) {
    return fmt::print("seed {}: hooks are told something else of {}, and it is proved\n", seed, unseen), false;
  }
  const auto before = decide_by_object(program.module, artefacts->bundle, nullptr, generated.events);
  if (!before) return fmt::print("seed {}: {}\n", seed, before.error().message), false;
  for (std::uint64_t i = 0; i < mutants; ++i) {
    bool code = false;
    const std::string elf = changed_object(file("policy.bpf.o"), random, code);
    Diagnostics found;
    check(elf, found);
    const auto after = decide_by_object(program.module, artefacts->bundle, &elf, generated.events);
    // Instructions that the kernel does not load decide nothing.
    const bool other = after ? *after != *before : !code;
    ++tally.mutants;
    tally.code += code;
    tally.not_loaded += code && !after;
    tally.deciding += other;
    tally.found += other && found.has_errors();
    tally.proved += !found.has_errors();
    if (!other || found.has_errors()) continue;
    fmt::print("seed {}, mutant {}: a changed object is proved\n--- policies\n{}", seed, i, generated.policies);
    return false;
  }
  return true;
}

// ---- manifests ----
bool run_manifests(const GeneratedProgram& generated, std::uint64_t seed, std::uint64_t mutants, Tally& tally) {
  const ProgramText source = program_text(generated);
  Program program = check_program(source);
  std::optional<Artefacts> artefacts = program.diagnostics.has_errors() ? std::nullopt : compile_program(program, source, {codegen_helper_path()});
  if (!artefacts) return fmt::print("seed {}: not compiled\n", seed), false;
  auto file = [&](Bundle& bundle, std::string_view name) -> std::string& {
    return std::find_if(bundle.files.begin(), bundle.files.end(), [&](const NamedBytes& f) { return f.name == name; })->bytes;
  };
  ++tally.programs;
  const auto before = decide_by_object(program.module, artefacts->bundle, nullptr, generated.events);
  if (!before) return fmt::print("seed {}: {}\n", seed, before.error().message), false;
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < mutants; ++i) {
    Bundle changed = artefacts->bundle;
    std::string& manifest = file(changed, "manifest.json");
    Json json = *parse_json(manifest, 20000, JsonNull::accept);
    const std::string what = Mutator(json["environments"], random).apply();
    json["digest"] = "";   // sealed anew
    json["digest"] = xxh3_128(json.dump());
    manifest = pretty_json(json);
    Diagnostics found;
    proof::check_kernel(program.module, file(changed, "policy.bpf.o"), manifest, found);
    const auto after = decide_by_object(program.module, changed, nullptr, generated.events);
    const bool other = after && *after != *before;
    ++tally.mutants;
    tally.refused += !after;
    tally.deciding += other;
    tally.found += other && found.has_errors();
    tally.proved += !found.has_errors();
    if (!other || found.has_errors()) continue;
    fmt::print("seed {}: a changed manifest is proved: {}\n--- policies\n{}--- manifest\n{}\n", seed, what, generated.policies, json.dump(1));
    return false;
  }
  return true;
}

std::uint64_t argument(int argc, char** argv, int i, std::uint64_t otherwise) {
  return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t programs = argument(argc, argv, 1, 16), mutants = argument(argc, argv, 2, 40);
  const std::uint64_t requests = argument(argc, argv, 3, 40), seed = argument(argc, argv, 4, 20261125);
  Tally tally;
  for (std::uint64_t i = 0; i < programs; ++i) {
    if (!run(Generator(seed + i).program(requests, requests), seed + i, mutants, tally)) return 1;
    if (!run(FileGenerator(seed + i).program(requests), seed + i, mutants, tally)) return 1;
  }
  fmt::print("seed {}: {} tables proved; of {} changed ones {} are refused by the evaluator and {} decide otherwise, {} of those found; "
             "{} are proved, which decide as before\n",
             seed, tally.programs, tally.mutants, tally.refused, tally.deciding, tally.found, tally.proved);
  std::fflush(stdout);
  if (tally.deciding * 10 < tally.mutants) return 1;   // else the mutants are too weak to say anything
  if (std::string why = kernel_available(); !why.empty()) return fmt::print("SKIP objects: {}\n", why), 0;
  ObjectTally objects;
  Tally manifests;
  for (std::uint64_t i = 0; i < programs; ++i) {
    if (!run_objects(Generator(seed + i).program(requests, 0), seed + i, mutants / 8, objects)) return 1;
    if (!run_objects(FileGenerator(seed + i).program(requests), seed + i, mutants / 8, objects)) return 1;
    const bool files = i % 2 != 0;
    if (!run_manifests(files ? FileGenerator(seed + i).program(requests) : Generator(seed + i).program(requests, 0), seed + i, mutants / 8, manifests)) return 1;
  }
  fmt::print("{} objects proved; of {} changed ones {} decide otherwise, {} of those found; {} are proved, which decide as before; of {} changed instructions "
             "the kernel does not load {}\n",
             objects.objects, objects.mutants, objects.deciding, objects.found, objects.proved, objects.code, objects.not_loaded);
  fmt::print("of {} changed manifests {} are refused by the loader and {} decide otherwise, {} of those found; {} are proved, which decide as before\n",
             manifests.mutants, manifests.refused, manifests.deciding, manifests.found, manifests.proved);
  return objects.deciding * 20 >= objects.mutants ? 0 : 1;
}
