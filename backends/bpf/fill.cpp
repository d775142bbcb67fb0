// A blank object -> the object of a policy set. Numbers replace their marks, tables become as long as they are and lie behind
// the other constants. The blank's tables are short; instructions find them by relocation, and only at their beginnings.
#include <elf.h>
#include <fmt/format.h>
#include <linux/btf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "backends/bpf/layout.h"
#include "backends/bpf/marks.h"
#include "backends/bpf/object.h"

namespace kerf::bpf {
namespace {

constexpr std::string_view kConstants = ".rodata", kFunctions = ".text", kTypes = ".BTF";
constexpr std::string_view kGenerated = "kerf_code";   // conditions, whose numbers are the policies' own
constexpr std::uint64_t kTableAlignment = 8, kSectionAlignment = 16;
constexpr std::uint32_t kRelocationOfConstant = 1;     // R_BPF_64_64

struct Instruction {
  std::uint8_t opcode, registers;
  std::int16_t offset;
  std::uint32_t constant;
};
static_assert(sizeof(Instruction) == 8);

struct Section {
  std::string name;
  Elf64_Shdr header;
};

std::uint64_t aligned(std::uint64_t offset, std::uint64_t to) { return (offset + to - 1) / to * to; }

class ObjectFiller {
 public:
  ObjectFiller(std::string_view blank, const ObjectContents& contents, const Layout& layout) : elf_(blank), contents_(contents), layout_(layout) {}

  Result<std::string> fill() {
    if (!read_sections()) return malformed();
    if (auto error = place_tables()) return *error;
    if (auto error = move_symbols()) return *error;
    if (auto error = move_relocations()) return *error;
    if (auto error = put_numbers()) return *error;
    if (auto error = put_sizes_of_maps()) return *error;
    if (auto error = put_size_of_constants()) return *error;
    return with_tables();
  }

 private:
  // Where a table is in the blank's constants, and where it will be.
  struct Move {
    std::uint64_t from, to;
    const std::string* bytes;
  };

  static Error malformed() { return {"kerf-codegen made a malformed object"}; }

  template <class T>
  bool get(std::uint64_t offset, T& value) const {
    if (offset > elf_.size() || sizeof value > elf_.size() - offset) return false;
    std::memcpy(&value, elf_.data() + offset, sizeof value);
    return true;
  }
  // Where get() succeeded.
  template <class T>
  void put(std::uint64_t offset, const T& value) { std::memcpy(elf_.data() + offset, &value, sizeof value); }

  std::string text(const Section& strings, std::uint64_t offset) const {
    if (offset >= strings.header.sh_size || strings.header.sh_offset > elf_.size()) return {};
    const std::string_view all = std::string_view(elf_).substr(strings.header.sh_offset, strings.header.sh_size);
    return offset < all.size() ? std::string(all.substr(offset, all.find('\0', offset) - offset)) : "";
  }

  bool read_sections() {
    Elf64_Ehdr header;
    if (!get(0, header)) return false;
    sections_.resize(header.e_shnum);
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      if (!get(header.e_shoff + i * sizeof(Elf64_Shdr), sections_[i].header)) return false;
    }
    for (Section& section : sections_) section.name = text(sections_[header.e_shstrndx], section.header.sh_name);
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      const Section& section = sections_[i];
      if (section.name == kConstants) constants_ = i;
      if (section.name == kFunctions) functions_ = i;
      if (section.header.sh_type == SHT_SYMTAB) symbols_ = i;
      // Everything lies in front of the constants or behind them, so that these can become longer.
      if (section.header.sh_type != SHT_NOBITS && section.header.sh_offset + section.header.sh_size > elf_.size()) return false;
    }
    if (!constants_ || !functions_ || !symbols_ || sections_[symbols_].header.sh_link >= sections_.size()) return false;
    const Elf64_Shdr& constants = sections_[constants_].header;
    constants_end_ = constants.sh_offset + constants.sh_size;
    return constants.sh_type == SHT_PROGBITS && header.e_shoff >= constants_end_ &&
           std::all_of(sections_.begin(), sections_.end(), [&](const Section& section) {
             const Elf64_Shdr& own = section.header;
             return &own == &constants || own.sh_offset >= constants_end_ || own.sh_offset + own.sh_size <= constants.sh_offset;
           });
  }

  std::optional<Error> place_tables() {
    const Elf64_Shdr& constants = sections_[constants_].header;
    new_size_ = constants.sh_size;
    for (const auto& [name, bytes] : layout_.contents) {
      auto constant = contents_.constants.find(name);
      if (constant == contents_.constants.end()) continue;   // no instruction asks for it
      const Place& place = constant->second;
      if (place.size == bytes.size()) {
        std::memcpy(elf_.data() + place.offset, bytes.data(), bytes.size());
        continue;
      }
      if (place.size > bytes.size()) return Error{fmt::format("kerf-codegen gave the table {} another length", name)};
      new_size_ = aligned(new_size_, kTableAlignment);
      moves_[name] = {place.offset - constants.sh_offset, new_size_, &bytes};
      new_size_ += bytes.size();
    }
    return std::nullopt;
  }

