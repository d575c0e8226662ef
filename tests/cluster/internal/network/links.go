// The links of a node and the kernel settings it needs, made from inside.

package network

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

// SetUpLinks gives the network namespace it runs in a loopback, the node's address
// and forwarding. The address sits on a bridge: not every kernel has dummy devices.
func SetUpLinks(address string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	uplink := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	uplink.Name = "uplink"
	if err := netlink.LinkAdd(uplink); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	ip := &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(24, 32)}
	if err := netlink.AddrAdd(uplink, &netlink.Addr{IPNet: ip}); err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	if err := netlink.LinkSetUp(uplink); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	// Cluster IPs need some route, or connecting fails before it is translated.
	_, everywhere, _ := net.ParseCIDR("0.0.0.0/0")
	route := &netlink.Route{LinkIndex: uplink.Attrs().Index, Dst: everywhere, Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	return setSysctls()
}

// setSysctls writes settings that belong to the network namespace alone.
func setSysctls() error {
	for _, s := range []struct{ file, value, module string }{
		{"/proc/sys/net/ipv4/ip_forward", "1", ""},
		// Pods of one node reach each other over a bridge; what they send to a
		// cluster IP must still pass through address translation on its way back.
		{"/proc/sys/net/bridge/bridge-nf-call-iptables", "1", "br_netfilter"},
	} {
		if err := os.WriteFile(s.file, []byte(s.value), 0); err != nil {
			if s.module != "" {
				return fmt.Errorf("%w (load the kernel module %s)", err, s.module)
			}
			return err
		}
	}
	return nil
}
