// SPDX-License-Identifier: Apache-2.0

// Package tcpadvisorqueue tells every running tcpadvisor how many bytes wait in calls of Write (docs/user-queues.md).
// conn := tcpadvisorqueue.Wrap(what Accept or Dial returned, as *net.TCPConn), below a bufio.Writer or crypto/tls. Close it, or it is
// kept for ever. io.Copy from a file does not use sendfile(2) then.
package tcpadvisorqueue

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type conn struct {
	queued, waiting int64 // bytes in calls of Write that the kernel has not taken; the calls
	net.Conn              // the interface: it has no ReadFrom, so io.Copy calls Write
	raw             syscall.RawConn
}

var conns sync.Map

func init() { go publish() }

func Wrap(tcp *net.TCPConn) net.Conn {
	raw, _ := tcp.SyscallConn() // fails only for nil
	c := &conn{Conn: tcp, raw: raw}
	conns.Store(c, nil)
	return c
}
func (c *conn) Close() error { conns.Delete(c); return c.Conn.Close() }

func (c *conn) Write(p []byte) (n int, err error) { // calls take turns and deadlines hold, as in TCPConn
	atomic.AddInt64(&c.queued, int64(len(p)))
	atomic.AddInt64(&c.waiting, 1)
	err = c.raw.Write(func(fd uintptr) bool {
		for k, why := 0, error(nil); n < len(p); n += k {
			if k, why = syscall.Write(int(fd), p[n:]); k <= 0 {
				return why != syscall.EAGAIN // then once more when there is room
			}
			atomic.AddInt64(&c.queued, int64(-k))
		}
		return true
	})
	atomic.AddInt64(&c.waiting, -1)
	atomic.AddInt64(&c.queued, int64(n-len(p)))
	if err == nil && n < len(p) { // TCPConn has its own words for what is wrong
		k, why := c.Conn.Write(p[n:])
		return n + k, why
	}
	return n, err
}

func publish() { // the longest queues; an agent that has gone or does not read misses this turn
	out, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	for ; err == nil; time.Sleep(time.Second / 2) {
		lines := []string{}
		conns.Range(func(key, _ any) bool {
			c := key.(*conn)
			lines = append(lines, fmt.Sprintf("tcpadvisor-queue 1 queued=%016d waiting=%d local=%v remote=%v name=Write\n",
				atomic.LoadInt64(&c.queued), atomic.LoadInt64(&c.waiting), c.LocalAddr(), c.RemoteAddr()))
			return true
		})
		sort.Sort(sort.Reverse(sort.StringSlice(lines)))
		dirs := []string{"/run/tcpadvisor/queues", os.Getenv("XDG_RUNTIME_DIR") + "/tcpadvisor/queues"}
		if chosen := os.Getenv("TCPADVISOR_QUEUES"); chosen != "" {
			dirs = []string{chosen}
		}
		for i := 0; i < len(lines) && i < 250; i += 25 { // a datagram has at most 8192 bytes, a line below 320
			datagram := []byte(strings.Join(append(lines, make([]string, 25)...)[i:i+25], ""))
			for _, dir := range dirs {
				agents, _ := filepath.Glob(dir + "/*.sock")
				for _, agent := range agents {
					_ = syscall.Sendto(out, datagram, syscall.MSG_DONTWAIT, &syscall.SockaddrUnix{Name: agent})
				}
			}
		}
	}
}
