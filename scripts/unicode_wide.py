# Writes frontend/ast/wide.cpp from Python's copy of the Unicode Character Database: python3 scripts/unicode_wide.py > frontend/ast/wide.cpp
import unicodedata
def ranges(pred):
    out=[];start=None
    for c in range(0x110000):
        if pred(c):
            if start is None: start=c
        elif start is not None: out.append((start,c-1)); start=None
    if start is not None: out.append((start,0x10ffff))
    return out
wide=ranges(lambda c: unicodedata.east_asian_width(chr(c)) in('W','F'))
def emit(name,rs):
    s=f"constexpr Range {name}[] = {{\n"
    line="   "
    for a,b in rs:
        item=f" {{0x{a:x}, 0x{b:x}}},"
        if len(line)+len(item)>118: s+=line+"\n"; line="   "
        line+=item
    return s+line+"\n};\n"
print(f'''// Characters that take two columns of a terminal. Ranges of the Unicode Character Database {unicodedata.unidata_version}, made by
// scripts/unicode_wide.py.
#include <iterator>

#include "frontend/ast/ranges.h"
#include "frontend/ast/unicode.h"

namespace kerf::ast {{
namespace {{

{emit("kWide",wide)}
}}  // namespace

bool is_wide(char32_t c) {{ return find_range(kWide, c) != std::end(kWide); }}

}}  // namespace kerf::ast''')
