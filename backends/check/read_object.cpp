// ELF bytes -> tables. Nothing is trusted: every offset is checked against what it lies in.
#include "backends/check/read_object.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <map>
#include <optional>

namespace kerf::proof {

namespace {

class Elf {
 public:
  explicit Elf(std::string_view bytes) : bytes_(bytes) {}

  // The data symbols of constants, by name.
  Result<std::map<std::string, std::string_view>> constants() {
    Elf64_Ehdr header;
    if (!copy(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_BPF || header.e_shentsize != sizeof(Elf64_Shdr)) {
      return Error{"it is no 64-bit little-endian BPF object"};
    }
    for (std::size_t i = 0; i < header.e_shnum; ++i) {
      Elf64_Shdr section;
      if (!copy(header.e_shoff + i * sizeof section, section)) return Error{"its section table is cut off"};
      sections_.push_back(section);
    }
    std::map<std::string, std::string_view> found;
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_SYMTAB) continue;
      if (auto error = symbols(section, found)) return *error;
    }
    return found;
  }

  // What the functions of .text are, and which calls lead where.
  void code(ObjectTables& to) const {
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      const auto data = content(sections_[i]);
      if (data && name_of(sections_[i]) == ".text" && (sections_[i].sh_flags & SHF_EXECINSTR)) {
        to.text = *data;
        functions(i, to);
        calls(i, to);
      }
    }
  }

 private:
  std::string_view name_of(const Elf64_Shdr& section) const {
    Elf64_Ehdr header;
    if (!copy(0, header) || header.e_shstrndx >= sections_.size()) return {};
    const auto names = content(sections_[header.e_shstrndx]);
    if (!names || section.sh_name >= names->size()) return {};
    return names->substr(section.sh_name, names->find('\0', section.sh_name) - section.sh_name);
  }

  template <class Visit>
  void each_symbol(const Visit& visit) const {
    for (const Elf64_Shdr& table : sections_) {
      const auto names = table.sh_type == SHT_SYMTAB && table.sh_link < sections_.size() ? content(sections_[table.sh_link]) : std::nullopt;
      for (std::uint64_t i = 0; names && i < table.sh_size / sizeof(Elf64_Sym); ++i) {
        Elf64_Sym symbol;
        if (!copy(table.sh_offset + i * sizeof symbol, symbol) || symbol.st_name >= names->size()) return;
        visit(i, symbol, std::string(names->substr(symbol.st_name, names->find('\0', symbol.st_name) - symbol.st_name)));
      }
    }
  }

