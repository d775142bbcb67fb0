# Writes frontend/ast/unicode.cpp from Python's copy of the Unicode Character Database: python3 scripts/unicode_tables.py > frontend/ast/unicode.cpp
import unicodedata,sys
def ranges(pred):
    out=[];start=None
    for c in range(0x110000):
        if pred(c):
            if start is None: start=c
        elif start is not None: out.append((start,c-1)); start=None
    if start is not None: out.append((start,0x10ffff))
    return out
cat=[unicodedata.category(chr(c)) for c in range(0x110000)]
np=ranges(lambda c: c!=0x20 and cat[c] in('Cc','Cf','Cs','Co','Cn','Zl','Zp','Zs'))
extra={0x09be,0x09d7,0x0b3e,0x0b57,0x0bbe,0x0bd7,0x0cc2,0x0cd5,0x0cd6,0x0d3e,0x0d57,0x0dcf,0x0ddf,0x1b35,0x200c,0x302e,0x302f,0xff9e,0xff9f,0x1133e,0x11357,0x114b0,0x114bd,0x115af,0x11930,0x1d165}|set(range(0x1d16e,0x1d173))|set(range(0xe0020,0xe0080))
ge=ranges(lambda c: cat[c] in('Mn','Me') or c in extra)
wide=ranges(lambda c: unicodedata.east_asian_width(chr(c)) in('W','F'))
def emit(name,rs):
    s=f"constexpr Range {name}[] = {{\n"
    line="   "
    for a,b in rs:
        item=f" {{0x{a:x}, 0x{b:x}}},"
        if len(line)+len(item)>118: s+=line+"\n"; line="   "
        line+=item
    return s+line+"\n};\n"
print(f'''// Which characters a printed string spells out. Ranges of the Unicode Character Database {unicodedata.unidata_version}, made by
// scripts/unicode_tables.py: characters without a glyph (categories C and Z but the space), those that attach to the
// one before (Grapheme_Extend), and wide ones.
#include "frontend/ast/unicode.h"

#include <algorithm>
#include <iterator>

namespace kerf::ast {{
namespace {{

struct Range {{
  char32_t first, last;
}};

{emit("kUnprintable",np)}
{emit("kExtending",ge)}
{emit("kWide",wide)}
template <class Ranges>
bool within(const Ranges& ranges, char32_t c) {{
  auto at = std::upper_bound(std::begin(ranges), std::end(ranges), c, [](char32_t x, const Range& r) {{ return x < r.first; }});
  return at != std::begin(ranges) && c <= std::prev(at)->last;
}}

}}  // namespace

bool is_printable(char32_t c) {{ return !within(kUnprintable, c); }}
bool extends_grapheme(char32_t c) {{ return within(kExtending, c); }}
bool is_wide(char32_t c) {{ return within(kWide, c); }}

}}  // namespace kerf::ast''')
