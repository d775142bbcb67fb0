#!/usr/bin/env python3
"""kerf serve as clients see it: answers over TCP and a unix socket, limits, overload, reload under load, the end.

The answers are those of tests/vectors, which are the official engine's. Every wait is bounded.
usage: serve_test.py KERF SOURCE_DIR [CASE…]
"""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

KERF, SOURCE = sys.argv[1], sys.argv[2]
WAIT = 60  # seconds; a machine under load is slow, a server that hangs is caught all the same


class Server:
    def __init__(self, folder, *options, listen="127.0.0.1:0"):
        if "--max-delay" not in options:              # a busy machine is no overload of ours
            options += ("--max-delay", "600000")
        self.folder = folder
        self.process = subprocess.Popen(
            [KERF, "serve", "--table", folder + "/table.json", "--entities", folder + "/entities.json", "--listen", listen, *options],
            stderr=subprocess.PIPE, text=True)
        self.lines, self.seen = [], threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        self.address = self.wait_line("listening on ").split("listening on ")[1].split(": ")[0]

    def read(self):
        for line in self.process.stderr:
            with self.seen:
                self.lines.append(line.rstrip())
                self.seen.notify_all()
        with self.seen:
            self.lines.append("END")
            self.seen.notify_all()

    def wait_line(self, part, times=1):
        end = time.monotonic() + WAIT
        with self.seen:
            while sum(part in line for line in self.lines) < times:
                assert "END" not in self.lines and time.monotonic() < end, f"no line with {part!r}: {self.lines}"
                self.seen.wait(1)
            return [line for line in self.lines if part in line][times - 1]

    def connect(self, timeout=WAIT):
        if self.address.startswith("unix:"):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(timeout)
            s.connect(self.address[5:])
            return s
        host, port = self.address[len("http://"):].rsplit(":", 1)
        return socket.create_connection((host.strip("[]"), int(port)), timeout)

    def client(self):
        c = http.client.HTTPConnection("localhost", timeout=WAIT)
        c.sock = self.connect()
        return c

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        assert self.process.wait(WAIT) == 0, self.lines

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def ask(client, method, target, body=None):
    client.request(method, target, body)
    response = client.getresponse()
    text = response.read().decode()
    kind = response.headers["Content-Type"]
    return response.status, json.loads(text) if kind == "application/json" else text


def raw(server, data, timeout=WAIT):
    """All that comes back until the server closes."""
    with server.connect(timeout) as s:
        s.sendall(data)
        out = b""
        while True:
            part = s.recv(65536)
            if not part:
                return out
            out += part


def metric(text, name):
    found = [line for line in text.splitlines() if line.startswith(name + " ")]
    assert len(found) == 1, name
    return float(found[0].split()[-1])


def vectors():
    folder = SOURCE + "/tests/vectors"
    for name in sorted(os.listdir(folder)):
        if name != "refused.json":
            with open(f"{folder}/{name}") as file:
                yield name, json.load(file)


def write(folder, table, entities):
    for name, value in (("table.json", table), ("entities.json", entities)):
        text = value if isinstance(value, str) else json.dumps(value)
        with open(f"{folder}/{name}.new", "w") as file:
            file.write(text)
        os.rename(f"{folder}/{name}.new", f"{folder}/{name}")


def compile_table(folder, policies):
    """A table of users and documents."""
    schema = "entity U; entity D { n: Long }; action a appliesTo { principal: U, resource: D, context: { x: Long, s?: String } };"
    for name, text in (("p.cedar", policies), ("s.cedarschema", schema)):
        with open(f"{folder}/{name}", "w") as file:
            file.write(text)
    return subprocess.run([KERF, "compile", "-p", folder + "/p.cedar", "-s", folder + "/s.cedarschema", "--print=table"],
                          check=True, capture_output=True, text=True, timeout=WAIT).stdout


ENTITIES = [{"uid": {"type": "D", "id": "d"}, "attrs": {"n": 1}, "parents": []}]


