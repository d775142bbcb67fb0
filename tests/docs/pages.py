"""pages.py CASE SOURCE [KERF]: is what the pages say still so?

links    every link inside the project leads to a file, and its #part to a heading
index    docs/README.md lists every page once, and README.md leads there
tests    every promise and every bound names a test, and the test exists
split    docs/split.md explains every error of the split, with an example that gives it and one that does not
bundle   docs/bundle-format.md has every field of the manifests of compiled examples, and no other"""
import json, os, pathlib, re, subprocess, sys, tempfile

case, source = sys.argv[1], pathlib.Path(sys.argv[2])
docs = source / "docs"
faults = []


def fault(page, text):
    faults.append(f"{page.relative_to(source)}: {text}")


def read(page):
    return page.read_text(encoding="utf-8")


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def slug(heading):
    text = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", lambda m: m[1] or "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def links():
    pages = [source / "README.md", source / "ARCHITECTURE.md", *docs.glob("*.md"), *source.glob("examples/*/README.md")]
    seen = 0
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(read(page))):
            if re.match(r"[a-z]+:", target):
                continue
            seen += 1
            name, _, part = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            if not file.exists():
                fault(page, f"no file for `{target}`")
            elif part and part not in {slug(h) for h in re.findall(r"^#+ (.*)$", without_code(read(file)), re.M)}:
                fault(page, f"no heading for `{target}`")
    assert seen > 50, "the pages have lost their links"


def index():
    page = docs / "README.md"
    listed = re.findall(r"^- \[[^]]*\]\(([\w.-]+)\)", read(page), re.M)
    for name in sorted(set(listed)):
        if listed.count(name) > 1:
            fault(page, f"`{name}` is listed twice")
    for file in sorted(docs.iterdir()):
        if file.name != "README.md" and file.name not in listed:
            fault(page, f"`{file.name}` is not listed")
    if "](docs/README.md)" not in read(source / "README.md"):
        fault(source / "README.md", "does not lead to docs/README.md")


# "unit.parse" in a reference -> where its cases are written.
PROGRAMS = {"kernel": "tests/kernel", "files": "tests/kernel/files", "glue": "tests/kernel/glue", "abi": "tests/abi",
            "semantics": "tests/semantics", "race": "tests/race", "cli": "tests/cli", "evil": "tests/evil"}


def cases(program):
    folder = PROGRAMS.get(program) or ("tests/unit/" + program[5:] if program.startswith("unit.") else None)
    if folder is None or not (source / folder).is_dir():
        return None
    text = "".join(read(file) for file in sorted((source / folder).glob("*.cpp")))
    return set(re.findall(r'(?:TEST_CASE|FILE_CASE|CASE|SUBCASE)\(\s*"((?:[^"\\]|\\.)*)"', text))


def registered():
    """Names of CTest's tests, as the lists of the tree write them; ${…} stands for anything."""
    names = []
    for file in [*source.glob("tests/**/CMakeLists.txt"), source / "examples/CMakeLists.txt"]:
        names += re.findall(r"add_test\(NAME (\S+)", read(file)) + re.findall(r"kerf_package_test\((\S+)", read(file))
    return [re.compile(re.sub(r"\\\$\\\{\w+\\\}", r"[\\w.-]+", re.escape(name)) + r"\Z") for name in names]


def exists(reference, known):
    program, colon, name = reference.partition(": ")
    if colon:
        return name in (cases(program) or ())
    if reference.startswith("golden/"):
        return (source / "tests" / (reference + ".test")).is_file()
    return any(pattern.match(reference) for pattern in known)


def tests():
    known = registered()
    for name in ("security-model.md", "limits.md", "comparison.md", "bypasses.md"):
        page, column, seen = docs / name, None, 0
        for line in read(page).splitlines():
            if not line.startswith("|"):
                column = None
                continue
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if column is None:
                column = cells.index("test") if "test" in cells else -1
                continue
            if column < 0 or set(line) <= set("|-"):
                continue
            seen += 1
            references = re.findall(r"`([^`]+)`|``(.+?)``", cells[column])
            if not references and not cells[column].startswith("none: "):   # "none: why"
                fault(page, f"no test: {line}")
            for plain, quoted in references:
                reference = (plain or quoted).strip()
                if not exists(reference, known):
                    fault(page, f"there is no test `{reference}`")
        if seen < 16:
            fault(page, "has lost its tables")