  template <class Visit>   // visit(where, symbol, name)
  void each_symbol(const Visit& visit) const {
    const Elf64_Shdr& table = sections_[symbols_].header;
    Elf64_Sym symbol;
    for (std::uint64_t i = 0; i < table.sh_size / sizeof symbol && get(table.sh_offset + i * sizeof symbol, symbol); ++i) {
      visit(table.sh_offset + i * sizeof symbol, symbol, text(sections_[table.sh_link], symbol.st_name));
    }
  }

  std::optional<Error> move_symbols() {
    std::size_t moved = 0;
    each_symbol([&](std::uint64_t at, Elf64_Sym symbol, const std::string& name) {
      auto move = moves_.find(name);
      if (move == moves_.end() || symbol.st_shndx != constants_ || ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT) return;
      symbol.st_value = move->second.to;
      symbol.st_size = move->second.bytes->size();
      put(at, symbol);
      ++moved;
    });
    return moved == moves_.size() ? std::nullopt : std::optional(malformed());
  }

  // Instructions name a constant by its place behind the section's beginning.
  std::optional<Error> move_relocations() {
    std::map<std::uint64_t, const Move*> by_place;
    for (const auto& [name, move] : moves_) by_place[move.from] = &move;
    for (const Section& section : sections_) {
      if (section.header.sh_type != SHT_REL || section.header.sh_info >= sections_.size()) continue;
      const Elf64_Shdr& target = sections_[section.header.sh_info].header;
      Elf64_Rel relocation;
      for (std::uint64_t i = 0; i < section.header.sh_size / sizeof relocation; ++i) {
        if (!get(section.header.sh_offset + i * sizeof relocation, relocation)) return malformed();
        Elf64_Sym symbol;
        if (!get(sections_[symbols_].header.sh_offset + ELF64_R_SYM(relocation.r_info) * sizeof symbol, symbol)) return malformed();
        if (symbol.st_shndx != constants_ || ELF64_ST_TYPE(symbol.st_info) != STT_SECTION) continue;
        const std::uint64_t at = target.sh_offset + relocation.r_offset;
        Instruction instruction;
        if (ELF64_R_TYPE(relocation.r_info) != kRelocationOfConstant || !get(at, instruction)) return malformed();
        auto move = by_place.upper_bound(instruction.constant);
        if (move == by_place.begin()) continue;
        --move;
        const std::uint64_t behind = instruction.constant - move->first;
        if (behind == 0) {
          instruction.constant = static_cast<std::uint32_t>(move->second->to);
          put(at, instruction);
        } else if (behind < blank_size(*move->second)) {
          return Error{"kerf-codegen made an object that points into a table"};
        }
      }
    }
    return std::nullopt;
  }
  std::uint64_t blank_size(const Move& of) const {
    for (const auto& [name, place] : contents_.constants) {
      if (place.offset == sections_[constants_].header.sh_offset + of.from) return place.size;
    }
    return 0;
  }

  std::optional<Error> put_numbers() {
    std::optional<Error> error;
    const Elf64_Shdr& section = sections_[functions_].header;
    each_symbol([&](std::uint64_t, const Elf64_Sym& symbol, const std::string& name) {
      if (symbol.st_shndx != functions_ || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || name.starts_with(kGenerated)) return;
      Instruction instruction;
      for (std::uint64_t at = 0; at < symbol.st_size; at += sizeof instruction) {
        if (!get(section.sh_offset + symbol.st_value + at, instruction)) return void(error = malformed());
        if (!is_mark(instruction.constant)) continue;
        if (!put_number(instruction)) return void(error = Error{fmt::format("kerf-codegen made an object with a mark at a wrong place in {}", name)});
        put(section.sh_offset + symbol.st_value + at, instruction);
      }
    });
    return error;
  }
  bool put_number(Instruction& instruction) const {
    const std::int64_t difference = difference_to_mark(instruction.constant), value = layout_.numbers.at(number_of_mark(instruction.constant));
    if (value + difference < 0) return false;
    instruction.constant = static_cast<std::uint32_t>(value + difference);
    return true;
  }

  // The types' part of .BTF, in the file.
  std::optional<Place> types() const {
    const Place& btf = contents_.sections.at(std::string(kTypes));
    btf_header header;
    if (btf.size < sizeof header || !get(btf.offset, header) || header.magic != BTF_MAGIC) return std::nullopt;
    const std::uint64_t begin = std::uint64_t{header.hdr_len} + header.type_off;
    if (begin + header.type_len > btf.size || btf.offset + btf.size > elf_.size()) return std::nullopt;
    return Place{btf.offset + begin, header.type_len};
  }

