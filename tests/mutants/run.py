#!/usr/bin/python3
"""The mutation check: faults in lowering, staging and table emission, one at a time, against everything that should notice.
    run.py SOURCE BUILD [--count N] [--seed S] [--jobs J] [--programs P] [--most M] [--files REGEX] [--only TEXT] [--places FILE]
           [--minutes T]
BUILD is a configured build directory. Verdicts are kept: what was found is not run again while the text of its function stays,
and what was not while the tests stay. See docs/testing.md."""
import argparse, collections, hashlib, json, os, re, subprocess, sys, threading, time
from detectors import UNITS, Programs, Tests

HERE = os.path.dirname(os.path.realpath(__file__))
COLUMNS = ["proof", "object", "refused", "event", "table", "kernel", "crash", "hangs", "unit", "golden", "syscalls", "equivalent", "unreached", "SURVIVES"]


class Check:
    def __init__(self, options):
        self.options = options
        self.work = os.path.realpath(os.path.join(options.build, "../mutants"))
        self.copy = f"{self.work}/source"
        self.build = f"{self.copy}/build/release"
        if not options.keep:
            self.build_copy(options)
        self.mutants = {m["number"]: m for m in json.load(open(f"{self.copy}/mutants.json"))}
        self.name_mutants()
        self.tests_hash = f"{hash_of_tests(options.source)} {options.slowest}"
        self.verdicts = self.read_verdicts()   # mutant -> (what, by which)
        self.places = read_places(options.places) if options.places else None
        self.lock, self.measuring = threading.Lock(), threading.Lock()

    def build_copy(self, o):
        subprocess.run(["/usr/bin/python3", f"{HERE}/instrument.py", o.source, f"{o.build}/compile_commands.json", self.copy], check=True)
        subprocess.run(["cmake", "--preset", "release", "-DKERF_MUTANTS=ON"], cwd=self.copy, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", f"-j{o.jobs}", "-C", self.build, "kerf", "kerf-codegen", "golden", "mutant_programs", "syscalls", *UNITS],
                       check=True, stdout=subprocess.DEVNULL)
        engine = "tests/oracle/node_modules"   # without it random programs about system calls are skipped
        if os.path.isdir(f"{o.source}/{engine}") and not os.path.exists(f"{self.copy}/{engine}"):
            os.symlink(os.path.realpath(f"{o.source}/{engine}"), f"{self.copy}/{engine}")

    # ---- verdicts that are kept ----
    def name_mutants(self):
        """A name that lasts while the function's text does."""
        times = collections.Counter()
        for m in self.mutants.values():
            name = " | ".join((m["file"], m["function"], m["operator"], m["text"], m["of"]))
            times[name] += 1
            m["name"] = f"{name} | {times[name]}"

    def read_verdicts(self):
        kept, path = {}, f"{self.work}/verdicts.jsonl"
        self.again = set()   # names of what survived other tests
        for line in open(path) if os.path.exists(path) else []:
            row = json.loads(line)
            if row["what"] not in ("SURVIVES", "unreached") or row["tests"] == self.tests_hash:
                kept[row["name"]] = (row["what"], row["by"])
            else:
                kept.pop(row["name"], None)
                self.again.add(row["name"])
        return {n: kept[m["name"]] for n, m in self.mutants.items() if m["name"] in kept}

    def keep_verdict(self, n, what, by):
        with self.lock:
            self.verdicts[n] = (what, by)
            row = {"name": self.mutants[n]["name"], "what": what, "by": by, "tests": self.tests_hash}
            open(f"{self.work}/verdicts.jsonl", "a").write(json.dumps(row) + "\n")
            open(f"{self.work}/progress.txt", "a").write(f"{what}: {self.describe(n)}  [{by}]\n")

    # ---- the runs ----
    def choose(self):
        """Functions take turns, so that a sample meets as many of them as it can."""
        turns, of_function = {}, collections.Counter()
        numbers = [n for n, m in self.mutants.items() if self.wanted(m)]
        numbers.sort(key=lambda n: hashlib.sha256(f"{self.options.seed} {self.mutants[n]['name']}".encode()).digest())
        for n in numbers:
            place = self.mutants[n]["file"], self.mutants[n]["function"]
            turns[n] = of_function[place]
            of_function[place] += 1
        numbers.sort(key=lambda n: (self.mutants[n]["name"] in self.again, turns[n]))   # what is new comes first
        if self.options.count == "each":
            return [n for n in numbers if turns[n] == 0]
        return numbers[:int(self.options.count) or None]

    def wanted(self, m):
        if self.places is not None and (m["file"], f"{m['function']}: {m['operator']}: {m['text']}") not in self.places:
            return False
        return re.search(self.options.files, m["file"]) and self.options.only in f"{m['file']} {m['function']} {m['operator']}"

    def run(self, numbers):
        rest = collections.deque(n for n in numbers if n not in self.verdicts)
        if not rest:
            return
        print(f"{len(rest)} of {len(numbers)} have no verdict yet", flush=True)
        deadline = time.time() + self.options.minutes * 60
        programs = Programs(self.build, self.options.programs, self.options.most)
        left, ended = collections.deque(), threading.Event()   # what no program finds; there will be no more of them

        def by_programs():
            while rest and time.time() < deadline:
                n = rest.popleft()
                if found := programs.judge(n):
                    self.keep_verdict(n, *found)
                else:
                    left.append(n)
            programs.close()
            ended.set()

        def by_tests():
            with self.measuring:   # the first one measures, the others read
                tests = Tests(self.copy, self.build, f"{self.work}/scratch", f"{self.work}/tests.json", self.options.slowest)
            while time.time() < deadline:
                try:
                    n = left.popleft()
                except IndexError:
                    if ended.wait(1) and not left:
                        return
                    continue
                m = self.mutants[n]
                reached = n in programs.reached or n in tests.reached
                found = tests.judge(n, m["file"], m["file"] + m["function"])
                self.keep_verdict(n, *(found or ("SURVIVES" if reached else "unreached", "")))

        threads = [threading.Thread(target=by_tests) for _ in range(self.options.jobs - 1)]
        for t in threads:
            t.start()
        by_programs()
        by_tests()
        for t in threads:
            t.join()

    def main(self):
        numbers = self.choose()
        self.run(numbers)
        return self.report(numbers)

    # ---- the report ----
    def report(self, chosen):
        equivalents, problems = read_equivalents(f"{HERE}/equivalents.txt", self.mutants.values())
        numbers = [n for n in chosen if n in self.verdicts]
        table, left = collections.defaultdict(collections.Counter), []
        for n in numbers:
            what, by = self.verdicts[n]
            if self.key(n) in equivalents:
                if what in ("SURVIVES", "unreached"):
                    what = "equivalent"
                else:
                    problems.append(f"said to be equivalent, but found by {by}: {' | '.join(self.key(n))}")
            table[self.mutants[n]["operator"]][what] += 1
            table["in all"][what] += 1
            if what in ("SURVIVES", "unreached"):
                left.append(n)
        print(f"\n{'operator':22}{'mutants':>8}" + "".join(f"{c:>11}" for c in COLUMNS))
        for operator in sorted(table, key=lambda o: (o == "in all", o)):
            print(f"{operator:22}{sum(table[operator].values()):8}" + "".join(f"{table[operator][c]:11}" for c in COLUMNS))
        for n in sorted(left):
            print(f"{self.verdicts[n][0]}: {self.describe(n)}")
        for problem in problems:
            print(problem)
        if len(numbers) < len(chosen):
            print(f"{len(chosen) - len(numbers)} mutants were not run: no time was left")
        rows = [{**self.mutants[n], "verdict": self.verdicts[n]} for n in numbers]
        json.dump(rows, open(f"{self.work}/results.json", "w"), indent=1)
        return 1 if problems or left else 0

    def describe(self, n):
        m = self.mutants[n]
        return f"{m['file']}:{m['line']} {m['function']}: {m['operator']}: {m['text']}"

    def key(self, n):
        m = self.mutants[n]
        return (m["file"], m["function"], m["operator"], m["text"])


