#!/usr/bin/python3
"""Writes a copy of the project in which every place of lowering, staging and table emission that an operator fits can go wrong
by number (mutants.h). The operators are the methods of Instrument. Lines stay where they are. A file whose bytes are the same
as the last time is not looked at again (COPY/../instrumented).
    instrument.py SOURCE COMPILE_COMMANDS COPY [FILES]    writes COPY and COPY/mutants.json; FILES: a regular expression"""
import hashlib, json, os, re, shlex, subprocess, sys
from clang.cindex import Config, CursorKind as K, Index, TranslationUnit, TypeKind

FOLDERS = ["ir/passes", "backends/table", "backends/bpf", "backends/bpf/codegen"]
FUNCTIONS = {K.FUNCTION_DECL, K.CXX_METHOD, K.CONSTRUCTOR, K.FUNCTION_TEMPLATE, K.DESTRUCTOR, K.CONVERSION_FUNCTION}
OTHER = {"Outcome::error": "Outcome::false_", "Outcome::true_": "Outcome::false_", "Outcome::false_": "Outcome::true_",
         "Effect::permit": "Effect::forbid", "Effect::forbid": "Effect::permit", "Stage::compile": "Stage::bind",
         "Stage::bind": "Stage::hook", "Stage::learn": "Stage::hook", "Stage::publish": "Stage::hook", "Stage::hook": "Stage::bind",
         "Stage::gateway": "Stage::hook", "Op::and_": "Op::or_", "Op::or_": "Op::and_", "Op::eq": "Op::in", "Op::in": "Op::eq",
         "Op::less": "Op::less_eq", "Op::less_eq": "Op::less"}
COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
SLOT = 64        # numbers of a file begin at a multiple: a place more or less seldom moves them
MOST = 1 << 14   # numbers, as kCount of mutants.h
INTEGERS = {TypeKind.INT, TypeKind.UINT, TypeKind.LONG, TypeKind.ULONG, TypeKind.LONGLONG, TypeKind.ULONGLONG}


