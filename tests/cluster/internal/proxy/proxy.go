// Package proxy makes the API server, which listens in a node's network namespace,
// reachable from the host.
//
// Port-forward benchmarks run through it, so it adds as little as it can: bytes go
// from socket to socket inside the kernel (io.Copy between TCP connections is
// splice), nothing is limited, and each direction ends on its own.
package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Dial connects to the API server.
type Dial func() (net.Conn, error)

// Serve forwards connections until the listener is closed.
func Serve(l *net.TCPListener, dial Dial) error {
	for {
		client, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// Out of descriptors, most likely: others will be closed.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go forward(client, dial)
	}
}

func forward(client *net.TCPConn, dial Dial) {
	defer client.Close()
	c, err := dial()
	if err != nil {
		// As a closed port would do.
		client.SetLinger(0)
		return
	}
	server := c.(*net.TCPConn)
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { pump(client, server) })
	both.Go(func() { pump(server, client) })
	both.Wait()
}

// pump copies one direction. A clean end is passed on as one; on an error both
// connections are reset, which also ends the other direction.
func pump(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.SetLinger(0)
		from.SetLinger(0)
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite()
}
