// The nodes of an instance. The first has the control plane and is always there;
// what belongs to it alone lies where it lies in a cluster of one node.

package instance

import (
	"fmt"
	"path/filepath"
)

// MaxNodes is how many nodes an instance can have, the first included.
const MaxNodes = 50

// Node is one node of an instance.
type Node struct {
	Instance Instance
	// Index decides its addresses, folder and cgroup; an index may be used again
	// when its node was removed.
	Index int
	// Name is what Kubernetes calls it.
	Name string
}

// UsualName is what nodes are called if nobody says otherwise.
func UsualName(number int) string { return fmt.Sprintf("node%d", number) }

// Node is the node with this index.
func (i Instance) Node(index int, name string) (Node, error) {
	if !validName.MatchString(name) {
		return Node{}, fmt.Errorf("node name %q: use 1 to 40 small letters, digits and dashes", name)
	}
	if index < 0 || index >= MaxNodes {
		return Node{}, fmt.Errorf("a cluster has at most %d nodes", MaxNodes)
	}
	return Node{i, index, name}, nil
}

// First is the node of the control plane.
func (i Instance) First() Node { return Node{i, 0, UsualName(0)} }

// IsFirst says whether the control plane is on it.
func (n Node) IsFirst() bool { return n.Index == 0 }

// Dir is the folder of all that the node alone has.
func (n Node) Dir() string {
	if n.IsFirst() {
		return n.Instance.Dir
	}
	// Short, because of the socket in it.
	return n.Instance.Path(fmt.Sprintf("n%d", n.Index))
}

// Path is a path below the node's folder.
func (n Node) Path(elem ...string) string {
	return filepath.Join(append([]string{n.Dir()}, elem...)...)
}

// IP is its own address.
func (n Node) IP() string { return n.Instance.NodeIP(n.Index) }

// PodSubnet is what its pods are in.
func (n Node) PodSubnet() string { return n.Instance.NodePodSubnet(n.Index) }

// ContainerdSocket is the socket as the host sees it; the node sees it below /run.
func (n Node) ContainerdSocket() string { return n.Path("run", "containerd", "containerd.sock") }

// Cgroup is the cgroup of its processes and pods.
func (n Node) Cgroup() string {
	if n.IsFirst() {
		return n.Instance.Cgroup()
	}
	return fmt.Sprintf("%s/node%d", n.Instance.Cgroup(), n.Index)
}

// Component is what one of its components is called, in the record and for logs.
func (n Node) Component(program string) string {
	if n.IsFirst() {
		return program
	}
	return program + "-" + n.Name
}