def request(x=1, **more):
    return json.dumps({"principal": {"type": "U", "id": "u"}, "action": {"type": "Action", "id": "a"},
                       "resource": {"type": "D", "id": "d"}, "context": {"x": x, **more}})


def plain(folder):
    write(folder, compile_table(folder, "permit (principal, action, resource) when { context.x == 1 };"), ENTITIES)


def same(answer, expected):
    return (answer["decision"] == expected["decision"] and sorted(answer["determining"]) == sorted(expected["determining"]) and
            sorted(e["policy"] for e in answer["errors"]) == sorted(expected["errors"]))


def test_vectors(folder):
    cases = 0
    for number, (name, file) in enumerate(vectors()):
        write(folder, file["table"], file["entities"])
        with Server(folder, "--no-watch", listen=f"unix:{folder}/s" if number % 2 else "127.0.0.1:0") as server:
            client = server.client()
            for case in file["cases"]:
                status, answer = ask(client, "POST", "/v1/authorize", json.dumps(case["request"]))
                assert status == 200 and same(answer, case["response"]), (name, case, answer)
                cases += 1
            status, answers = ask(client, "POST", "/v1/authorize/batch", json.dumps([c["request"] for c in file["cases"]]))
            assert status == 200 and len(answers) == len(file["cases"])
            assert all(same(a, c["response"]) for a, c in zip(answers, file["cases"]))
            page = ask(client, "GET", "/metrics")[1]
            allowed = sum(c["response"]["decision"] == "allow" for c in file["cases"])
            assert metric(page, 'kerf_decisions_total{decision="allow"}') == 2 * allowed
            assert metric(page, "kerf_decision_seconds_count") == len(file["cases"]) + 1
            server.stop()
            assert not os.path.exists(folder + "/s")
    assert cases >= 200