  // Lengths of maps are types of BTF, arrays with a mark for a length. Every number of BTF is four bytes, and none of the others
  // is that large.
  std::optional<Error> put_sizes_of_maps() {
    const std::optional<Place> place = types();
    if (!place) return Error{"kerf-codegen made an object with malformed types"};
    for (auto [mark, length] : {std::pair<std::uint32_t, std::uint32_t>{KERF_BINDING_BYTES_MARK, layout_.object.binding_bytes}, {KERF_POLICY_COUNT_MARK, layout_.policy_count}}) {
      std::size_t found = 0;
      std::uint32_t word;
      for (std::uint64_t at = 0; at + sizeof word <= place->size && get(place->offset + at, word); at += sizeof word) {
        if (word != mark) continue;
        put(place->offset + at, length);
        ++found;
      }
      if (found != 1) return Error{"the glue's maps have no lengths to replace"};
    }
    return std::nullopt;
  }

  // How many bytes of members follow a type's header.
  static std::uint64_t bytes_of_members(std::uint32_t info) {
    const std::uint64_t count = BTF_INFO_VLEN(info);
    switch (BTF_INFO_KIND(info)) {
      case BTF_KIND_INT: return sizeof(std::uint32_t);
      case BTF_KIND_ARRAY: return sizeof(btf_array);
      case BTF_KIND_STRUCT: case BTF_KIND_UNION: return count * sizeof(btf_member);
      case BTF_KIND_ENUM: return count * sizeof(btf_enum);
      case BTF_KIND_ENUM64: return count * sizeof(btf_enum64);
      case BTF_KIND_FUNC_PROTO: return count * sizeof(btf_param);
      case BTF_KIND_VAR: return sizeof(btf_var);
      case BTF_KIND_DATASEC: return count * sizeof(btf_var_secinfo);
      case BTF_KIND_DECL_TAG: return sizeof(btf_decl_tag);
      default: return 0;
    }
  }
  // The kernel compares it with the map that the constants become.
  std::optional<Error> put_size_of_constants() {
    const std::optional<Place> place = types();
    const Place& btf = contents_.sections.at(std::string(kTypes));
    btf_header header;
    if (!place || !get(btf.offset, header)) return Error{"kerf-codegen made an object with malformed types"};
    const std::uint64_t names = btf.offset + header.hdr_len + header.str_off;
    btf_type type;
    for (std::uint64_t at = 0; at < place->size && get(place->offset + at, type); at += sizeof type + bytes_of_members(type.info)) {
      if (BTF_INFO_KIND(type.info) != BTF_KIND_DATASEC) continue;
      const std::uint64_t name = names + type.name_off;
      if (name > elf_.size() || !std::string_view(elf_).substr(name).starts_with(std::string(kConstants) + '\0')) continue;
      type.size = static_cast<std::uint32_t>(new_size_);
      put(place->offset + at, type);
      return std::nullopt;
    }
    return Error{"kerf-codegen made an object without the type of its constants"};
  }

  // All that lies behind the constants moves on, as far as they become longer.
  std::string with_tables() {
    const Elf64_Shdr constants = sections_[constants_].header;
    const std::uint64_t more = aligned(new_size_ - constants.sh_size, kSectionAlignment);
    Elf64_Ehdr header;
    check(get(0, header), "its header was read before");
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      Elf64_Shdr& section = sections_[i].header;
      if (i == constants_) section.sh_size = new_size_;
      else if (section.sh_offset >= constants_end_) section.sh_offset += more;
      put(header.e_shoff + i * sizeof section, section);
    }
    header.e_shoff += more;
    put(0, header);
    std::string filled;
    filled.reserve(elf_.size() + more);
    filled.append(elf_, 0, constants_end_);
    filled.append(more, '\0');
    for (const auto& [name, move] : moves_) std::memcpy(filled.data() + constants.sh_offset + move.to, move.bytes->data(), move.bytes->size());
    filled.append(elf_, constants_end_);
    return filled;
  }

  std::string elf_;
  const ObjectContents& contents_;
  const Layout& layout_;
  std::vector<Section> sections_;
  std::size_t constants_ = 0, functions_ = 0, symbols_ = 0;   // which sections these are
  std::uint64_t constants_end_ = 0, new_size_ = 0;            // in the blank; of the constants
  std::map<std::string, Move> moves_;                         // of tables that become longer
};

}  // namespace

Result<std::string> fill_object(std::string_view blank, const ObjectContents& contents, const Layout& layout) {
  return ObjectFiller(blank, contents, layout).fill();
}

}  // namespace kerf::bpf
