// ELF bytes -> fine, or the first thing that is not. A bundle is hostile input, and libbpf was written for objects
// that their user compiled. The one decision: sections are named one by one; what is not on the list is refused.
#include "runtime/loader/elf.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "runtime/loader/features.h"
#include "runtime/loader/files.h"

namespace kerf::loader {
namespace {

constexpr std::size_t kMaxSections = 128;
constexpr std::string_view kLicense = "license";
constexpr std::size_t kMaxSymbols = 1u << 18;

bool known_section(std::string_view name) {
  static const std::set<std::string_view> names = [] {
    std::set<std::string_view> all = {"", ".text", kLicense, ".maps", ".rodata", ".data", ".bss", ".BTF", ".BTF.ext", ".symtab",
                                      ".strtab", ".shstrtab", ".llvm_addrsig", ".ksyms"};
    for (const KnownProgram& row : known_programs()) all.insert(row.section);
    return all;
  }();
  if (name.starts_with(".rel")) name.remove_prefix(4);
  return names.contains(name) || name.starts_with(".rodata.");
}

bool inside(std::uint64_t offset, std::uint64_t size, std::size_t total) { return offset <= total && size <= total - offset; }

Status check_header(const Elf64_Ehdr& header, std::size_t size) {
  static const unsigned char ident[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
  if (std::memcmp(header.e_ident, ident, sizeof ident) != 0) return Error{"it is no 64-bit little-endian ELF file"};
  if (header.e_type != ET_REL || header.e_machine != EM_BPF) return Error{"it is no relocatable BPF object"};
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0 || header.e_shnum > kMaxSections ||
      header.e_shstrndx >= header.e_shnum || header.e_phnum != 0 || header.e_shoff % 8 != 0 ||
      !inside(header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr), size)) {
    return Error{"its section table is malformed"};
  }
  return Unit{};
}

Status check_tables(const std::vector<Elf64_Shdr>& sections, std::size_t index) {
  const Elf64_Shdr& s = sections[index];
  bool symbols = s.sh_type == SHT_SYMTAB, relocations = s.sh_type == SHT_REL;
  if (!symbols && !relocations) return Unit{};
  std::uint64_t entry = symbols ? sizeof(Elf64_Sym) : sizeof(Elf64_Rel);
  if (s.sh_entsize != entry || s.sh_size % entry != 0 || s.sh_link >= sections.size() ||
      sections[s.sh_link].sh_type != static_cast<Elf64_Word>(symbols ? SHT_STRTAB : SHT_SYMTAB)) {
    return Error{"a symbol or relocation table is malformed"};
  }
  if (symbols && s.sh_size / entry > kMaxSymbols) return Error{"it has too many symbols"};
  if (relocations && (s.sh_info == 0 || s.sh_info >= sections.size())) return Error{"relocations name no section"};
  return Unit{};
}

Status check_bounds(std::string_view bytes, const std::vector<Elf64_Shdr>& sections) {
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const Elf64_Shdr& s = sections[i];
    bool in_file = s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL;
    if (in_file && !inside(s.sh_offset, s.sh_size, bytes.size())) return Error{"a section reaches past the end of the file"};
    if (s.sh_type == SHT_NOBITS && s.sh_size > bytes.size() + (1u << 20)) return Error{"a section is too large"};
    if (s.sh_type == SHT_STRTAB && (s.sh_size == 0 || bytes[s.sh_offset + s.sh_size - 1] != '\0')) return Error{"a string table does not end"};
  }
  return Unit{};
}

// The glue's own, to the byte. The kernel gives the helpers that hooks need to GPL-compatible programs only.
Status check_license(std::string_view text) {
  static constexpr std::string_view ours("Dual BSD/GPL", 13);   // with its final zero
  if (text == ours) return Unit{};
  return Error{fmt::format("its licence \"{}\" is not \"{}\"", escape_bytes(text.substr(0, 64)), ours.substr(0, ours.size() - 1))};
}

}  // namespace

Status check_elf(std::string_view bytes) {
  Elf64_Ehdr header;
  if (bytes.size() < sizeof header) return Error{"it is too short"};
  std::memcpy(&header, bytes.data(), sizeof header);
  if (auto done = check_header(header, bytes.size()); !done) return done;
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), bytes.data() + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  if (auto done = check_bounds(bytes, sections); !done) return done;
  const Elf64_Shdr& names = sections[header.e_shstrndx];
  if (names.sh_type != SHT_STRTAB) return Error{"its section names are no string table"};
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (sections[i].sh_name >= names.sh_size) return Error{"a section has no name"};
    std::string_view name(bytes.data() + names.sh_offset + sections[i].sh_name);
    if (!known_section(name)) return Error{fmt::format("it has the unknown section `{}`", escape_bytes(name.substr(0, 64)))};
    bool constants = name == ".rodata";   // one for each alignment
    if (i != 0 && !seen.insert(name).second && !constants) return Error{fmt::format("it has the section `{}` twice", name)};
    if (auto done = check_tables(sections, i); !done) return done;
    bool in_file = sections[i].sh_type != SHT_NOBITS && sections[i].sh_type != SHT_NULL;
    if (name == kLicense) {
      std::string_view text = in_file ? bytes.substr(sections[i].sh_offset, sections[i].sh_size) : std::string_view();
      if (auto done = check_license(text); !done) return done;
    }
  }
  if (!seen.contains(kLicense)) return Error{"it has no licence"};
  return Unit{};
}

}  // namespace kerf::loader
