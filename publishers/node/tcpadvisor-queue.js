// SPDX-License-Identifier: Apache-2.0
// Tells every running tcpadvisor how many bytes wait in the sockets of this process, in front of the kernel
// (docs/user-queues.md). Node 18 or later, nothing else.
//   require('./tcpadvisor-queue').start()            all TCP sockets, from now on: load it first
//   require('./tcpadvisor-queue').start([socket])    these, and what is added to the array
// Returns a function that ends it. Node has no Unix datagrams, so it speaks over the agent's streams.
'use strict'
const fs = require('fs'), net = require('net'), diagnostics = require('diagnostics_channel')

const PERIOD_MS = 500, MOST = 250, FULL = 256 * 1024 // sockets a round, the longest queues first; bytes that wait for an agent
const speakers = new Map() // a stream for each agent, by path

// What libuv has taken counts in writableLength until all of its chunk has gone to the kernel.
function queued(socket) {
  const state = socket._writableState, handle = socket._handle
  if (!state || !handle || !(handle.writeQueueSize >= 0)) return socket.writableLength
  return socket.writableLength - (state.writing ? state.writelen : 0) + handle.writeQueueSize
}

const address = (host, port) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

function line(socket) {
  const busy = socket.writableNeedDrain ? 1 : 0, ending = socket.writableEnded && !socket.writableFinished ? 1 : 0
  return `tcpadvisor-queue 1 local=${address(socket.localAddress, socket.localPort)} ` +
    `remote=${address(socket.remoteAddress, socket.remotePort)} queued=${queued(socket)} accepted=${socket.bytesWritten} ` +
    `high=${socket.writableHighWaterMark} low=0 busy=${busy} pending_shutdown=${ending} name=Writable\n`
}

function agents() {
  const own = process.env.TCPADVISOR_QUEUES
  const places = own ? [own] : ['/run/tcpadvisor/queues', `${process.env.XDG_RUNTIME_DIR}/tcpadvisor/queues`]
  return places.flatMap((place) => {
    try { return fs.readdirSync(place).filter((name) => name.endsWith('.stream')).map((name) => `${place}/${name}`) } catch { return [] }
  })
}

// Who has gone is forgotten, and who does not read misses this turn and hears the next one.
function speak(text) {
  for (const path of agents()) {
    let out = speakers.get(path)
    if (!out) {
      speakers.set(path, out = net.connect({ path }).unref())
      out.on('error', () => {}).on('close', () => speakers.delete(path))
    }
    if (out.writableLength < FULL) out.write(text)
  }
}

exports.start = (sockets) => {
  const all = sockets || new Set()
  const add = ({ socket }) => all.add(socket) && socket.once('close', () => all.delete(socket))
  const channels = sockets ? [] : ['net.client.socket', 'net.server.socket'].map((name) => diagnostics.channel(name))
  for (const channel of channels) channel.subscribe(add)
  const timer = setInterval(() => {
    const told = [...all].filter((socket) => socket.remotePort && socket.localPort).map((socket) => [queued(socket), line(socket)])
    const lines = told.sort((a, b) => b[0] - a[0]).slice(0, MOST).map((one) => one[1])
    if (lines.length) speak(lines.join(''))
  }, PERIOD_MS).unref()
  return () => {
    clearInterval(timer)
    for (const channel of channels) channel.unsubscribe(add)
  }
}
