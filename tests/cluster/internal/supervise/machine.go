// One node as the machine sees it: namespaces, a cable, processes.

package supervise

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"devbridge.dev/tests/cluster/internal/cleanup"
	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/network"
	"devbridge.dev/tests/cluster/internal/node"
)

// machine is a node's.
type machine struct {
	node instance.Node

	// mutex is held during an operation.
	mutex   sync.Mutex
	state   instance.State
	removed bool
	// namespaces and port are there unless the node is stopped.
	namespaces *network.Namespaces
	port       *network.Port
	netNS      uint64
}

// plugIn makes a node's namespaces and connects them.
func (s *supervisor) plugIn(m *machine) (err error) {
	m.namespaces, err = network.New(func() error { return network.SetUpMounts(m.node.Dir()) })
	if err != nil {
		return err
	}
	if m.netNS, err = m.namespaces.Inode(); err != nil {
		return err
	}
	name := fmt.Sprintf("node%d", m.node.Index)
	m.port, err = s.router.Connect(name, m.namespaces, m.node.IP(), m.node.PodSubnet())
	if err != nil {
		return err
	}
	s.become(m, instance.Running)
	return nil
}

// pullPlug ends a node's network, then its processes: they can say goodbye to nobody.
// It may be called again, and after plugIn went wrong.
func (s *supervisor) pullPlug(m *machine) error {
	var problems []error
	if m.port != nil {
		problems = append(problems, m.port.Disconnect())
		m.port = nil
	}
	await := s.processes.forget(m)
	problems = append(problems, cleanup.StopNode(m.node, m.netNS))
	if err := errors.Join(problems...); err != nil {
		return err
	}
	await()
	if m.namespaces != nil {
		m.namespaces.Close()
		m.namespaces = nil
	}
	m.netNS = 0
	s.become(m, instance.Stopped)
	return nil
}

// become writes a node's new state down.
func (s *supervisor) become(m *machine, state instance.State) {
	m.state = state
	now := instance.NodeRecord{Name: m.node.Name, Index: m.node.Index, State: state, NetNS: m.netNS}
	s.processes.update(func(r *instance.Record) {
		for n := range r.Nodes {
			if r.Nodes[n].Index == m.node.Index {
				r.Nodes[n] = now
				return
			}
		}
		r.Nodes = append(r.Nodes, now)
	})
}

// forget writes down that a node is no more.
func (s *supervisor) forget(m *machine) {
	s.processes.update(func(r *instance.Record) {
		r.Nodes = slices.DeleteFunc(r.Nodes, func(n instance.NodeRecord) bool { return n.Index == m.node.Index })
	})
}

// copyImages gives a node all images of the first one that it lacks.
func (s *supervisor) copyImages(m *machine) error {
	list := func(n instance.Node) (map[string]string, error) {
		table, err := s.processes.run(node.ListCommand(n))
		return node.ParseImages(table), err
	}
	wanted, err := list(s.instance.First())
	if err != nil {
		return err
	}
	has, err := list(m.node)
	if err != nil {
		return err
	}
	var missing []string
	for name, digest := range wanted {
		if has[name] != digest {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	archive := m.node.Path("images.tar")
	defer os.Remove(archive)
	if _, err := s.processes.run(node.ExportCommand(s.instance.First(), archive, missing)); err != nil {
		return err
	}
	_, err = s.processes.run(node.ImportCommand(m.node, archive))
	return err
}