def split():
    page, kerf = docs / "split.md", sys.argv[3]
    text = read(page)
    sections = {m[1]: m[2] for m in re.finditer(r"^### (K5\d+)\b[^\n]*\n(.*?)(?=^##|\Z)", text, re.M | re.S)}
    # K503x are about an option of the command line.
    for code in re.findall(r"^DIAG\((K50[0-24]\d), error", read(source / "ir/base/diagnostics/split.def"), re.M):
        if code not in sections:
            fault(page, f"{code} is not explained")
    schema = re.search(r"^```cedarschema \S+\n(.*?)^```$", text, re.M | re.S)[1]
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(work, "s.cedarschema").write_text(schema, encoding="utf-8")
        pathlib.Path(work, "e.json").write_text(re.search(r"^```json \S+\n(.*?)^```$", text, re.M | re.S)[1], encoding="utf-8")
        for code, section in sections.items():
            examples = re.findall(r"^```cedar\n(.*?)^```$", section, re.M | re.S)
            if len(examples) < 2:
                fault(page, f"{code} has no two examples")
            named = {code} | set(re.findall(r"K4\d+", section))
            for example, wanted in zip(examples, [named, set()]):
                pathlib.Path(work, "p.cedar").write_text(example, encoding="utf-8")
                done = subprocess.run([kerf, "check", "-p", "p.cedar", "-s", "s.cedarschema", "--entities", "e.json", "-f", "json"], cwd=work, text=True, capture_output=True)
                got = {message["code"] for message in map(json.loads, done.stderr.splitlines()) if message["severity"] == "error"}
                if not got <= wanted or bool(got) != bool(wanted) or done.returncode not in (0, 3):
                    fault(page, f"the example of {code} gives {sorted(got)}:\n{example}")


# Objects whose keys are data and not fields.
def expression(path):
    return path.endswith("expr")


def fields(value, path=""):
    if isinstance(value, dict) and not expression(path):
        for key, inner in value.items():
            yield f"{path}.{key}"
            yield from fields(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, path + "[]")


MANIFEST_PROGRAM = {
    "s.cedarschema": """@kernel("process") entity Agent { limit: Long };
@kernel("directory") entity Directory in [Directory];
@kernel("file") entity File in [Directory] { @kernel("file.path") path: String };
@kernel("host") entity Host;
@kernel("endpoint") entity Endpoint in [Host] { @kernel("endpoint.port") port: Long };
@kernel("file.read") action read appliesTo { principal: Agent, resource: [File, Directory] };
@kernel("net.connect") action connect appliesTo { principal: Agent, resource: Endpoint, context: {
  @kernel("process.uid") uid: Long, @kernel("fact.depth") depth?: Long } };""",
    "p.cedar": """permit (principal, action == Action::"read", resource in Directory::"/srv");
permit (principal, action == Action::"connect", resource)
when { context.uid < principal.limit && context has depth && context.depth < 3 };""",
    "e.json": "[]"}


def bundle():
    page, kerf = docs / "bundle-format.md", sys.argv[3]
    block = re.search(r"^```json\n(.*?)^```$", read(page), re.M | re.S)[1]
    shown = set(fields(json.loads(block.replace("…", "x"))))
    with tempfile.TemporaryDirectory() as work:
        for name, text in MANIFEST_PROGRAM.items():
            pathlib.Path(work, name).write_text(text, encoding="utf-8")
        subprocess.run([kerf, "compile", "-p", "p.cedar", "-s", "s.cedarschema", "--entities", "e.json", "--waive", "guard-mount",
                        "-o", "bundle"], cwd=work, check=True)
        made = set(fields(json.loads(pathlib.Path(work, "bundle/manifest.json").read_text(encoding="utf-8"))))
        files = set(os.listdir(pathlib.Path(work, "bundle")))
    for field in sorted(made - shown):
        fault(page, f"does not show `{field[1:]}`")
    for field in sorted(shown - made):
        fault(page, f"shows `{field[1:]}`, which no manifest has")
    listed = set(re.findall(r"^\| `([\w.]+)` \|", read(page), re.M))
    for file in sorted(files - listed):
        fault(page, f"does not list the file `{file}`")


{"links": links, "index": index, "tests": tests, "split": split, "bundle": bundle}[case]()
for text in faults:
    print(text)
sys.exit(1 if faults else 0)
