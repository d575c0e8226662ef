// The network between the nodes: one router, in a network namespace of its own.
//
// It knows the way to each node and to its pods, and swallows everything else without
// a word, as the networks of clouds do: what is sent to a node that is away meets
// silence, and no "unreachable" that would tell the sender at once.

package network

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Router connects nodes.
type Router struct {
	net     *os.File
	gateway string
}

// NewRouter makes a router that has this address towards every node.
func NewRouter(gateway string) (*Router, error) {
	r := Router{gateway: gateway}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new namespace: %w", err)
		}
		if err := setUpLoopback(); err != nil {
			return err
		}
		if err := netlink.RouteAdd(&netlink.Route{Dst: everywhere, Type: unix.RTN_BLACKHOLE}); err != nil {
			return fmt.Errorf("default route: %w", err)
		}
		if err := setSysctls(forwarding); err != nil {
			return err
		}
		var err error
		r.net, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return &r, err
}

// Port is where a node is connected.
type Port struct {
	router        *Router
	name          string
	address, pods string
	hardware      net.HardwareAddr
}

// Connect connects a node that has this address and this network of pods.
func (r *Router) Connect(name string, n *Namespaces, address, pods string) (*Port, error) {
	var hardware net.HardwareAddr
	err := inNet(r.net, func() error {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = name
		err := netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: attributes, PeerName: uplink, PeerNamespace: netlink.NsFd(int(n.net.Fd())),
		})
		if err != nil {
			return fmt.Errorf("link to %s: %w", name, err)
		}
		link, err := netlink.LinkByName(name)
		if err == nil {
			hardware = link.Attrs().HardwareAddr
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p := &Port{router: r, name: name, address: address, pods: pods}
	err = n.inNet(func() (err error) {
		p.hardware, err = setUpNode(address, r.gateway, hardware)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, p.Up()
}

// Up lets packets through.
func (p *Port) Up() error {
	return inNet(p.router.net, func() error {
		link, err := setUpLink(p.name, p.router.gateway)
		if err != nil {
			return err
		}
		if err := addNeighbour(link, p.address, p.hardware); err != nil {
			return err
		}
		_, pods, err := net.ParseCIDR(p.pods)
		if err != nil {
			return err
		}
		node := &net.IPNet{IP: net.ParseIP(p.address), Mask: net.CIDRMask(32, 32)}
		for _, route := range []netlink.Route{
			{Dst: node, Scope: netlink.SCOPE_LINK},
			{Dst: pods, Gw: node.IP, Flags: int(netlink.FLAG_ONLINK)},
		} {
			route.LinkIndex = link.Attrs().Index
			if err := netlink.RouteReplace(&route); err != nil {
				return fmt.Errorf("route to %v: %w", route.Dst, err)
			}
		}
		return nil
	})
}

// Down swallows what comes from the node and, since the routes to it go, what others
// send to it.
func (p *Port) Down() error {
	return inNet(p.router.net, func() error {
		link, err := netlink.LinkByName(p.name)
		if err != nil {
			return fmt.Errorf("link %s: %w", p.name, err)
		}
		return netlink.LinkSetDown(link)
	})
}

// Disconnect takes the cable away.
func (p *Port) Disconnect() error {
	return inNet(p.router.net, func() error {
		link, err := netlink.LinkByName(p.name)
		if err != nil {
			return fmt.Errorf("link %s: %w", p.name, err)
		}
		return netlink.LinkDel(link)
	})
}