def read_places(path):
    """Lines as the report has them; a place is known by its text, for lines move."""
    return {(at[1], at[2]) for at in (re.search(r"(\S+):\d+ (.*?)(?:  \[.*\])?$", line.rstrip()) for line in open(path)) if at}


def hash_of_tests(source):
    listed = subprocess.run(["git", "-C", source, "ls-files", "-co", "--exclude-standard", "tests"], capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.splitlines() if not name.endswith("equivalents.txt")]
    texts = [open(os.path.join(source, name), "rb").read() for name in names if os.path.isfile(os.path.join(source, name))]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def read_equivalents(path, mutants):
    """Lines `FILE | FUNCTION | OPERATOR | TEXT`, each followed by an indented line that says why nothing changes."""
    known = {(m["file"], m["function"], m["operator"], m["text"]) for m in mutants}
    found, problems, lines = {}, [], []
    if os.path.exists(path):
        lines = [line.rstrip("\n") for line in open(path) if line.strip() and not line.startswith("#")]
    for line, why in zip(lines[::2], lines[1::2]):
        key = tuple(line.split(" | ", 3))
        found[key] = why.strip()
        if key not in known:
            problems.append(f"no such place any more: {line}")
        if not why.startswith(" "):
            problems.append(f"no reason: {line}")
    return found, problems


parser = argparse.ArgumentParser()
parser.add_argument("source")
parser.add_argument("build")
parser.add_argument("--count", default="each", help="each: one of every function; a number: so many, functions take turns; 0: all")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--jobs", type=int, default=2)
parser.add_argument("--programs", type=int, default=100)
parser.add_argument("--most", type=int, default=25, help="programs for one mutant")
parser.add_argument("--files", default="", help="regular expression: the faults of these files only")
parser.add_argument("--keep", action="store_true", help="what was built the last time, as it is")
parser.add_argument("--only", default="", help="part of `FILE FUNCTION OPERATOR`")
parser.add_argument("--places", default="", help="a file with lines of a report: these faults only")
parser.add_argument("--slowest", type=float, default=1e6, help="seconds: tests that take longer are left out")
parser.add_argument("--minutes", type=float, default=1e6, help="time for the runs")
sys.exit(Check(parser.parse_args()).main())