class Instrument:
    def __init__(self, path, text, skip):
        self.path, self.text, self.skip = path, text, skip
        self.mutants, self.opens, self.closes, self.replaced = [], [], [], []
        self.function = self.function_hash = ""
        self.last = set()   # where a case begins whose `break` would run out of its function, or to the same result
        self.idle = set()   # where a `break` begins after which the switch would end anyway

    # ---- edits ----
    def place(self, cursor, operator):
        """The number of a new mutant at the cursor, or None where the compiler did not want one."""
        start, end = cursor.extent.start, cursor.extent.end
        key = [operator, start.offset]
        if key in self.skip:
            return None
        text = re.sub(rb"\s+", b" ", self.text[start.offset:end.offset]).decode()
        self.mutants.append({"file": self.path, "line": start.line, "function": self.function, "operator": operator,
                             "text": text if len(text) <= 120 else text[:117] + "...", "of": self.function_hash, "key": key})
        return f"{first_name(self.path)}+{len(self.mutants) - 1}"

    def wrap(self, begin, end, before, after):
        order = len(self.opens)
        self.opens.append((begin, order, before))
        self.closes.append((end, -order, after))

    def around(self, cursor, operator, before, after=")"):
        n = self.place(cursor, operator)
        if n is not None:
            self.wrap(cursor.extent.start.offset, cursor.extent.end.offset, before.format(n), after)

    def body(self):
        edits = [(at, 0, order, 0, text) for at, order, text in self.closes]
        edits += [(at, 1, order, 0, text) for at, order, text in self.opens]
        edits += [(begin, 2, 0, end - begin, text) for begin, end, text in self.replaced]
        out, at = [], 0
        for begin, _, _, length, text in sorted(edits):
            out += [self.text[at:begin], text.encode()]
            at = begin + length
        return b"".join(out) + self.text[at:]

    # ---- operators ----
    def negate(self, condition, operator):
        self.around(condition, operator, "(kerf_mutants::on({}) != static_cast<bool>(", "))")

    def lost_operand(self, whole, part, symbol):
        n = self.place(part, "lost operand of " + symbol)
        if n is None:
            return
        before = f"(kerf_mutants::on({n}) || (" if symbol == "&&" else f"(!kerf_mutants::on({n}) && ("
        self.wrap(part.extent.start.offset, part.extent.end.offset, before, "))")

    def binary(self, cursor, left, right):
        between = self.text[left.extent.end.offset:right.extent.start.offset]
        symbol = between.strip().decode(errors="replace")
        if symbol in ("&&", "||"):
            self.lost_operand(cursor, left, symbol)
            self.lost_operand(cursor, right, symbol)
            return
        name = COMPARISONS.get(symbol)
        operator = "comparison" if symbol in ("==", "!=") else "boundary"
        if name is None and symbol in ("+", "-", "*") and cursor.type.get_canonical().kind in INTEGERS:
            one = self.text[right.extent.start.offset:right.extent.end.offset] == b"1"
            name = {"+": "step" if one else "add", "-": "back" if one else "sub", "*": "times"}[symbol]
            operator = "lost step" if one else "arithmetic"
        if name is None:
            return
        n = self.place(cursor, operator)
        if n is None:
            return
        self.wrap(cursor.extent.start.offset, cursor.extent.end.offset, f"kerf_mutants::{name}({n}, ", ")")
        at = left.extent.end.offset + between.index(symbol.encode())
        self.replaced.append((at, at + len(symbol), ","))

    def enumerator(self, cursor):
        text = self.text[cursor.extent.start.offset:cursor.extent.end.offset].decode()
        wrong = OTHER.get(text)
        if wrong:
            operator = "lost error edge" if text == "Outcome::error" else "other constant"
            self.around(cursor, operator, "kerf_mutants::pick({}, ", f", {wrong})")

    def statement(self, cursor):
        """An expression, `continue` or `break` that is a statement of a block, or the only one of a branch."""
        text = self.text[cursor.extent.start.offset:cursor.extent.end.offset]
        if cursor.extent.start.offset in self.idle:
            return
        if cursor.kind in (K.CONTINUE_STMT, K.BREAK_STMT):
            operator = "lost jump"
        elif cursor.kind.is_expression() and not text.startswith((b"check(", b"internal_error(")):
            operator = "lost statement"
        else:
            return
        end = self.text.index(b";", cursor.extent.end.offset) + 1
        if self.text[cursor.extent.end.offset:end].strip() != b";":
            return
        n = self.place(cursor, operator)
        if n is not None:   # in braces, or an `else` that follows would be of this `if`
            self.wrap(cursor.extent.start.offset, end, f"{{ if (!kerf_mutants::on({n})) ", " }")

    def switch(self, statements):
        for statement in reversed(statements):
            while statement.kind in (K.CASE_STMT, K.DEFAULT_STMT):
                statement = list(statement.get_children())[-1]
            if statement.kind != K.BREAK_STMT:
                return
            self.idle.add(statement.extent.start.offset)

    def case(self, cursor, body):
        if body.kind == K.BREAK_STMT or cursor.extent.start.offset in self.last:
            return
        n = self.place(cursor, "dropped case")
        if n is not None:
            self.wrap(body.extent.start.offset, body.extent.start.offset, f"if (kerf_mutants::on({n})) break; else ", "")

    # ---- the walk ----
    def inside(self, cursor):
        extent = cursor.extent
        return extent.start.file is not None and extent.start.file.name.endswith(self.path) and extent.end.offset <= len(self.text)

    def walk(self, cursor, in_function=False):
        for child in cursor.get_children():
            if not self.inside(child) and child.kind not in (K.NAMESPACE, K.UNEXPOSED_DECL):
                continue
            if child.kind in FUNCTIONS and not in_function:
                self.enter(child)
            elif in_function:
                self.visit(child)
            elif child.kind in (K.NAMESPACE, K.CLASS_DECL, K.STRUCT_DECL, K.CLASS_TEMPLATE, K.UNEXPOSED_DECL, K.LINKAGE_SPEC):
                self.walk(child)

    def enter(self, function):
        head = self.text[function.extent.start.offset:].split(b"{", 1)[0]
        if b"constexpr" in head or b"= default" in head:
            return
        outer = self.function, self.function_hash
        text = self.text[function.extent.start.offset:function.extent.end.offset]
        self.function_hash = hashlib.sha256(b" ".join(text.split())).hexdigest()[:16]
        parent = function.semantic_parent
        of_class = parent.spelling + "::" if parent is not None and parent.kind in (K.CLASS_DECL, K.STRUCT_DECL, K.CLASS_TEMPLATE) else ""
        self.function = of_class + function.spelling
        for child in function.get_children():
            if child.kind == K.COMPOUND_STMT:
                self.find_last(function, list(child.get_children()))
                self.visit(child)
        self.function, self.function_hash = outer

    def find_last(self, function, statements):
        """The cases of a switch that ends a function with a result: without the case nothing is returned, which is no fault but
        undefined, and the compiler leaves it out."""
        if not statements or statements[-1].kind != K.SWITCH_STMT or function.result_type.kind == TypeKind.VOID:
            return
        self.last |= {case.extent.start.offset for case in cases(statements[-1])}

    def find_same(self, statements):
        """The cases that return what is returned behind their switch."""
        for switch, behind in zip(statements, statements[1:]):
            if switch.kind == K.SWITCH_STMT and behind.kind == K.RETURN_STMT:
                text = self.text[behind.extent.start.offset:behind.extent.end.offset]
                bodies = ((case, list(case.get_children())[-1].extent) for case in cases(switch))
                self.last |= {case.extent.start.offset for case, at in bodies if self.text[at.start.offset:at.end.offset] == text}

    def visit(self, cursor):
        if not self.inside(cursor):
            return
        children = list(cursor.get_children())
        kind = cursor.kind
        if kind == K.VAR_DECL and b"constexpr" in self.text[cursor.extent.start.offset:cursor.extent.end.offset].split(b"=")[0]:
            return
        if kind == K.CALL_EXPR and cursor.spelling in ("check", "internal_error"):   # they only find faults
            return
        if kind in (K.STATIC_ASSERT, K.TYPE_REF, K.TEMPLATE_REF, K.NAMESPACE_REF, K.PARM_DECL, K.TYPE_ALIAS_DECL, K.ENUM_DECL):
            return
        if kind in (K.STRUCT_DECL, K.CLASS_DECL):
            return self.walk(cursor)
        if kind == K.CASE_STMT:
            if children[-1].kind != K.CASE_STMT:
                self.case(cursor, children[-1])
            self.block([children[-1]])
            return self.visit(children[-1])
        if kind == K.SWITCH_STMT and children[-1].kind == K.COMPOUND_STMT:
            self.switch(list(children[-1].get_children()))
        if kind == K.COMPOUND_STMT:
            self.find_same(children)
            self.block(children)
        elif kind == K.IF_STMT:
            self.condition(children, "swapped branch" if len(children) > 2 else "flipped condition")
        elif kind == K.CONDITIONAL_OPERATOR and children:
            self.negate(children[0], "swapped branch")
        elif kind in (K.FOR_STMT, K.WHILE_STMT, K.CXX_FOR_RANGE_STMT) and children:
            self.block(children[-1:])
        elif kind == K.UNARY_OPERATOR and self.text[cursor.extent.start.offset:cursor.extent.start.offset + 1] == b"!":
            self.around(cursor, "lost negation", "(kerf_mutants::on({}) != ")
        elif kind == K.RETURN_STMT and children and children[0].type.get_canonical().kind == TypeKind.BOOL:
            self.negate(children[0], "other answer")
        elif kind == K.BINARY_OPERATOR and len(children) == 2:
            self.binary(cursor, *children)
        elif kind == K.CALL_EXPR and cursor.spelling.startswith("operator") and len(children) == 3:
            if cursor.spelling[8:] in COMPARISONS:
                self.binary(cursor, children[0], children[2])
        elif kind == K.DECL_REF_EXPR:
            return self.enumerator(cursor)
        for child in children:
            self.visit(child)

    def block(self, statements):
        for statement in statements:
            self.statement(statement)

    def condition(self, children, operator):
        test = next((c for c in children if c.kind.is_expression()), None)
        first = children[0]
        if test is not None and test == first:
            self.negate(test, operator)
        branches = [c for c in children if c != test and c.kind not in (K.DECL_STMT, K.VAR_DECL)]
        self.block(branches)


