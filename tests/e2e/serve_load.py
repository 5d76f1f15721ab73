# SPDX-License-Identifier: Apache-2.0
# serve_load.py PORT: what strangers may send to `tcpadvisor serve`, and many scrapers at once. Prints one line for each
# check that fails, and "N checks" at its end.
import concurrent.futures
import http.client
import os
import random
import socket
import sys
import time

port = int(sys.argv[1])
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
for path in ["/metrics/../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd", "/metrics%00", "/..%5c..", "/nothing"]:
    check(f"GET {path}", get(path)[0] == 404)
check("another Host", get("/metrics", headers={"Host": "evil.example"})[0] == 403)
check("headers of 9 KB", status_of(raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9216 + b"\r\n\r\n")) in (400, 413, 431))
check("a target of 1 MB", status_of(raw(b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n")) in (0, 400, 413, 414))
body = raw(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000)
check("a body of 70 KB", status_of(body) in (0, 400, 413), body[:60])
check("a body that is never sent", status_of(raw(b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n")) in (0, 400, 405))

generator = random.Random(20261130)
for _ in range(100):
    raw(generator.randbytes(generator.randrange(1, 4000)), wait=1.0)
check("it lives after random bytes", get("/healthz")[0] == 200)


def scrape(_):
    start = time.monotonic()
    status, _, body = get("/metrics")
    return status, len(body), time.monotonic() - start


with concurrent.futures.ThreadPoolExecutor(200) as pool:
    results = list(pool.map(scrape, range(1000)))
check("200 scrapers at once", all(status == 200 and size > 10000 for status, size, _ in results),
      [result for result in results if result[0] != 200][:3])

# Half of a request, from more than may be connected. The limit is theirs, not ours.
half = []
for i in range(600):
    try:
        one = socket.create_connection(("127.0.0.1", port), timeout=5)
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: loc")
        half.append(one)
    except OSError as error:
        check("connect beside half requests", False, error)
        break
check("a scrape beside 600 half requests", scrape(0)[0] == 200)
time.sleep(1.2)  # a tick, after which the numbers are new
text = get("/metrics")[2].decode()
numbers = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}
check("at most 256 are open", numbers["tcpadvisor_http_connections"] <= 257, numbers["tcpadvisor_http_connections"])
check("who made room is counted", numbers['tcpadvisor_http_connections_unanswered_total{reason="displaced"}'] > 300)
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

# One who does not read its events, and one who does.
slow = socket.socket()
slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
slow.connect(("127.0.0.1", port))
slow.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
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
quick.close()
slow.close()
time.sleep(1.2)
check("it lives after readers have gone", get("/healthz")[0] == 200)
print(f"{checks} checks")
os._exit(0)
