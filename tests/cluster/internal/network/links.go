// The links of a node and the kernel settings it needs, made from inside.

package network

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

// uplink is a node's link to the router.
const uplink = "uplink"

// everywhere is the destination of a default route.
var everywhere = &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}

// setUpNode gives the network namespace it runs in, which has the uplink already, the
// node's address, forwarding, and the router as the way to everything else. That is
// also where cluster IPs would go: without a route, connecting fails before they are
// translated.
func setUpNode(address, gateway string, router net.HardwareAddr) (net.HardwareAddr, error) {
	if err := setUpLoopback(); err != nil {
		return nil, err
	}
	link, err := setUpLink(uplink, address)
	if err != nil {
		return nil, err
	}
	if err := addNeighbour(link, gateway, router); err != nil {
		return nil, err
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: everywhere,
		Gw: net.ParseIP(gateway), Src: net.ParseIP(address), Flags: int(netlink.FLAG_ONLINK),
	}
	if err := netlink.RouteReplace(route); err != nil {
		return nil, fmt.Errorf("default route: %w", err)
	}
	return link.Attrs().HardwareAddr, setSysctls(forwarding, bridged)
}

func setUpLoopback() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}

// setUpLink gives a link an address of its own and no network around it.
func setUpLink(name, address string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	ip := &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(32, 32)}
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ip}); err != nil {
		return nil, fmt.Errorf("address %s: %w", address, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	return link, nil
}

// addNeighbour says for ever which hardware address an address has. Nobody asks for
// it then, and nobody learns from a missing answer that a node is away.
func addNeighbour(link netlink.Link, address string, hardware net.HardwareAddr) error {
	err := netlink.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, Family: netlink.FAMILY_V4, State: netlink.NUD_PERMANENT,
		IP: net.ParseIP(address), HardwareAddr: hardware,
	})
	if err != nil {
		return fmt.Errorf("neighbour %s: %w", address, err)
	}
	return nil
}

// sysctl is a setting that belongs to the network namespace alone.
type sysctl struct{ file, value, module string }

var (
	forwarding = sysctl{"/proc/sys/net/ipv4/ip_forward", "1", ""}
	// Pods of one node reach each other over a bridge; what they send to a
	// cluster IP must still pass through address translation on its way back.
	bridged = sysctl{"/proc/sys/net/bridge/bridge-nf-call-iptables", "1", "br_netfilter"}
)

func setSysctls(settings ...sysctl) error {
	for _, s := range settings {
		if err := os.WriteFile(s.file, []byte(s.value), 0); err != nil {
			if s.module != "" {
				return fmt.Errorf("%w (load the kernel module %s)", err, s.module)
			}
			return err
		}
	}
	return nil
}