def cases(switch):
    open_ = list(list(switch.get_children())[-1].get_children())
    while open_:
        at = open_.pop()
        if at.kind in (K.CASE_STMT, K.DEFAULT_STMT):
            yield at
            open_ += list(at.get_children())


def first_name(path):
    return "KERF_FIRST_" + re.sub(r"\W", "_", path)


def commands(path):
    found = {}
    for row in json.load(open(path)):
        name = os.path.realpath(os.path.join(row["directory"], row["file"]))
        words = row.get("arguments") or shlex.split(row["command"])
        while words and not re.search(r"(\+\+|cc|clang)[-0-9.]*$", os.path.basename(words[0])) or os.path.basename(words[0]) == "ccache":
            words = words[1:]
        if "-o" in words:
            at = words.index("-o")
            words = words[:at] + words[at + 2:]
        words = [w for w in words[1:] if w not in ("-c", row["file"])]
        found.setdefault(name, words)
    return found


def args_for(source, path, known):
    """A header is parsed like the first source of its folder."""
    full = os.path.realpath(os.path.join(source, path))
    if full in known:
        return known[full]
    folder = os.path.dirname(full)
    return next((args for name, args in sorted(known.items()) if os.path.dirname(name) == folder), None)


def targets(source, wanted):
    for folder in FOLDERS:
        for name in sorted(os.listdir(os.path.join(source, folder))):
            if name.endswith((".cpp", ".h")) and re.search(wanted, f"{folder}/{name}"):
                yield f"{folder}/{name}"