def test_wrong_requests(folder):
    plain(folder)
    with Server(folder, "--max-body", "4096") as server:
        client = server.client()
        for body, code in (("", "not-json"), ("{", "not-json"), (request() + "x", "not-json"), (request(1.5), "not-json"),
                           ('{"a":1,"a":1}', "not-json"), (b"\xff", "not-json"), ("[]", "not-request"), (request(s={"__expr": "1"}), "not-request"),
                           (request().replace('"D"', '"E"'), "no-environment"), ("[" * 300 + "]" * 300, "not-json")):
            status, answer = ask(client, "POST", "/v1/authorize", body)
            assert (status, answer["error"]["code"]) == (400, code) and "decision" not in answer, (body, answer)
        assert ask(client, "POST", "/v1/authorize", request(2)) == (200, {"decision": "deny", "determining": [], "errors": []})
        assert ask(client, "POST", "/v1/authorize", request())[1]["decision"] == "allow"
        assert ask(client, "POST", "/v1/authorize?x=1", "\n " + request() + " \r\n")[1]["decision"] == "allow"
        status, answers = ask(client, "POST", "/v1/authorize/batch", f" [ {request()} , {request(2)}, {request().replace(chr(34) + 'U', chr(34) + 'V')} ]")
        assert status == 200 and [a.get("decision") for a in answers] == ["allow", "deny", None]
        assert answers[2]["error"]["code"] == "no-environment"
        assert ask(client, "POST", "/v1/authorize/batch", "[]") == (200, [])
        for body in ("[1", "[1]]", "{}", "", f"[{request()},]", f"[{request()},,{request()}]", f'[{request()},{{"x":[}}]', '["]', "[,]"):
            status, answer = ask(client, "POST", "/v1/authorize/batch", body)
            assert (status, answer["error"]["code"]) == (400, "not-json"), (body, answer)
        many = json.loads(request())
        many["resources"] = [many.pop("resource"), {"type": "E", "id": "none"}] * 2
        assert ask(client, "POST", "/v1/allowed", json.dumps(many)) == (200, {"allowed": [0, 2]})
        assert ask(client, "POST", "/v1/allowed", json.dumps(dict(many, resources=[]))) == (200, {"allowed": []})
        for body, code in (("", "not-json"), (request(), "not-request"), (json.dumps(dict(many, resource=1)), "not-request")):
            status, answer = ask(client, "POST", "/v1/allowed", body)
            assert (status, answer["error"]["code"]) == (400, code), (body, answer)
        for method, target, expected in (("GET", "/v1/allowed", 405), ("GET", "/v1/authorize", 405), ("HEAD", "/v1/authorize", 405), ("POST", "/healthz", 405),
                                         ("GET", "/", 404), ("POST", "/v1/authorize/", 404), ("DELETE", "/metrics", 405)):
            client.request(method, target)
            response = client.getresponse()
            response.read()
            assert response.status == expected, (method, target, response.status)
        status, health = ask(client, "GET", "/healthz")
        assert status == 200 and health["status"] == "ok" and health["generation"] == 1

        def first(data):
            return raw(server, data).split(b"\r\n")[0]
        assert b" 413 " in first(b"POST /v1/authorize HTTP/1.1\r\nContent-Length: 4097\r\n\r\n" + b"x" * 4097)
        chunks = b"POST /v1/authorize HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"800\r\n" + b"x" * 2048 + b"\r\n"
        assert b" 413 " in first(chunks + (b"801\r\n" + b"x" * 2049 + b"\r\n0\r\n\r\n"))
        assert b" 431 " in first(b"GET /healthz HTTP/1.1\r\nA: " + b"x" * 9000 + b"\r\n\r\n")
        assert b" 431 " in first(b"GET /" + b"x" * 20000)
        for wrong in (b"\r\n\r\nnonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                      b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"\x16\x03\x01\x02\x00" + b"\x01" * 60 + b"\r\n\r\n",
                      b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            assert b" 400 " in first(wrong), wrong
        body = request().encode()
        chunked = b"".join(b"%x\r\n%c\r\n" % (1, c) for c in body) + b"0\r\n\r\n"
        out = raw(server, b"POST /v1/authorize HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunked)
        assert b" 200 " in out and b'"allow"' in out
        out = raw(server, b"POST /v1/authorize HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert out.endswith(b'"errors":[]}') and b'"allow"' in out
        one = b"POST /v1/authorize HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        out = raw(server, one * 500 + b"GET /healthz HTTP/1.0\r\n\r\n")   # pipelined
        assert out.count(b'"decision":"allow"') == 500 and out.count(b'"status":"ok"') == 1
        page = ask(client, "GET", "/metrics")[1]
        assert metric(page, 'kerf_http_responses_total{code="413"}') == 2
        assert metric(page, 'kerf_invalid_requests_total{reason="not-request"}') == 4
        server.stop()


def test_addresses(folder):
    plain(folder)

    def refused(*options):
        run = subprocess.run([KERF, "serve", "--table", folder + "/table.json", *options], capture_output=True, text=True, timeout=WAIT)
        assert run.returncode == 1, run
        return run.stderr
    assert "not a loopback address" in refused("--listen", "0.0.0.0:0")
    assert "not a loopback address" in refused("--listen", "[::]:0")
    for wrong in ("nonsense", "127.0.0.1", "127.0.0.1:70000", "127.0.0.1:", "example.org:80", "unix:"):
        assert "listen" in refused("--listen", wrong) or "unix socket" in refused("--listen", wrong)
    with open(folder + "/file", "w"):
        pass
    assert "is no socket" in refused("--listen", f"unix:{folder}/file")
    with Server(folder, listen=f"unix:{folder}/s") as server:
        assert "in use" in refused("--listen", f"unix:{folder}/s")
        assert os.stat(folder + "/s").st_mode & 0o777 == 0o660
        server.process.kill()
        server.process.wait()
    with Server(folder, listen=f"unix:{folder}/s") as server:      # the dead one's socket is taken over
        assert ask(server.client(), "GET", "/healthz")[0] == 200
        server.stop(signal.SIGINT)
    with Server(folder, "--listen-any", listen="0.0.0.0:0") as server:
        server.stop()
    write(folder, "{}", ENTITIES)
    assert "table.json" in refused("--listen", "127.0.0.1:0")


def test_slow_clients(folder):
    plain(folder)
    with Server(folder, "--request-time", "600", "--idle-time", "600") as server:
        slow = server.connect()
        slow.sendall(b"POST /v1/authorize HTTP/1.1\r\nContent-Length: 100\r\n\r\n")
        begin = time.monotonic()
        out = b""
        slow.settimeout(0.1)
        while time.monotonic() - begin < WAIT:        # a byte now and then does not help
            try:
                slow.sendall(b" ")
                part = slow.recv(4096)
                out += part
                if not part:
                    break
            except socket.timeout:
                continue
            except OSError:
                break
        assert time.monotonic() - begin < WAIT / 2
        assert b" 408 " in out.split(b"\r\n")[0] or out == b"", out
        assert raw(server, b"") == b""                # idle: closed without a word
        assert b" 408 " in raw(server, b"GET /healthz HT")
        page = ask(server.client(), "GET", "/metrics")[1]
        assert metric(page, 'kerf_http_responses_total{code="408"}') >= 2
        # One that asks and never reads: it is cut off, and others do not notice.
        deaf = server.connect()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(0.2)
        body = request().encode()
        one = b"POST /v1/authorize HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        end, cut = time.monotonic() + WAIT, False
        while not cut and time.monotonic() < end:
            try:
                deaf.sendall(one * 1000)
            except socket.timeout:
                assert ask(server.client(), "POST", "/v1/authorize", request())[1]["decision"] == "allow"
            except OSError:
                cut = True
        assert cut
        server.stop()


def test_limits(folder):
    """The last that fits, and one more (docs/limits.md)."""
    plain(folder)
    with Server(folder, "--max-body", "4096") as server:
        client = server.client()
        fits = request() + " " * (4096 - len(request()))
        assert ask(client, "POST", "/v1/authorize", fits)[1]["decision"] == "allow"
        client = server.client()
        assert ask(client, "POST", "/v1/authorize", fits + " ")[0] == 413

        def header(size):   # of all that follows the first line
            return raw(server, b"GET /healthz HTTP/1.0\r\nA: " + b"x" * (size - 7) + b"\r\n\r\n").split(b"\r\n")[0]
        assert b" 200 " in header(8192), header(8192)
        assert b" 431 " in header(8193), header(8193)
        server.stop()
    with Server(folder, "--max-body", "4000000") as server:
        status, answers = ask(server.client(), "POST", "/v1/authorize/batch", "[" + ",".join([request()] * 10000) + "]")
        assert status == 200 and len(answers) == 10000
        status, answer = ask(server.client(), "POST", "/v1/authorize/batch", "[" + ",".join([request()] * 10001) + "]")
        assert status == 413 and answer["error"]["code"] == "too-large"
        server.stop()
    # 10,000 answers of 51 bytes and an id: a little less than 64 MiB, and a little more
    for letters, expected in ((6658, 200), (6659, 413)):
        policy = '@id("%s") permit (principal, action, resource);' % ("x" * letters)
        write(folder, compile_table(folder, policy), ENTITIES)
        with Server(folder, "--max-body", "4000000") as server:
            status, answers = ask(server.client(), "POST", "/v1/authorize/batch", "[" + ",".join([request()] * 10000) + "]")
            assert status == expected and (status == 413 or len(answers) == 10000), (letters, status)
            server.stop()


def test_too_many(folder):
    plain(folder)
    with Server(folder, "--max-connections", "4") as server:
        held = [server.client() for _ in range(4)]
        for client in held:
            assert ask(client, "GET", "/healthz")[0] == 200
        out = raw(server, b"POST /v1/authorize HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(request()) + request().encode())
        assert b" 503 " in out.split(b"\r\n")[0] and b"decision" not in out, out
        assert ask(held[0], "POST", "/v1/authorize", request())[1]["decision"] == "allow"
        held.pop().close()
        end = time.monotonic() + WAIT
        while b" 200 " not in raw(server, b"GET /healthz HTTP/1.0\r\n\r\n"):
            assert time.monotonic() < end
        server.stop()


def test_overload(folder):
    """With no delay allowed at all, decisions are refused while batches keep the loop busy; nothing else changes."""
    plain(folder)
    with Server(folder, "--max-delay", "1", "--max-body", "4000000") as server:
        batch, stop, answers = "[" + ",".join([request()] * 9000) + "]", threading.Event(), []

        def press():
            client = server.client()
            while not stop.is_set():
                answers.append(ask(client, "POST", "/v1/authorize/batch", batch))
        threads = [threading.Thread(target=press) for _ in range(4)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + WAIT
        while {status for status, _ in answers} != {200, 503} and time.monotonic() < end:   # either may come first
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join(WAIT)
            assert not thread.is_alive()
        assert {status for status, _ in answers} == {200, 503}
        for status, answer in answers:
            if status == 503:
                assert answer["error"]["code"] == "overloaded" and "decision" not in answer
            else:
                assert all(a["decision"] == "allow" for a in answer)
        server.stop()


def test_reload(folder):
    """Under load, every answer is one table's, whole; after the change, the new one's. Broken files change nothing."""
    tables = [compile_table(folder, f'@id("t{i}") permit (principal, action, resource) when {{ context.x == {i} && resource.n < 9 }};'
                            + "".join(f'@id("f{j}") forbid (principal, action, resource) when {{ context.x == {i} + 7 && context.x == {j} }};' for j in range(i)))
              for i in range(3)]
    write(folder, tables[0], ENTITIES)
    with Server(folder) as server:
        stop, wrong, counts = threading.Event(), [], [0, 0, 0]
        batch = "[" + ",".join(request(i) for i in range(3)) + "]"

        def press():
            client = server.client()
            while not stop.is_set():
                status, answers = ask(client, "POST", "/v1/authorize/batch", batch)
                allowed = [i for i, a in enumerate(answers) if a["decision"] == "allow"] if status == 200 else []
                if len(allowed) != 1 or any(a["errors"] for a in answers):
                    return wrong.append((status, answers))
                counts[allowed[0]] += 1
        threads = [threading.Thread(target=press) for _ in range(4)]
        for thread in threads:
            thread.start()
        client = server.client()

        def in_force():
            return [i for i in range(3) if ask(client, "POST", "/v1/authorize", request(i))[1]["decision"] == "allow"]
        for change in range(1, 13):
            before = sum("reloaded" in line for line in server.lines)
            write(folder, tables[change % 3], ENTITIES)
            server.wait_line("reloaded", before + 1)
            end = time.monotonic() + WAIT
            while in_force() != [change % 3]:
                assert time.monotonic() < end
        for number, (table, entities) in enumerate((("{", ENTITIES), (tables[1].replace('"version": 1', '"version": 9').replace('"version":1', '"version":9'), ENTITIES),
                                                    (tables[1][:-30], ENTITIES), (tables[1], "[1]"))):
            write(folder, table, entities)
            server.wait_line("reload refused", number + 1)
            assert in_force() == [0]
        page = ask(client, "GET", "/metrics")[1]
        assert metric(page, 'kerf_reloads_total{result="refused"}') >= 4
        write(folder, tables[2], ENTITIES)
        end = time.monotonic() + WAIT
        while in_force() != [2]:
            assert time.monotonic() < end
        stop.set()
        for thread in threads:
            thread.join(WAIT)
        assert not wrong, wrong[0]
        assert all(counts), counts
        server.stop()
    write(folder, tables[0], ENTITIES)
    with Server(folder, "--no-watch") as server:
        client = server.client()
        write(folder, tables[1], ENTITIES)
        server.process.send_signal(signal.SIGHUP)
        server.wait_line("reloaded")
        assert ask(client, "POST", "/v1/authorize", request(1))[1]["decision"] == "allow"
        server.stop()


def test_bundle(folder):
    """A bundle directory that is replaced by another of its name."""
    for name, x in (("one", 1), ("two", 2)):
        os.mkdir(f"{folder}/{name}")
        write(f"{folder}/{name}", compile_table(folder, f"permit (principal, action, resource) when {{ context.x == {x} }};"), ENTITIES)
    process = Server.__new__(Server)
    os.symlink("one", folder + "/current")
    process.process = subprocess.Popen([KERF, "serve", "--table", folder + "/current", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    process.lines, process.seen = [], threading.Condition()
    threading.Thread(target=process.read, daemon=True).start()
    with process as server:
        server.address = server.wait_line("listening on ").split("listening on ")[1].split(": ")[0]
        client = server.client()
        assert ask(client, "POST", "/v1/authorize", request(1))[1]["decision"] == "allow"
        os.symlink("two", folder + "/next")
        os.rename(folder + "/next", folder + "/current")
        server.wait_line("reloaded")
        assert ask(client, "POST", "/v1/authorize", request(2))[1]["decision"] == "allow"
        assert ask(client, "POST", "/v1/authorize", request(1))[1]["decision"] == "deny"
        server.stop()


def test_end(folder):
    plain(folder)
    with Server(folder) as server:
        idle, half = server.client(), server.connect()
        assert ask(idle, "GET", "/healthz")[0] == 200
        body = request().encode()
        half.sendall(b"POST /v1/authorize HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:20])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        server.wait_line("stopping")
        assert idle.sock.recv(10) == b""              # closed at once
        half.sendall(body[20:])                       # finished
        out = b""
        while part := half.recv(65536):
            out += part
        assert b" 200 " in out and b'"allow"' in out and b"Connection: close" in out, out
        assert server.process.wait(WAIT) == 0
    with Server(folder, "--grace", "300", "--request-time", "60000") as server:
        half = server.connect()
        half.sendall(b"POST /v1/authorize HTTP/1.1\r\n")
        time.sleep(0.3)
        begin = time.monotonic()
        server.stop()                                 # bounded, whatever clients do
        assert time.monotonic() - begin < WAIT / 3


def test_lines(folder):
    plain(folder)
    lines = [request(), request(2), "nonsense", "", request().replace('"D"', '"E"'), request(s="\u00e9\n\\"), '{"x":"' + "y" * (1 << 21) + '"}', request()]
    for source in ("-", folder + "/requests"):
        with open(folder + "/requests", "w") as file:
            file.write("\n".join(lines))              # the last line has no end
        run = subprocess.run([KERF, "authorize", "--table", folder + "/table.json", "--entities", folder + "/entities.json", "--requests", source],
                             input="\n".join(lines), capture_output=True, text=True, timeout=WAIT)
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        assert [a["decision"] if "decision" in a else a["error"]["code"] for a in answers] == [
            "allow", "deny", "not-json", "not-json", "no-environment", "allow", "too-large", "allow"], answers
        assert run.returncode == 1
    with subprocess.Popen([KERF, "authorize", "--table", folder + "/table.json", "--entities", folder + "/entities.json", "--requests", "-"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for x in (1, 2, 1):                           # answered without waiting for more
            process.stdin.write(request(x) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["decision"] == ("allow" if x == 1 else "deny")
        process.stdin.close()
        assert process.wait(WAIT) == 0


def main():
    cases = {name[5:]: function for name, function in globals().items() if name.startswith("test_")}
    for name in sys.argv[3:] or cases:
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            cases[name](folder)
        print(f"{name}: ok, {time.monotonic() - begin:.1f} s", flush=True)


main()
