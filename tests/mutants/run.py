#!/usr/bin/python3
"""The mutation check: faults in lowering, staging and table emission, one at a time, against everything that should notice.
    run.py SOURCE BUILD [--count N] [--seed S] [--jobs J] [--programs P] [--most M] [--files REGEX] [--only TEXT] [--seconds T]
BUILD is a configured build directory. See docs/testing.md."""
import argparse, collections, glob, json, os, random, shutil, signal, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.realpath(__file__))
UNITS = ["test_passes", "test_table", "test_bpf", "test_bundle", "test_check", "test_driver"]   # besides golden
GOLDENS = ["plan", "split", "table", "sema", "cli"]


def run(words, seconds, env=None, **more):
    """Exit status; a program that takes too long is ended with its children."""
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                             start_new_session=True, env={**os.environ, **(env or {})}, **more)
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.wait()


class Test:
    """A unit test program, or golden with one file."""

    def __init__(self, kind, name, words):
        self.kind, self.name, self.words, self.seconds, self.seen = kind, name, words, 0.0, set()

    def baseline(self, scratch):
        file = os.path.join(scratch, "seen")
        started = time.time()
        if run(self.words, 900, {"KERF_MUTANT_SEEN": file}) != 0:
            print(f"left out, fails without a fault: {self.name}", flush=True)
            return False
        self.seconds = time.time() - started
        if os.path.exists(file):
            data = open(file, "rb").read()
            os.unlink(file)
            count = self.count
            for at in range(0, len(data), count):
                self.seen.update(i for i, byte in enumerate(data[at:at + count]) if byte)
        return True

    def kills(self, mutant):
        return run(self.words, 30 + 10 * self.seconds, {"KERF_MUTANT": str(mutant)}) != 0


def golden_tests(copy, build, scratch):
    for folder in GOLDENS:
        for path in sorted(glob.glob(f"{copy}/tests/golden/{folder}/*.test")):
            alone = os.path.join(scratch, folder, os.path.basename(path))
            os.makedirs(alone)
            shutil.copy(path, alone)
            yield Test("golden", f"golden/{folder}/{os.path.basename(path)}", [f"{build}/golden", alone, f"{build}/kerf"])


def unit_tests(build):
    for name in UNITS:
        if os.path.exists(f"{build}/{name}"):
            yield Test("unit", name, [f"{build}/{name}", "--abort-after=1"])


