# SPDX-License-Identifier: Apache-2.0
# Just enough AMQP 0-9-1 for a consumer that stops reading, and prints how many bytes it has read by then, and for a
# producer: amqp.py PORT consume | produce MESSAGES SIZE
import socket, struct, sys, time


def short(text):
    return bytes([len(text)]) + text.encode()


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(channel, klass, number, arguments=b""):
    return frame(1, channel, struct.pack(">HH", klass, number) + arguments)


def read(size):
    global have_read
    have_read += size
    return sock.recv(size, socket.MSG_WAITALL)


def wait_for(klass, number):
    while True:
        kind, _, size = struct.unpack(">BHI", read(7))
        payload = read(size + 1)
        if kind == 1 and struct.unpack(">HH", payload[:4]) == (klass, number):
            return


sock, have_read = socket.create_connection(("127.0.0.1", int(sys.argv[1]))), 0
sock.sendall(b"AMQP\0\0\x09\x01")
wait_for(10, 10)  # connection.start
sock.sendall(method(0, 10, 11, struct.pack(">I", 0) + short("PLAIN") + struct.pack(">I", 12) + b"\0guest\0guest" + short("en_US")))
wait_for(10, 30)  # tune; its answer asks for no heartbeats
sock.sendall(method(0, 10, 31, struct.pack(">HIH", 10, 131072, 0)) + method(0, 10, 40, short("/") + b"\0\0"))
wait_for(10, 41)
sock.sendall(method(1, 20, 10, b"\0"))
wait_for(20, 11)
sock.sendall(method(1, 50, 10, struct.pack(">H", 0) + short("news") + struct.pack(">BI", 0, 0)))  # queue.declare
wait_for(50, 11)
if sys.argv[2] == "consume":
    sock.sendall(method(1, 60, 20, struct.pack(">H", 0) + short("news") + short("") + struct.pack(">BI", 2, 0)))  # no ack
    wait_for(60, 21)
    print(have_read, flush=True)
    time.sleep(60)
messages, size = int(sys.argv[3]), int(sys.argv[4])
for _ in range(messages):
    sock.sendall(method(1, 60, 40, struct.pack(">H", 0) + short("") + short("news") + b"\0") +
                 frame(2, 1, struct.pack(">HHQH", 60, 0, size, 0)) +
                 b"".join(frame(3, 1, b"x" * min(131064, size - at)) for at in range(0, size, 131064)))
sock.sendall(method(0, 10, 50, struct.pack(">HBHH", 200, 0, 0, 0)))
wait_for(10, 51)
print("produced", flush=True)
