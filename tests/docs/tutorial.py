"""tutorial.py PAGE BIN: runs what a page shows, in one shell and a fresh directory, and compares what it shows as output.

A fenced block `LANGUAGE NAME` is a file. In a block `console`, a line `$ COMMAND` is run, `# status N` at its end says with
which exit status it ends (0 if not said), and the lines below it are its output: `…` alone stands for any lines, inside a
line for any text. Blocks after `<!-- needs: kernel -->` are left out where nothing can be enforced."""
import ctypes, os, re, signal, subprocess, sys, tempfile

FENCE = re.compile(r"(<!-- needs: kernel -->\n)?^```(\S+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)
LIMIT_S = 300


def why_no_kernel():
    if os.geteuid() != 0:
        return "not root"
    attr = (ctypes.c_uint32 * 18)(2, 4, 4, 1)          # an array of one
    machine = os.uname().machine
    number = {"x86_64": 321, "aarch64": 280}.get(machine)
    if number is None:
        return "no number of bpf() for " + machine
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, 0, attr, ctypes.sizeof(attr))
    if fd < 0:
        return "this kernel refuses bpf(): " + os.strerror(ctypes.get_errno())
    os.close(fd)
    return None


def steps(text, kernel):
    """('file', name, content) and ('command', text, status, shown lines), in the order of the page."""
    for needs, language, name, content in FENCE.findall(text):
        if needs and not kernel:
            continue
        if name:
            yield ("file", name, content)
        elif language == "console":
            command, shown = None, []
            for line in content.splitlines():
                if not line.startswith("$ "):
                    shown.append(line)
                    continue
                if command:
                    yield (*command, shown)
                said = re.search(r"\s+# status (\d+)$", line)
                command = ("command", line[2:said.start() if said else None], int(said[1]) if said else 0)
                shown = []
            yield (*command, shown)


def script(work, plan):
    lines = ["cd " + work]
    for number, step in enumerate(plan):
        if step[0] == "file":
            lines.append(f"cp {work}/.steps/{number} {step[1]}")
        else:
            lines += ["{ " + step[1], f"}} >{work}/.steps/{number}.out 2>&1; echo $? >{work}/.steps/{number}.status"]
    return "\n".join(lines + [""])


def matches(shown, got):
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.split("…")) + "\n"
    return re.fullmatch(pattern, got) is not None


def main():
    page, binaries = sys.argv[1:]
    text = open(page, encoding="utf-8").read()
    why = why_no_kernel()
    plan = list(steps(text, why is None))
    commands = [step for step in plan if step[0] == "command"]
    assert len(commands) > 10, "the page has lost its commands"
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(work + "/.steps")
        for number, step in enumerate(plan):
            if step[0] == "file":
                open(f"{work}/.steps/{number}", "w", encoding="utf-8").write(step[2])
        open(work + "/.steps/script", "w", encoding="utf-8").write(script(work, plan))
        environment = dict(os.environ, PATH=binaries + ":" + os.environ["PATH"], NO_COLOR="1", LC_ALL="C.UTF-8")
        shell = subprocess.Popen(["bash", work + "/.steps/script"], env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            shell.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            print(f"the page's commands do not end within {LIMIT_S} s")
            failed += 1
        finally:
            try:
                os.killpg(shell.pid, signal.SIGKILL)   # what a page leaves behind, of its own session
            except ProcessLookupError:
                pass
            subprocess.run(["kerf", "unload", "--force", "tutorial"], env=environment, capture_output=True)   # as after a success
        for number, step in enumerate(plan):
            if step[0] != "command":
                continue
            try:
                got = open(f"{work}/.steps/{number}.out", encoding="utf-8").read()
                status = int(open(f"{work}/.steps/{number}.status").read())
            except (FileNotFoundError, ValueError):
                got, status = "", "none"
            if status != step[2] or not matches(step[3], got):
                failed += 1
                print(f"$ {step[1]}\n--- shown, status {step[2]}\n" + "\n".join(step[3]) + f"\n--- got, status {status}\n{got}")
    print(f"{len(commands)} commands, {failed} differ" + (f"; the kernel's part was skipped: {why}" if why else ""))
    sys.exit(1 if failed else 0)


main()