def instrument(source, fresh, args, path):
    """The instrumented file, without what the compiler does not take: its bytes and its mutants."""
    full = os.path.join(source, path)
    text = open(full, "rb").read()
    unit = Index.create().parse(full, args=["-x", "c++", "-Wno-everything", "-I", fresh, "-include", "tests/mutants/mutants.h",
                                            f"-D{first_name(path)}=0"] + args, options=TranslationUnit.PARSE_PRECOMPILED_PREAMBLE)
    skip = []
    while True:
        made = Instrument(path, text, skip)
        made.walk(unit.cursor)
        if not made.mutants:
            return text, []
        unit.reparse([(full, made.body().decode())])
        lines = {at.line for at in refused(unit) if at.file is not None and at.file.name == full}
        bad = [m["key"] for m in made.mutants if m["line"] in lines]
        errors = [str(d) for d in unit.diagnostics if d.severity >= 3]
        unit.reparse()
        if not errors:
            return made.body(), made.mutants
        if not bad:
            sys.exit(f"{path}: {errors}")
        skip += bad


def instrument_again(source, fresh, args, path, kept):
    """instrument(), or what it gave for the same bytes the last time."""
    own = b"".join(open(name, "rb").read() for name in (os.path.realpath(__file__), os.path.join(source, path)))
    stamp, name = hashlib.sha256(own).hexdigest(), os.path.join(kept, path.replace("/", "%") + ".json")
    if os.path.exists(name):
        old = json.load(open(name))
        if old["stamp"] == stamp:
            return old["body"].encode(), old["mutants"]
    body, mutants = instrument(source, fresh, args, path)
    os.makedirs(kept, exist_ok=True)
    json.dump({"stamp": stamp, "body": body.decode(), "mutants": mutants}, open(name, "w"))
    return body, mutants


