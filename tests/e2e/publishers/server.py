# SPDX-License-Identifier: Apache-2.0
# asyncio: answers SIZE bytes to whoever connects, as server.py PORT SIZE. It waits for room, as a program should.
import asyncio, sys
import tcpadvisor_queue


async def answer(reader, writer):
    writer.write(b"x" * int(sys.argv[2]))
    await writer.drain()


async def main():
    tcpadvisor_queue.start()
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
