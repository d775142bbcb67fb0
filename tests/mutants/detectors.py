"""What notices a mutant, cheapest first: random programs (programs.cpp), then the test cases and golden files that reach its place."""
import collections, glob, json, os, resource, shutil, signal, subprocess, time

UNITS = ["test_passes", "test_table", "test_bpf", "test_bundle", "test_check", "test_driver"]
GOLDENS = ["plan", "split", "table", "sema", "cli"]
SYSCALLS = 20              # programs about system calls, with 100 calls each: semantics.syscalls
QUICK = 0.25   # seconds: such cases of a program run together


def run(words, cpu_seconds, seconds, env=None):
    """Exit status; a program that takes too long is ended with its children. The bound that counts is processor time: this
    machine may be busy."""
    def limits():
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds) + 1, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                             start_new_session=True, preexec_fn=limits, env={**os.environ, **(env or {})})
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.wait()


class Programs:
    """The process that holds the random programs."""

    def __init__(self, build, count, most):
        self.most = most
        self.child = subprocess.Popen([f"{build}/mutant_programs", str(count), str(most)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self.reached = {}
        for line in self.child.stdout:
            if line == "ready\n":
                return
            n, *programs = line.split()
            self.reached[int(n)] = programs
        raise SystemExit("mutant_programs: a program fails without a fault")

    def judge(self, n):
        """(what, by which), or None; of all that reach the place a few are tried."""
        programs = self.reached.get(n, [])
        if not programs:
            return None
        some = programs if len(programs) <= self.most else [programs[i * len(programs) // self.most] for i in range(self.most)]
        self.child.stdin.write(f"{n} {' '.join(some)}\n")
        self.child.stdin.flush()
        _, verdict, program = self.child.stdout.readline().split()
        return None if verdict == "alive" else (verdict, f"program {program}")

    def close(self):
        self.child.stdin.close()
        self.child.wait()


class Test:
    """A test case of a unit test program, a golden file, or random programs about system calls."""

    def __init__(self, kind, name, words, case=""):
        self.kind, self.name, self.words, self.case = kind, name, words, case
        self.seconds, self.seen = 0.0, set()

    def command(self):
        return self.words + ([f"--test-case={pattern(self.case)}"] if self.case else [])

    def stamp(self, build):
        """When what it runs was made."""
        files = [self.words[0], f"{build}/kerf-codegen"]
        if self.kind == "golden":
            files += [f"{build}/kerf", *glob.glob(f"{self.words[1]}/*")]
        return max(os.stat(file).st_mtime for file in files)

    def baseline(self, file):
        started = time.time()
        if run(self.command(), 300, 900, {"KERF_MUTANT_SEEN": file}) != 0:
            print(f"left out, fails without a fault: {self.name}", flush=True)
            return False
        self.seconds = time.time() - started
        self.seen = places(file)
        return True


def pattern(case):
    """The name as a filter of doctest, to which a comma separates filters."""
    return "".join("?" if c in ",\\*" else c for c in case)


def places(file):
    if not os.path.exists(file):
        return set()
    data = open(file, "rb").read()
    os.unlink(file)
    return {at % (1 << 14) for at in range(len(data)) if data[at]}


def unit_tests(build):
    for name in UNITS:
        listed = subprocess.run([f"{build}/{name}", "--list-test-cases", "--no-colors"], capture_output=True, text=True, check=True).stdout
        for case in listed.splitlines():
            if not case.startswith(("[doctest]", "===")):
                yield Test("unit", f"{name}: {case}", [f"{build}/{name}", "--abort-after=1"], case)


def golden_tests(copy, build, scratch):
    for folder in GOLDENS:
        for path in sorted(glob.glob(f"{copy}/tests/golden/{folder}/*.test")):
            alone = os.path.join(scratch, folder, os.path.basename(path))
            shutil.rmtree(alone, ignore_errors=True)
            os.makedirs(alone)
            shutil.copy2(path, alone)
            yield Test("golden", f"{folder}/{os.path.basename(path)}", [f"{build}/golden", alone, f"{build}/kerf"])


class Tests:
    """Every test with the places that it reaches. That is measured when its program or file is new, and kept in `kept`."""

    def __init__(self, copy, build, scratch, kept, slowest):
        os.makedirs(scratch, exist_ok=True)
        self.found = collections.Counter()   # (test, file or function): what finds one mutant finds its neighbours
        old = {row["name"]: row for row in json.load(open(kept))} if os.path.exists(kept) else {}
        self.tests = []
        written = time.time()
        syscalls = Test("syscalls", f"semantics.syscalls {SYSCALLS}", [f"{build}/syscalls", str(SYSCALLS)])
        for test in [*unit_tests(build), *golden_tests(copy, build, scratch), syscalls]:
            known, stamp = old.get(test.name), test.stamp(build)
            if known and known["stamp"] == stamp:
                test.seconds, test.seen = known["seconds"], set(known["seen"])
            elif not test.baseline(f"{scratch}/seen"):
                continue
            self.tests.append(test)
            old[test.name] = {"name": test.name, "stamp": stamp, "seconds": test.seconds, "seen": sorted(test.seen)}
            if time.time() > written + 30:   # so that a run that is ended loses little
                json.dump(list(old.values()), open(kept, "w"))
                written = time.time()
        json.dump([old[t.name] for t in self.tests], open(kept, "w"))
        self.tests = [t for t in self.tests if t.seconds <= slowest]
        self.reached = set().union(*(t.seen for t in self.tests))

    def judge(self, n, file, function):
        reaching = sorted((t for t in self.tests if n in t.seen), key=lambda t: self.cost(t, file, function))
        while reaching:
            test = reaching[0]
            batch = [t for t in reaching if t.words == test.words and t.seconds <= QUICK] if test.case and test.seconds <= QUICK else [test]
            reaching = [t for t in reaching if t not in batch]
            seconds = sum(t.seconds for t in batch)
            words = test.words + ["--test-case=" + ",".join(pattern(t.case) for t in batch)] if test.case else test.words
            fails = lambda: run(words, 3 + 4 * seconds, 60 + 30 * seconds, {"KERF_MUTANT": str(n)}) != 0
            if fails() and fails():   # twice: other processes of this machine may be why
                name = test.name if len(batch) == 1 else os.path.basename(test.words[0])
                for t in batch:
                    self.found.update({(t.name, file): 1, (t.name, function): 3})
                return test.kind, name
        return None

    def cost(self, test, file, function):
        return (test.seconds + 0.02) / (1 + self.found[test.name, file] + self.found[test.name, function])