  void functions(std::size_t text, ObjectTables& to) const {
    each_symbol([&](std::uint64_t, const Elf64_Sym& symbol, const std::string& name) {
      if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx == text) to.functions[name] = symbol.st_value;
    });
  }

  void calls(std::size_t text, ObjectTables& to) const {
    std::map<std::uint64_t, std::uint64_t> function_of;   // symbol -> offset
    each_symbol([&](std::uint64_t number, const Elf64_Sym& symbol, const std::string&) {
      if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx == text) function_of[number] = symbol.st_value;
    });
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_REL || section.sh_info != text) continue;
      for (std::uint64_t i = 0; i < section.sh_size / sizeof(Elf64_Rel); ++i) {
        Elf64_Rel relocation;
        if (!copy(section.sh_offset + i * sizeof relocation, relocation)) return;
        auto found = function_of.find(ELF64_R_SYM(relocation.r_info));
        if (found != function_of.end()) to.calls[relocation.r_offset] = found->second;
      }
    }
  }

  template <class T>
  bool copy(std::uint64_t offset, T& to) const {
    if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset) return false;
    std::memcpy(&to, bytes_.data() + offset, sizeof(T));
    return true;
  }

  std::optional<std::string_view> content(const Elf64_Shdr& section) const {
    if (section.sh_type == SHT_NOBITS || section.sh_offset > bytes_.size() || section.sh_size > bytes_.size() - section.sh_offset) return std::nullopt;
    return bytes_.substr(section.sh_offset, section.sh_size);
  }

  std::optional<Error> symbols(const Elf64_Shdr& table, std::map<std::string, std::string_view>& found) const {
    const auto names = table.sh_link < sections_.size() ? content(sections_[table.sh_link]) : std::nullopt;
    if (!names || !content(table)) return Error{"its symbol table is malformed"};
    for (std::uint64_t i = 0; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
      Elf64_Sym symbol;
      if (!copy(table.sh_offset + i * sizeof symbol, symbol)) return Error{"its symbol table is cut off"};
      if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT || symbol.st_shndx >= sections_.size()) continue;
      const Elf64_Shdr& section = sections_[symbol.st_shndx];
      if ((section.sh_flags & SHF_WRITE) || section.sh_type != SHT_PROGBITS) continue;   // maps
      const auto data = content(section);
      const std::size_t end = symbol.st_name < names->size() ? names->find('\0', symbol.st_name) : std::string_view::npos;
      if (!data || end == std::string_view::npos || symbol.st_value > data->size() || symbol.st_size > data->size() - symbol.st_value) {
        return Error{"a symbol lies outside of its section"};
      }
      const std::string name(names->substr(symbol.st_name, end - symbol.st_name));
      if (!found.emplace(name, data->substr(symbol.st_value, symbol.st_size)).second) return Error{fmt::format("`{}` is there twice", name)};
    }
    return std::nullopt;
  }

  std::string_view bytes_;
  std::vector<Elf64_Shdr> sections_;
};

template <class T>
bool take(const std::map<std::string, std::string_view>& found, const char* name, std::vector<T>& to) {
  auto table = found.find(name);
  if (table == found.end()) return true;
  to.resize(table->second.size() / sizeof(T));
  std::memcpy(to.data(), table->second.data(), to.size() * sizeof(T));   // little-endian, as this machine is
  return to.size() * sizeof(T) == table->second.size();
}

}  // namespace

Result<ObjectTables> read_object(std::string_view bytes) {
  Elf elf(bytes);
  auto found = elf.constants();
  if (!found) return found.error();
  ObjectTables t;
  elf.code(t);
  const bool whole = take(*found, "kerf_envs", t.envs) && take(*found, "kerf_rows", t.rows) && take(*found, "kerf_keys32", t.keys32) &&
                     take(*found, "kerf_keys64", t.keys64) && take(*found, "kerf_trees", t.trees) && take(*found, "kerf_ranks", t.ranks) &&
                     take(*found, "kerf_class_blocks", t.class_blocks) && take(*found, "kerf_blocks", t.blocks) &&
                     take(*found, "kerf_words", t.words) && take(*found, "kerf_peer_factors", t.peer_factors) &&
                     take(*found, "kerf_peer_slots", t.peer_slots) && take(*found, "kerf_path_cells", t.path_cells) &&
                     take(*found, "kerf_path_edges", t.path_edges) && take(*found, "kerf_path_starts", t.path_starts) &&
                     take(*found, "kerf_path_bytes", t.path_bytes);
  if (!whole) return Error{"a table has a length that its elements do not fill"};
  if (auto digest = found->find("kerf_bundle_digest"); digest != found->end()) t.bundle_digest = digest->second;
  for (const char* name : {"kerf_governed", "kerf_exe_events", "kerf_reads_clock", "kerf_reads_command", "kerf_reads_task", "kerf_reads_user",
                           "kerf_reads_fs_type"}) {
    auto number = found->find(name);
    if (number == found->end()) continue;
    std::uint64_t value = 0;
    if (number->second.size() > sizeof value) return Error{fmt::format("`{}` is no number", name)};
    std::memcpy(&value, number->second.data(), number->second.size());
    t.told.emplace(name, value);
  }
  return t;
}

}  // namespace kerf::proof
