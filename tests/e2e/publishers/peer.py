# SPDX-License-Identifier: Apache-2.0
# A peer that connects and stops reading: peer.py PORT [TEXT-TO-SEND-FIRST]
import socket, sys, time
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
if len(sys.argv) > 2:
    peer.sendall(sys.argv[2].encode().decode("unicode_escape").encode())
time.sleep(60)
