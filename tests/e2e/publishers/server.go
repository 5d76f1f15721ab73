// SPDX-License-Identifier: Apache-2.0
// Go: answers SIZE bytes to whoever connects, as server PORT SIZE.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"tcpadvisorqueue"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	size, _ := strconv.Atoi(os.Args[2])
	fmt.Println("ready")
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go func() { _, _ = tcpadvisorqueue.Wrap(conn.(*net.TCPConn)).Write(make([]byte, size)) }()
	}
}