def in_threads(jobs, items, work):
    rest, lock = collections.deque(items), threading.Lock()

    def worker():
        while True:
            with lock:
                if not rest:
                    return
                item = rest.popleft()
            work(item)

    threads = [threading.Thread(target=worker) for _ in range(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


class Check:
    def __init__(self, options):
        self.options = options
        self.copy = os.path.join(os.path.realpath(options.build), "../mutants/source")
        self.copy = os.path.realpath(self.copy)
        self.build = f"{self.copy}/build/release"
        self.verdicts = {}     # mutant -> (what, by which)

    def prepare(self):
        o = self.options
        if not o.keep:
            self.build_copy(o)
        self.mutants = json.load(open(f"{self.copy}/mutants.json"))
        Test.count = len(self.mutants)

    def build_copy(self, o):
        subprocess.run(["/usr/bin/python3", f"{HERE}/instrument.py", o.source, f"{o.build}/compile_commands.json", self.copy, o.files], check=True)
        subprocess.run(["cmake", "--preset", "release", "-DKERF_MUTANTS=ON"], cwd=self.copy, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", f"-j{o.jobs}", "-C", self.build, "kerf", "kerf-codegen", "golden", "mutant_programs", *UNITS], check=True,
                       stdout=subprocess.DEVNULL)

    def log(self, line):
        with open(f"{self.copy}/../progress.txt", "a") as out:
            out.write(line + "\n")

    def choose(self):
        numbers = [n for n, m in enumerate(self.mutants) if self.options.only in f"{m['file']} {m['function']} {m['operator']}"]
        if self.options.count:
            numbers = random.Random(self.options.seed).sample(numbers, min(self.options.count, len(numbers)))
        return numbers

    def by_programs(self, numbers):
        """What random programs find. They say what reaches a place, so a mutant meets only programs that do."""
        o, tool = self.options, f"{self.build}/mutant_programs"
        seen = {}
        listed = subprocess.run([tool, "seen", str(o.programs)], check=True, capture_output=True, text=True).stdout
        for line in listed.splitlines():
            n, *programs = line.split()
            seen[int(n)] = programs
        queue = [n for n in numbers if n in seen]
        random.Random(1).shuffle(queue)
        print(f"{len(queue)} of {len(numbers)} mutants are reached by programs", flush=True)

        def part(j):
            lines = "".join(f"{n} {' '.join(self.spread(seen[n]))}\n" for n in queue[j::o.jobs])
            child = subprocess.Popen([tool, "run", str(o.programs), str(o.most)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=lambda: (child.stdin.write(lines), child.stdin.close()), daemon=True).start()
            for answer in child.stdout:
                n, verdict, program = answer.split()
                self.log(f"{verdict}: {self.describe(int(n))}")
                if verdict != "alive":
                    self.verdicts[int(n)] = (verdict, f"program {program}")
                else:
                    self.alive_after_programs.add(int(n))
                if time.time() > self.deadline:
                    child.terminate()
                    break
            child.wait()

        self.alive_after_programs = set()
        in_threads(o.jobs, range(o.jobs), part)
        return seen, [n for n in queue if n not in self.verdicts and n not in self.alive_after_programs]

    def spread(self, programs):
        """A few of those that reach the place, of all the list."""
        most = self.options.most
        return programs if len(programs) <= most else [programs[i * len(programs) // most] for i in range(most)]

    def by_tests(self, numbers, scratch):
        tests = [*unit_tests(self.build), *golden_tests(self.copy, self.build, scratch)]
        good = []
        in_threads(self.options.jobs, tests, lambda t: good.append(t) if t.baseline(tempfile.mkdtemp(dir=scratch)) else None)
        tests = good
        tests.sort(key=lambda t: t.seconds)
        reached = set().union(*(t.seen for t in tests))

        def one(n):
            for test in tests:
                if time.time() > self.deadline:
                    self.not_run.add(n)
                    return
                if n in test.seen and test.kills(n):
                    self.verdicts[n] = (test.kind, test.name)
                    self.log(f"{test.name}: {self.describe(n)}")
                    return
            self.log(f"SURVIVES: {self.describe(n)}")

        self.not_run = set()
        in_threads(self.options.jobs, numbers, one)
        return reached

    def main(self):
        self.prepare()
        self.deadline = time.time() + self.options.seconds
        numbers = self.choose()
        seen, unfinished = self.by_programs(numbers)
        with tempfile.TemporaryDirectory() as scratch:
            for n in sorted(self.alive_after_programs):
                print(f"no program finds {self.describe(n)}", flush=True)
            rest = [n for n in numbers if n not in self.verdicts and n not in unfinished]
            reached = self.by_tests(rest, scratch)
        left_out = set(unfinished) | self.not_run
        numbers = [n for n in numbers if n not in left_out]
        unreached = [n for n in numbers if n not in seen and n not in reached]
        survivors = [n for n in numbers if n not in self.verdicts and n not in unreached]
        return self.report(numbers, survivors, unreached, left_out)

    # ---- the report ----
    def report(self, numbers, survivors, unreached, left_out):
        equivalents, problems = read_equivalents(f"{HERE}/equivalents.txt", self.mutants)
        table = collections.defaultdict(collections.Counter)
        for n in numbers:
            what = self.verdicts[n][0] if n in self.verdicts else "unreached" if n in unreached else \
                "equivalent" if self.key(n) in equivalents else "SURVIVES"
            table[self.mutants[n]["operator"]][what] += 1
            table["in all"][what] += 1
        columns = ["proof", "object", "refused", "differential", "crash", "hangs", "unit", "golden", "equivalent", "unreached", "SURVIVES"]
        print(f"\n{'operator':22}{'mutants':>8}" + "".join(f"{c:>13}" for c in columns))
        for operator in sorted(table, key=lambda o: (o == "in all", o)):
            row = table[operator]
            print(f"{operator:22}{sum(row.values()):8}" + "".join(f"{row[c]:13}" for c in columns))
        for title, list_ in [("never reached", unreached), ("SURVIVES", [n for n in survivors if self.key(n) not in equivalents])]:
            for n in sorted(list_):
                print(f"{title}: {self.describe(n)}")
        for n, (what, by) in sorted(self.verdicts.items()):
            if self.key(n) in equivalents:
                problems.append(f"said to be equivalent, but found by {by}: {' | '.join(self.key(n))}")
        for problem in problems:
            print(problem)
        if left_out:
            print(f"{len(left_out)} mutants were not run: no time was left")
        rows = [{**self.mutants[n], "number": n, "verdict": self.verdicts.get(n, ("unreached" if n in unreached else "survives", ""))}
                for n in numbers]
        json.dump(rows, open(f"{self.copy}/../results.json", "w"), indent=1)
        return 1 if problems or any(self.key(n) not in equivalents for n in survivors) else 0

    def describe(self, n):
        m = self.mutants[n]
        return f"{m['file']}:{m['line']} {m['function']}: {m['operator']}: {m['text']}"

    def key(self, n):
        m = self.mutants[n]
        return (m["file"], m["function"], m["operator"], m["text"])


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
parser.add_argument("--count", type=int, default=0, help="a random sample; 0: all")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--jobs", type=int, default=2)
parser.add_argument("--programs", type=int, default=40)
parser.add_argument("--most", type=int, default=6, help="programs for one mutant")
parser.add_argument("--files", default="", help="regular expression: instrument these only, which is less to build")
parser.add_argument("--keep", action="store_true", help="what was built the last time, as it is")
parser.add_argument("--only", default="", help="part of `FILE FUNCTION OPERATOR`")
parser.add_argument("--seconds", type=int, default=10**9, help="time for the runs")
sys.exit(Check(parser.parse_args()).main())
