// Package network makes the namespaces a node lives in and enters them.
//
// A node has a network namespace and a mount namespace. No file holds them, only
// the node's processes and the supervisor's descriptors: when those are dead, the
// kernel itself removes every link, route, nftables rule and mount of the node.
package network

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Namespaces are a node's network and mount namespace.
type Namespaces struct {
	net, mount *os.File
}

// New makes both; setUp runs inside, as the first. The network is empty until a router is connected.
func New(setUp func() error) (*Namespaces, error) {
	var n Namespaces
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("new namespaces: %w", err)
		}
		// Away from the host's mounts, then shared below: as on a machine of its own.
		for _, flags := range []uintptr{unix.MS_REC | unix.MS_PRIVATE, unix.MS_REC | unix.MS_SHARED} {
			if err := unix.Mount("", "/", "", flags, ""); err != nil {
				return fmt.Errorf("propagation of mounts: %w", err)
			}
		}
		if err := setUp(); err != nil {
			return err
		}
		var err error
		if n.net, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		n.mount, err = os.Open("/proc/thread-self/ns/mnt")
		return err
	})
	return &n, err
}

// Close lets go of both; the kernel removes them when no process is in them.
func (n *Namespaces) Close() {
	n.net.Close()
	n.mount.Close()
}

// Inode identifies the network namespace while it exists.
func (n *Namespaces) Inode() (uint64, error) {
	info, err := n.net.Stat()
	if err != nil {
		return 0, err
	}
	return info.Sys().(*syscall.Stat_t).Ino, nil
}

// inNet runs f inside the network namespace.
func (n *Namespaces) inNet(f func() error) error { return inNet(n.net, f) }

// Start starts a command inside both namespaces.
func (n *Namespaces) Start(c *exec.Cmd) error {
	return onThread(func() error {
		// A thread may enter a mount namespace only when it shares its root and
		// working folder with no other.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
		if err := unix.Setns(int(n.mount.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("enter mount namespace: %w", err)
		}
		if err := unix.Setns(int(n.net.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return c.Start()
	})
}

// Dial connects from inside the network namespace. The address is an IP address
// with port: a name would be resolved by another thread, outside.
func (n *Namespaces) Dial(d net.Dialer, network, address string) (c net.Conn, err error) {
	err = n.inNet(func() error {
		c, err = d.Dial(network, address)
		return err
	})
	return c, err
}

func inNet(namespace *os.File, f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread of its own, which ends with it: a thread that has
// changed its namespaces must not run other goroutines.
func onThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		result <- f()
	}()
	return <-result
}
