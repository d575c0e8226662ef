// The addresses inside an instance. Instances share no link, so equal ones would
// do no harm; they differ so that a request which ends in the wrong cluster fails.

package instance

import "fmt"

// PodSubnet is what all pods are in.
func (i Instance) PodSubnet() string { return fmt.Sprintf("10.%d.0.0/16", 100+i.slot) }

// NodePodSubnet is what the pods of one node are in.
func (i Instance) NodePodSubnet(node int) string {
	return fmt.Sprintf("10.%d.%d.0/24", 100+i.slot, node)
}

// ServiceSubnet is what cluster IPs are in.
func (i Instance) ServiceSubnet() string { return fmt.Sprintf("10.%d.0.0/16", 150+i.slot) }

// APIServiceIP is the cluster IP of the API server.
func (i Instance) APIServiceIP() string { return fmt.Sprintf("10.%d.0.1", 150+i.slot) }

// DNSServiceIP is the cluster IP of CoreDNS.
func (i Instance) DNSServiceIP() string { return fmt.Sprintf("10.%d.0.10", 150+i.slot) }

// NodeIP is a node's own address.
func (i Instance) NodeIP(node int) string { return fmt.Sprintf("172.30.%d.%d", i.slot, 1+node) }

// GatewayIP is the router between the nodes, as each of them sees it.
func (i Instance) GatewayIP() string { return fmt.Sprintf("172.30.%d.254", i.slot) }

// APIServer is where the API server listens, as seen from a node.
func (i Instance) APIServer() string { return i.NodeIP(0) + ":6443" }
