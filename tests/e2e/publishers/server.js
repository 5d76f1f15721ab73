// SPDX-License-Identifier: Apache-2.0
// Node: answers SIZE bytes to whoever connects, as server.js PUBLISHER PORT SIZE.
require(process.argv[2]).start()
const server = require('net').createServer((socket) => socket.write(Buffer.alloc(Number(process.argv[4]))))
server.listen(Number(process.argv[3]), '127.0.0.1')
