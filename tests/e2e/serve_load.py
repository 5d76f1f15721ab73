# SPDX-License-Identifier: Apache-2.0
# serve_load.py PORT: what strangers may send to `tcpadvisor serve`, and many scrapers at once. Prints one line for each
# check that fails, how long a page took beside each kind of load (for people: nothing is compared with it), and
# "N checks" at its end.
import concurrent.futures
import http.client
import os
import random
import resource
import socket
import subprocess
import sys
import time

port = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
checks = 0


def check(what, holds, got=""):
    global checks
    checks += 1
    if not holds:
        print(f"FAILED: {what}: {got}")


def get(path, method="GET", headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def raw(data, wait=3.0):
    """What comes back for these bytes, as far as it comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as one:
        try:
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
            out = b""
            while part := one.recv(65536):
                out += part
            return out
        except OSError:
            return b""


def status_of(answer):
    parts = answer.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


def numbers():
    """Every series of a scrape by name and labels."""
    lines = get("/metrics")[2].decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


# A process of its own asks for a page 50 times a second, whatever else comes: "MONOTONIC MILLISECONDS", or "… cut" if it
# had to make room.
asks = """
import http.client, sys, time
while True:
    start = time.monotonic()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        whole = len(answer.read()) > 10000 and answer.status == 200
        print(start, (time.monotonic() - start) * 1000 if whole else "wrong", flush=True)
    except (OSError, http.client.HTTPException):
        print(start, "cut", flush=True)
    finally:
        connection.close()
    time.sleep(0.02)
"""
beside = subprocess.Popen([sys.executable, "-c", asks, str(port)], stdout=subprocess.PIPE, text=True)
phases = [("nothing", time.monotonic())]
time.sleep(1)
before = numbers()


def phase(name):
    phases.append((name, time.monotonic()))


phase("each page once, and requests that are wrong")
for path in ["/", "/metrics", "/healthz", "/readyz", "/api/v1/sample", "/api/v1/report", "/api/v1/coverage", "/api/v1/metrics"]:
    status, headers, body = get(path)
    check(f"GET {path}", status == 200 and len(body) > 0, status)
    status, headers, body = get(path, "HEAD")
    check(f"HEAD {path}", status == 200 and body == b"" and int(headers["Content-Length"]) > 0, (status, headers))
status, headers, body = get("/api/v1/events", "HEAD")
check("HEAD of events ends", status == 200, status)

for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"]:
    status, headers, body = get("/metrics", method, body=b"x" if method in ("POST", "PUT") else None)
    check(method, status == 405 and headers.get("Allow") == "GET, HEAD", (status, headers))
check("an unknown method", status_of(raw(b"BREW /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")) in (400, 405, 501))
for path in ["/metrics/../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd", "/metrics%00", "/..%5c..", "/nothing", "//metrics", "/./metrics",
             "/metrics/", "/METRICS", "/page/", "/page/../live.js", "/page/%2e%2e/live.js", "/page/live.js%00", "/explain/", "/explain/x%00",
             "/explain/../metrics", "/explain/" + "a" * 4000, "/api/v1/", "/api/v1/events/", "/%6detrics", "/metrics;x=1"]:
    check(f"GET {path[:60]}", get(path)[0] == 404, get(path)[0])
for target, wanted in [("http://127.0.0.1/metrics", 200), ("HTTP://localhost:1/healthz?x", 200), ("http://evil.example/metrics", 403),
                       ("https://[::1/metrics", 403), ("http://", 403), ("*", 400), ("metrics", 400), ("/metrics?a=%00&b=//#c", 200)]:
    status = status_of(raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()))
    check(f"the target {target}", status == wanted or (status == 400 and wanted == 403), status)
for name, request in [
        ("two Hosts", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"),
        ("1,000 headers", b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(1000)) + b"\r\n"),
        ("a header of 1 MB", b"GET /healthz HTTP/1.1\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n"),
        ("headers without an end", b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 20000),
        ("a name of 64 KB", b"GET /healthz HTTP/1.1\r\n" + b"X" * 65536 + b": y\r\n\r\n"),
        ("a NUL in a header", b"GET /healthz HTTP/1.1\r\nHost: local\0host\r\n\r\n"),
        ("a folded header", b"GET /healthz HTTP/1.1\r\nHost: local\r\n\thost\r\n\r\n"),
        ("no version", b"GET /healthz\r\n\r\n"), ("a version of its own", b"GET /healthz HTTP/9.9\r\n\r\n"),
        ("a body of 2^63", b"GET /healthz HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n"),
        ("chunks of no size", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx"),
        ("100 requests at once", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)]:
    raw(request, wait=1.0)
    check(f"it lives after {name}", get("/healthz")[0] == 200)
check("another Host", get("/metrics", headers={"Host": "evil.example"})[0] == 403)
check("headers of 9 KB", status_of(raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9216 + b"\r\n\r\n")) in (400, 413, 431))
check("a target of 1 MB", status_of(raw(b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n")) in (0, 400, 413, 414))
body = raw(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000)
check("a body of 70 KB", status_of(body) in (0, 400, 413), body[:60])
check("a body that is never sent", status_of(raw(b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n")) in (0, 400, 405))

phase("random bytes, and requests with bytes changed")
generator = random.Random(20261130)
for _ in range(150):
    raw(generator.randbytes(generator.randrange(1, 4000)), wait=1.0)
    changed = bytearray(b"GET /explain/close-wait-leak?x HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain;q=0.5\r\nConnection: close\r\n\r\n")
    for _ in range(generator.randrange(1, 6)):
        changed[generator.randrange(len(changed))] = generator.randrange(256)
    raw(bytes(changed), wait=1.0)
check("it lives after random bytes", get("/healthz")[0] == 200)


def scrape(_):
    start = time.monotonic()
    status, _, body = get("/metrics")
    return status, len(body), time.monotonic() - start


phase("200 scrapers")
with concurrent.futures.ThreadPoolExecutor(200) as pool:
    results = list(pool.map(scrape, range(1000)))
check("200 scrapers at once", all(status == 200 and size > 10000 for status, size, _ in results),
      [result for result in results if result[0] != 200][:3])

# Half of a request, from fewer and from more than may be connected. The limit is theirs, not ours.
half = []
for wanted in (64, 1200):
    phase(f"{wanted} half requests")
    while len(half) < wanted:
        try:
            one = socket.create_connection(("127.0.0.1", port), timeout=5)
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: loc")
            half.append(one)
        except OSError as error:
            check(f"connect beside {len(half)} half requests", False, error)
            break
    answered = 0
    for _ in range(10):
        try:
            answered += scrape(0)[0] == 200
        except (OSError, http.client.HTTPException):
            pass
    check(f"scrapes beside {wanted} half requests", answered == 10, answered)
    time.sleep(1.2)  # a tick, after which the numbers are new
    now = numbers()
    check("at most 256 are open", now["tcpadvisor_http_connections"] <= 257, now["tcpadvisor_http_connections"])
check("who made room is counted", now['tcpadvisor_http_connections_unanswered_total{reason="displaced"}'] > 900)
phase("nobody else")
time.sleep(6)
gone = 0
for one in half:
    one.settimeout(0.2)
    try:
        gone += one.recv(100) == b""
    except ConnectionError:
        gone += 1
    except OSError:
        pass
    one.close()
check("half requests are cut off after 5 s", gone == len(half), f"{gone} of {len(half)}")

# Those who do not read: pages, and more readers of events than there may be. And one who does.
phase("slow readers of pages and events")


def slow_reader(path):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", port))
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return one


slow = [slow_reader("/metrics") for _ in range(64)] + [slow_reader("/api/v1/events") for _ in range(31)]
quick = socket.create_connection(("127.0.0.1", port), timeout=10)
quick.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
events = b""
while events.count(b"event: tick") < 3:
    part = quick.recv(65536)
    if not part:
        break
    events += part
check("each tick is an event", events.count(b"event: tick") >= 3, events[:200])
check("it is an event stream", b"Content-Type: text/event-stream" in events)
slow += [slow_reader("/api/v1/events") for _ in range(8)]
check("one reader too many is told so", status_of(slow[-1].recv(100)) == 503)
time.sleep(1.2)
now = numbers()
check("32 read events", now["tcpadvisor_http_event_streams"] == 32 == now["tcpadvisor_http_event_streams_limit"],
      now["tcpadvisor_http_event_streams"])
check("those that were too many are counted", now['tcpadvisor_http_requests_total{endpoint="/api/v1/events",code="503"}'] == 8)
quick.close()
for one in slow:
    one.close()
phase("nobody else")
time.sleep(1.2)
check("it lives after readers have gone", get("/healthz")[0] == 200)
now = numbers()
check("and they are not readers any more", now["tcpadvisor_http_event_streams"] == 0, now["tcpadvisor_http_event_streams"])
for reason in ("timed_out", "displaced", "without_request"):
    check(f"{reason} is counted", now[f'tcpadvisor_http_connections_unanswered_total{{reason="{reason}"}}'] > 0)
for code in (400, 403, 404, 405):
    check(f"{code} is counted", sum(value for name, value in now.items() if "http_requests_total" in name and f'"{code}"' in name) > 0)
ticks, late, missed = (now[f"tcpadvisor_{name}_total"] - before[f"tcpadvisor_{name}_total"] for name in ("ticks", "late_ticks", "missed_ticks"))
# Half a second is the interval: on a machine that has other things to do some may be late.
check("sampling goes on beside all that", ticks > 10 and late <= 2 + ticks / 5 and missed <= 2, (ticks, late, missed))
beside.kill()
times = [line.split() for line in beside.stdout if line.count(" ") == 1]
check("no page was wrong", all(took != "wrong" for _, took in times))
for (name, start), (_, end) in zip(phases, phases[1:] + [("", time.monotonic())]):
    took = [took for at, took in times if start <= float(at) < end]
    whole = sorted(float(one) for one in took if one != "cut")
    if whole:
        print(f"/metrics beside {name}: {len(whole)} times, median {whole[len(whole) // 2]:.1f} ms, p99 {whole[len(whole) * 99 // 100]:.1f} ms, "
              f"{len(took) - len(whole)} cut off")
print(f"{ticks:.0f} ticks, {late:.0f} late by more than one, {missed:.0f} missed")
print(f"{checks} checks")
os._exit(0)