class Numbers:
    """Where the numbers of each file begin: where they did the last time, if they still fit, so that a change of one file is no
    reason to compile the others."""

    def __init__(self, path):
        count, first = {}, {}
        for m in json.load(open(path)) if os.path.exists(path) else []:
            count[m["file"]] = count.get(m["file"], 0) + 1
            first[m["file"]] = min(first.get(m["file"], MOST), m["number"])
        self.old = {file: (first[file], self.room(count[file])) for file in count}
        self.free = max((at + room for at, room in self.old.values()), default=0)

    @staticmethod
    def room(count):
        return (count + SLOT - 1) // SLOT * SLOT

    def first(self, file, count):
        at, room = self.old.get(file, (0, 0))
        if count > room:
            at, self.free = self.free, self.free + self.room(count)
        if at + count > MOST:
            sys.exit("too many places, or many moved: remove build/mutants/source and begin anew")
        return at


def refused(unit):
    for d in unit.diagnostics:
        if d.severity >= 3:
            yield d.location
            yield from (note.location for note in d.children)


def copy_tree(source, copy):
    files = subprocess.run(["git", "-C", source, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
    for name in files.stdout.splitlines():
        if not os.path.isfile(os.path.join(source, name)):
            continue
        target = os.path.join(copy, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        write(target, open(os.path.join(source, name), "rb").read(), os.stat(os.path.join(source, name)).st_mode)


def write(path, data, mode=0o644):
    """Leaves a file alone that is the same already, so that ninja does too."""
    if os.path.exists(path) and open(path, "rb").read() == data:
        return
    with open(path, "wb") as out:
        out.write(data)
    os.chmod(path, mode & 0o777)


def instrument_helper(source):
    """The helper is started without an environment; here it has to know which mutant is chosen. Its answers are kept, and a
    process that keeps them keeps no object beside: a mutant of the helper would not be asked."""
    adapt(source + "/backends/bpf/helper.cpp",
          [(b"char* environment[] = {nullptr};", b"char** environment = ::environ;"),
           (b"AnonymousFile in(", b"if (auto* known = kerf_mutants::known_answer(request)) return read_answer(*known); AnonymousFile in("),
           (b"return read_answer(out.read());", b"kerf_mutants::keep_answer(request, out.read()); return read_answer(out.read());")])
    adapt(source + "/driver/pipeline.cpp", [(b"&templates}", b"kerf_mutants::answers ? nullptr : &templates}")])


def adapt(path, changes):
    text = open(path, "rb").read()
    for old, new in changes:
        if text.count(old) != 1:
            sys.exit(f"{path} starts the helper in another way: change instrument.py")
        text = text.replace(old, new)
    if b"mutants.h" not in text:
        text = b"#include \"tests/mutants/mutants.h\"\n#line 1\n" + text
    write(path, text)


def main():
    source, compile_commands, copy = os.path.realpath(sys.argv[1]), sys.argv[2], os.path.realpath(sys.argv[3])
    known = commands(compile_commands)
    fresh = copy + "/.fresh"
    copy_tree(source, fresh)
    mutants, numbers = [], Numbers(copy + "/mutants.json")
    for path in targets(source, sys.argv[4] if len(sys.argv) > 4 else ""):
        body, found = instrument_again(source, fresh, args_for(source, path, known), path, copy + "/../instrumented")
        first = numbers.first(path, len(found))
        head = f"#include \"tests/mutants/mutants.h\"\n#define {first_name(path)} {first}\n#line 1\n" if found else ""
        write(os.path.join(fresh, path), head.encode() + body)
        for i, m in enumerate(found):
            del m["key"]
            mutants.append({**m, "number": first + i})
    instrument_helper(fresh)
    for folder, _, names in os.walk(fresh):
        for name in names:
            path = os.path.join(folder, name)
            target = os.path.join(copy, os.path.relpath(path, fresh))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            write(target, open(path, "rb").read(), os.stat(path).st_mode)
    json.dump(mutants, open(copy + "/mutants.json", "w"), indent=1)
    print(f"{len(mutants)} mutants", flush=True)


main()
