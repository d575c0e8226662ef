// Package supervise is the one process that stands behind an instance: it brings the
// cluster up, keeps its components running and carries the host's connections to the
// API server.
package supervise

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"devbridge.dev/tests/cluster/internal/api"
	"devbridge.dev/tests/cluster/internal/cgroup"
	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/network"
	"devbridge.dev/tests/cluster/internal/node"
	"devbridge.dev/tests/cluster/internal/pki"
	"devbridge.dev/tests/cluster/internal/proxy"
)

const (
	// upLimit is how long coming up may take, on a machine that is busy with others.
	upLimit = 2 * time.Minute
	// poll lies between two looks at a state that is waited for.
	poll = 25 * time.Millisecond
)

// Run is the supervisor: it reports its progress and then runs until it is killed.
func Run(i instance.Instance, cniPlugins string, progress *Progress) error {
	if err := cgroup.Create(i.Cgroup()); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	if err := cgroup.Join(i.Cgroup()); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	if err := adoptOrphans(); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	s, first, err := prepare(i, cniPlugins)
	if err != nil {
		return err
	}
	progress.Step("namespaces, certificates")
	ctx, cancel := context.WithTimeout(context.Background(), upLimit)
	defer cancel()
	if err := s.up(ctx, first, progress); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	s.processes.update(func(r *instance.Record) { r.Ready = true })
	progress.Done()
	s.processes.reap()
	return nil
}

type supervisor struct {
	instance   instance.Instance
	cniPlugins string
	processes  *processes
	router     *network.Router
	ca         *pki.Authority
	client     *api.Client
	nodes      nodes
}

// prepare does all that comes before the first component.
func prepare(i instance.Instance, cniPlugins string) (*supervisor, *machine, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	record := instance.Record{Name: i.Name, APIPort: port, Supervisor: os.Getpid()}
	s := &supervisor{instance: i, cniPlugins: cniPlugins, processes: newProcesses(i, record)}
	s.nodes.machines = map[int]*machine{}
	if err := node.WriteConfiguration(i.First(), cniPlugins); err != nil {
		return nil, nil, err
	}
	if s.ca, err = node.WriteCredentials(i, port); err != nil {
		return nil, nil, err
	}
	if s.client, err = newClient(s.ca, node.Outside(port)); err != nil {
		return nil, nil, err
	}
	if s.router, err = network.NewRouter(i.GatewayIP()); err != nil {
		return nil, nil, fmt.Errorf("network between nodes: %w", err)
	}
	first := &machine{node: i.First()}
	if err := s.plugIn(first); err != nil {
		return nil, nil, err
	}
	dial := func() (net.Conn, error) {
		return first.namespaces.Dial(net.Dialer{Timeout: 10 * time.Second}, "tcp4", i.APIServer())
	}
	go func() { log.Print("proxy: ", proxy.Serve(listener, dial)) }()
	return s, first, nil
}

func newClient(ca *pki.Authority, server string) (*api.Client, error) {
	pair, err := ca.Issue(node.Admin)
	if err != nil {
		return nil, err
	}
	return api.New(server, ca.Cert, pair, nil)
}
