// Nodes that are added to a running cluster, stopped, frozen, started and removed.

package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"devbridge.dev/tests/cluster/internal/cgroup"
	"devbridge.dev/tests/cluster/internal/cleanup"
	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/node"
)

// freezeLimit is how long processes may take until none of them runs.
const freezeLimit = 5 * time.Second

// errFirst protects the control plane.
var errFirst = errors.New("the first node has the control plane: stop or freeze another node, or the API server alone")

// nodes are those beside the first.
type nodes struct {
	mutex    sync.Mutex
	machines map[int]*machine
	// last is the index that was given last: addresses of a node that was removed are
	// not another's soon, while Kubernetes still speaks of its pods.
	last int
}

// reserve finds a place for a node; an empty name means the usual one.
func (s *supervisor) reserve(name string) (*machine, error) {
	s.nodes.mutex.Lock()
	defer s.nodes.mutex.Unlock()
	names := map[string]bool{s.instance.First().Name: true}
	for _, m := range s.nodes.machines {
		names[m.node.Name] = true
	}
	if names[name] {
		return nil, fmt.Errorf("there is a node %s already", name)
	}
	for number := 1; name == "" || names[name]; number++ {
		name = instance.UsualName(number)
	}
	for range instance.MaxNodes - 1 {
		s.nodes.last = 1 + s.nodes.last%(instance.MaxNodes-1)
		n, err := s.instance.Node(s.nodes.last, name)
		if err != nil {
			return nil, err
		}
		if s.nodes.machines[n.Index] != nil {
			continue
		}
		m := &machine{node: n, state: instance.Stopped}
		m.mutex.Lock()
		s.nodes.machines[n.Index] = m
		return m, nil
	}
	return nil, fmt.Errorf("a cluster has at most %d nodes", instance.MaxNodes)
}

// find gives a node to one operation alone, which must unlock it.
func (s *supervisor) find(name string) (*machine, error) {
	if name == s.instance.First().Name {
		return nil, errFirst
	}
	s.nodes.mutex.Lock()
	var found *machine
	for _, m := range s.nodes.machines {
		if m.node.Name == name {
			found = m
		}
	}
	s.nodes.mutex.Unlock()
	if found == nil {
		return nil, fmt.Errorf("no node %q", name)
	}
	found.mutex.Lock()
	if found.removed {
		found.mutex.Unlock()
		return nil, fmt.Errorf("no node %q any more", name)
	}
	return found, nil
}

// addNode returns the new node's name when it is ready.
func (s *supervisor) addNode(ctx context.Context, name string) (string, error) {
	m, err := s.reserve(name)
	if err != nil {
		return "", err
	}
	defer m.mutex.Unlock()
	err = node.WriteConfiguration(m.node, s.cniPlugins)
	if err == nil {
		err = node.WriteNodeCredentials(s.ca, m.node)
	}
	if err == nil {
		err = s.boot(ctx, m)
	}
	if err != nil {
		return "", errors.Join(err, s.discard(m))
	}
	return m.node.Name, nil
}

// boot starts a node that has no processes, as a machine that gets power.
func (s *supervisor) boot(ctx context.Context, m *machine) error {
	began := time.Now()
	_, err := os.Stat(m.node.Path("run"))
	again := err == nil
	// What lies in memory on other machines.
	if err := os.RemoveAll(m.node.Path("run")); err != nil {
		return err
	}
	if err := cgroup.Create(m.node.Cgroup()); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	if err := s.plugIn(m); err != nil {
		return err
	}
	if err := s.processes.start(m, node.Runtime(m.node)); err != nil {
		return err
	}
	if err := runtimeAnswers(ctx, m); err != nil {
		return err
	}
	if err := s.copyImages(m); err != nil {
		return err
	}
	for _, c := range node.Joining(m.node) {
		if err := s.processes.start(m, c); err != nil {
			return err
		}
	}
	if s.processes.state(node.APIServer) != instance.Running {
		return nil
	}
	name := m.node.Name
	if again {
		// What it said before it was stopped does not count.
		heard := func(ctx context.Context) error { return s.client.NodeSaid(ctx, name, began) }
		if err := wait(ctx, name+" to say that it lives", heard); err != nil {
			return err
		}
	}
	return wait(ctx, name+" to be ready", func(ctx context.Context) error { return s.client.NodeReady(ctx, name) })
}

// stopNode takes power and network away at once.
func (s *supervisor) stopNode(m *machine) error {
	if m.state == instance.Stopped {
		return fmt.Errorf("node %s is stopped already", m.node.Name)
	}
	return s.pullPlug(m)
}

// freezeNode halts a node: nothing in it runs, and nothing is heard of it.
func (s *supervisor) freezeNode(m *machine) error {
	if m.state != instance.Running {
		return fmt.Errorf("node %s is %s", m.node.Name, m.state)
	}
	if err := m.port.Down(); err != nil {
		return err
	}
	err := cgroup.Freeze(m.node.Cgroup(), freezeLimit)
	if errors.Is(err, cgroup.ErrNoFreezer) {
		err = cleanup.FinderForNode(m.node, m.netNS).Signal(syscall.SIGSTOP)
	}
	s.become(m, instance.Frozen)
	return err
}

// startNode brings back a node that was stopped or frozen. One that was stopped is
// ready then; one that was frozen goes on where it was.
func (s *supervisor) startNode(ctx context.Context, m *machine) error {
	switch m.state {
	case instance.Stopped:
		if err := s.boot(ctx, m); err != nil {
			return errors.Join(err, s.pullPlug(m))
		}
		return nil
	case instance.Frozen:
		err := errors.Join(
			cgroup.ThawAll(m.node.Cgroup()),
			cleanup.FinderForNode(m.node, m.netNS).Signal(syscall.SIGCONT),
			m.port.Up())
		s.become(m, instance.Running)
		return err
	default:
		return fmt.Errorf("node %s runs", m.node.Name)
	}
}

// removeNode stops a node, makes the cluster forget it and deletes all it had.
func (s *supervisor) removeNode(ctx context.Context, m *machine) error {
	if m.state != instance.Stopped {
		if err := s.pullPlug(m); err != nil {
			return err
		}
	}
	if err := s.client.DeleteNode(ctx, m.node.Name); err != nil {
		return err
	}
	return s.discard(m)
}

// discard removes all traces of a node from the machine.
func (s *supervisor) discard(m *machine) error {
	if err := s.pullPlug(m); err != nil {
		return err
	}
	if err := os.RemoveAll(m.node.Dir()); err != nil {
		return err
	}
	m.removed = true
	s.nodes.mutex.Lock()
	delete(s.nodes.machines, m.node.Index)
	s.nodes.mutex.Unlock()
	s.forget(m)
	return nil
}
