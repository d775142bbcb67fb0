// Reads an object without a library: all that is needed are places, and each is checked against what it lies in.
#include "backends/bpf/object.h"

#include <elf.h>

#include <cstring>
#include <vector>

namespace kerf::bpf {
namespace {

bool within(std::uint64_t offset, std::uint64_t size, std::uint64_t whole) {
  std::uint64_t end;
  return !__builtin_add_overflow(offset, size, &end) && end <= whole;
}

class ElfReader {
 public:
  explicit ElfReader(std::string_view elf) : elf_(elf) {}

  std::optional<ObjectContents> read() {
    std::optional<Elf64_Ehdr> header = at<Elf64_Ehdr>(0);
    if (!header) return std::nullopt;
    bool bpf = std::memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
               header->e_ident[EI_DATA] == ELFDATA2LSB && header->e_type == ET_REL && header->e_machine == EM_BPF &&
               header->e_shentsize == sizeof(Elf64_Shdr);
    if (!bpf || header->e_shstrndx >= header->e_shnum) return std::nullopt;
    for (std::size_t i = 0; i < header->e_shnum; ++i) {
      std::optional<Elf64_Shdr> section = at<Elf64_Shdr>(header->e_shoff + i * sizeof(Elf64_Shdr));
      if (!section) return std::nullopt;
      sections_.push_back(*section);
    }
    for (const Elf64_Shdr& section : sections_) {
      std::optional<std::string> name = text(sections_[header->e_shstrndx], section.sh_name);
      if (!name) return std::nullopt;
      names_.push_back(*name);
      const Place place{section.sh_offset, section.sh_size};
      if (!contents_.sections.emplace(*name, place).second) return std::nullopt;   // loaders take one of each
    }
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type == SHT_SYMTAB && !read_symbols(section)) return std::nullopt;
    }
    return std::move(contents_);
  }

 private:
  template <class T>
  std::optional<T> at(std::size_t offset) const {
    T value;
    if (!within(offset, sizeof value, elf_.size())) return std::nullopt;
    std::memcpy(&value, elf_.data() + offset, sizeof value);
    return value;
  }
  std::optional<std::string> text(const Elf64_Shdr& strings, std::size_t offset) const {
    if (!within(strings.sh_offset, strings.sh_size, elf_.size()) || offset >= strings.sh_size) return std::nullopt;
    std::string_view rest = elf_.substr(strings.sh_offset + offset, strings.sh_size - offset);
    return std::string(rest.substr(0, rest.find('\0')));
  }
  bool read_symbols(const Elf64_Shdr& table) {
    if (table.sh_link >= sections_.size()) return false;
    for (std::size_t i = 0; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
      std::optional<Elf64_Sym> symbol = at<Elf64_Sym>(table.sh_offset + i * sizeof(Elf64_Sym));
      if (!symbol) return false;
      if (symbol->st_shndx >= sections_.size()) continue;
      const std::string& section = names_[symbol->st_shndx];
      const bool constant = section == ".rodata" && ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT;
      if (ELF64_ST_BIND(symbol->st_info) != STB_GLOBAL && !constant) continue;
      std::optional<std::string> name = text(sections_[table.sh_link], symbol->st_name);
      if (!name) return false;
      if (constant && !add_constant(sections_[symbol->st_shndx], *symbol, *name)) return false;
      if (section == ".maps") contents_.maps.insert(*name);
      else if (ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && section != ".text") contents_.programs.insert(*name);
    }
    return true;
  }

  bool add_constant(const Elf64_Shdr& section, const Elf64_Sym& symbol, const std::string& name) {
    return section.sh_type == SHT_PROGBITS && within(section.sh_offset, section.sh_size, elf_.size()) &&
           within(symbol.st_value, symbol.st_size, section.sh_size) &&
           contents_.constants.emplace(name, Place{section.sh_offset + symbol.st_value, symbol.st_size}).second;
  }

  std::string_view elf_;
  std::vector<Elf64_Shdr> sections_;
  std::vector<std::string> names_;
  ObjectContents contents_;
};

}  // namespace

std::optional<ObjectContents> read_contents(std::string_view elf) { return ElfReader(elf).read(); }

}  // namespace kerf::bpf
