# SPDX-License-Identifier: Apache-2.0
"""Tells every running tcpadvisor how many bytes wait in asyncio's write buffers, in front of the kernel
(docs/user-queues.md). Python 3.7 or later, nothing else.

    tcpadvisor_queue.start()                     in a running loop: all its TCP connections
    tcpadvisor_queue.start([writer.transport])   these, and what is added to the list; needed with uvloop

Returns the task; its cancel() ends it."""
import asyncio, glob, os, socket

PERIOD_S = 0.5
MOST = 250   # connections a round, the longest queues first
LINES = 25   # a datagram is at most 8192 bytes, a line below 320


def start(transports=None):
    return asyncio.get_running_loop().create_task(run(transports))


async def run(transports):
    everything = getattr(asyncio.get_running_loop(), "_transports", {})  # asyncio's own record, by descriptor
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        while True:
            queues = [q for q in map(queue_of, list(everything.values() if transports is None else transports)) if q]
            queues.sort(reverse=True)
            lines = [line for _, line in queues[:MOST]]
            for i in range(0, len(lines), LINES):
                speak(out, "".join(lines[i:i + LINES]).encode())
            await asyncio.sleep(PERIOD_S)


def queue_of(transport):
    """Bytes and line; None if there is nothing to tell: it is closed, not connected, or no TCP."""
    try:
        local, remote = (address(transport.get_extra_info(end)) for end in ("sockname", "peername"))
        queued, (low, high) = transport.get_write_buffer_size(), transport.get_write_buffer_limits()
        return queued, (f"tcpadvisor-queue 1 local={local} remote={remote} queued={queued} high={high} low={low} "
                        f"pending_shutdown={int(transport.is_closing())} name=asyncio\n")
    except Exception:  # whatever it is, the program goes on
        return None


def address(name):
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def speak(out, datagram):
    """Agents come and go: who is not there, or does not read, misses this turn and hears the next one."""
    chosen = os.environ.get("TCPADVISOR_QUEUES")
    places = [chosen] if chosen else ["/run/tcpadvisor/queues", os.environ.get("XDG_RUNTIME_DIR", "") + "/tcpadvisor/queues"]
    for agent in (path for place in places for path in glob.glob(place + "/*.sock")):
        try:
            out.sendto(datagram, agent)
        except OSError:
            pass
