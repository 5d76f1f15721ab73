# SPDX-License-Identifier: Apache-2.0
# A process without rights that holds one real connection and says hostile things about it and about others: every key,
# every kind of number, every length. usage: hostile_speaker.py DIRECTORY DATAGRAMS SEED
import glob, os, random, socket, sys, time

directory, datagrams, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
# The smallest buffers, and full: then more rules listen to what is said about the queue in front of them.
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
listener.bind(("127.0.0.1", 0))
listener.listen()
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
client.connect(listener.getsockname())
server, _ = listener.accept()
client.setblocking(False)
try:
    while True:
        client.send(b"x" * 100)
except BlockingIOError:
    pass


def name(address):
    return f"{address[0]}:{address[1]}"


true = f"local={name(client.getsockname())} remote={name(client.getpeername())}"
cookie = int.from_bytes(client.getsockopt(socket.SOL_SOCKET, 57, 8), sys.byteorder)  # SO_COOKIE
keys = ("queued high low busy waiting suspended waited_ms mq mq_high mq_low mq_busy pending_shutdown accepted bypassed "
        "dropped refused ended name cookie local remote").split()
numbers = [0, 1, 2, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 20_000_000_000, 2**53 - 1, 2**53, 2**53 + 1, 2**63, 2**64 - 1,
           2**64, 10**40, -1]
odd = ["", "x", "\0", "\x1b[2J", "\xff" * 40, "=" * 50, "9" * 5000, "1e9", "0x10", "127.0.0.1:0", "[::1]:99999", " "]


def value():
    return str(random.choice(numbers)) if random.random() < 0.7 else random.choice(odd)


def line():
    who = random.choice([true, true, f"cookie={cookie}", f"cookie={random.choice(numbers)}",
                         f"local=127.0.0.{random.randrange(256)}:{random.randrange(65536)} remote=127.0.0.1:1"])
    more = " ".join(f"{key}={value()}" for key in random.sample(keys, random.randrange(1, len(keys))))
    return f"tcpadvisor-queue {random.choice([1, 1, 1, 1, 2])} {who} queued={random.choice(numbers)} {more}"


def believable():
    """What passes every check of the text: it gets as far as the rules."""
    small = [n for n in numbers if 0 <= n <= 2**53]
    parts = [f"{key}={random.choice(small)}" for key in "high low waited_ms mq mq_high mq_low accepted bypassed dropped "
             "refused".split() if random.random() < 0.8]
    parts += [f"{key}={random.choice([0, 1])}" for key in "busy mq_busy pending_shutdown".split()]
    parts += [f"{key}={random.choice([0, 1, 2**31, 2**32 - 1])}" for key in "waiting suspended".split()]
    return f"tcpadvisor-queue 1 {true} queued={random.choice(small)} " + " ".join(parts)


speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
speaker.setblocking(False)
sent = streamed = 0
streams = {}  # some for each agent, more than a process may have; many are cut off in the middle of a line


def stream(data):
    """The same over streams: nothing waits for an agent that does not read, or has closed."""
    global streamed
    for path in glob.glob(os.path.join(directory, "*.stream")):
        key = path, random.randrange(8)
        try:
            if key not in streams:
                streams[key] = socket.socket(socket.AF_UNIX)
                streams[key].setblocking(False)
                streams[key].connect(path)
            streams[key].send(data + b"\n" * random.randrange(2))
            streamed += 1
        except BlockingIOError:
            pass
        except OSError:
            streams.pop(key).close()


for turn in range(datagrams):
    kind = turn % 4
    if kind == 0:
        text = believable()
    elif kind == 1:
        text = "\n".join(line() for _ in range(random.randrange(1, 60)))
    elif kind == 2:
        text = line()[:random.randrange(1, 300)]
    else:
        text = os.urandom(random.choice([0, 1, 60, 511, 512, 8191, 8192, 8193, 60_000])).decode("latin-1")
    data = text.encode("latin-1")
    stream(data)
    for path in glob.glob(os.path.join(directory, "*.sock")):
        for _ in range(50):  # a full socket is not the end of the attack
            try:
                speaker.sendto(data, path)
                sent += 1
                break
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                break
    if turn % 500 == 0:
        time.sleep(0.3)  # so that several ticks see it
# And the same for long enough to be taken for a queue that stands: rules look at several ticks.
for queued, high in ((20_000_000_000, 1), (2**53, 1), (2**53, 2**53)):
    for _ in range(20):
        word = (f"tcpadvisor-queue 1 {true} queued={queued} high={high} low=0 busy=1 waiting=1 suspended=3 "
                f"waited_ms=60000 mq={queued} mq_high={high} mq_low=0 mq_busy=1 accepted={queued} name=P")
        for path in glob.glob(os.path.join(directory, "*.sock")):
            try:
                speaker.sendto(word.encode(), path)
                sent += 1
            except OSError:
                pass
        time.sleep(0.25)
assert streamed > datagrams / 100, streamed
print(f"{sent} datagrams sent, {streamed} pieces of streams, {true}", flush=True)
