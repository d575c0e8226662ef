package proxy

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dialTCP(t *testing.T, l net.Listener) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func TestTheServerMayAnswerAfterTheClientHasEnded(t *testing.T) {
	server, front := listen(t), listen(t)
	go Serve(front, func() (net.Conn, error) { return net.Dial("tcp4", server.Addr().String()) })
	client := dialTCP(t, front)
	if _, err := client.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	client.CloseWrite()

	accepted, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	question, err := io.ReadAll(accepted)
	if err != nil {
		t.Fatal(err)
	}
	accepted.Write(append(question, " answered"...))
	accepted.Close()
	answer, err := io.ReadAll(client)
	if err != nil || string(answer) != "question answered" {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestAServerThatIsAwayLooksLikeAClosedPort(t *testing.T) {
	front := listen(t)
	go Serve(front, func() (net.Conn, error) { return nil, errors.New("away") })
	// The reset may come before the connection is handed out, or after.
	client, err := net.Dial("tcp4", front.Addr().String())
	if err == nil {
		defer client.Close()
		_, err = client.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}

func TestAResetIsPassedOn(t *testing.T) {
	server, front := listen(t), listen(t)
	go Serve(front, func() (net.Conn, error) { return net.Dial("tcp4", server.Addr().String()) })
	client := dialTCP(t, front)
	accepted, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted.(*net.TCPConn).SetLinger(0)
	accepted.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}
