// The order in which a cluster of one node comes up, and what "up" means.

package supervise

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"devbridge.dev/tests/cluster/internal/node"
)

func (s *supervisor) up(ctx context.Context, first *machine, progress *Progress) error {
	for _, c := range node.Early(s.instance) {
		if err := s.processes.start(first, c); err != nil {
			return err
		}
	}
	images := make(chan error, 1)
	go func() { images <- s.importPause(ctx, first) }()

	if err := wait(ctx, "API server", s.client.Ready); err != nil {
		return err
	}
	progress.Step("API server ready")
	for _, c := range node.Late(s.instance) {
		if err := s.processes.start(first, c); err != nil {
			return err
		}
	}
	if err := node.CreateDNS(ctx, s.instance, s.client); err != nil {
		return err
	}
	if err := <-images; err != nil {
		return err
	}
	progress.Step("components started")
	for _, state := range []struct {
		name  string
		check func(context.Context) error
	}{
		{"node ready", func(ctx context.Context) error { return s.client.NodeReady(ctx, first.node.Name) }},
		{"service account in namespace default", func(ctx context.Context) error {
			return s.client.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil)
		}},
		{"DNS endpoint ready", func(ctx context.Context) error {
			return s.client.EndpointsReady(ctx, "kube-system", "kube-dns")
		}},
		{"DNS answers", func(ctx context.Context) error { return s.resolve(ctx, first) }},
	} {
		if err := wait(ctx, state.name, state.check); err != nil {
			return err
		}
		progress.Step(state.name)
	}
	return nil
}

// importPause imports the pause image as soon as containerd takes it.
func (s *supervisor) importPause(ctx context.Context, m *machine) error {
	archive := s.instance.Path("pause.tar")
	if err := node.WritePauseImage(s.instance, archive); err != nil {
		return err
	}
	defer os.Remove(archive)
	if err := runtimeAnswers(ctx, m); err != nil {
		return err
	}
	_, err := s.processes.run(node.ImportCommand(m.node, archive))
	return err
}

func runtimeAnswers(ctx context.Context, m *machine) error {
	return wait(ctx, "containerd", func(context.Context) error {
		c, err := net.Dial("unix", m.node.ContainerdSocket())
		if err == nil {
			c.Close()
		}
		return err
	})
}

// resolve asks the cluster's DNS, by its cluster IP, for a name that is always there.
func (s *supervisor) resolve(ctx context.Context, m *machine) error {
	resolver := net.Resolver{PreferGo: true, Dial: func(_ context.Context, network, _ string) (net.Conn, error) {
		address := net.JoinHostPort(s.instance.DNSServiceIP(), "53")
		return m.namespaces.Dial(net.Dialer{Timeout: time.Second}, network, address)
	}}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	addresses, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	if err == nil && (len(addresses) != 1 || addresses[0] != s.instance.APIServiceIP()) {
		err = fmt.Errorf("unexpected answer %v", addresses)
	}
	return err
}

// wait looks again and again until the state is there or ctx ends.
func wait(ctx context.Context, what string, check func(context.Context) error) error {
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, errors.Join(ctx.Err(), err))
		case <-time.After(poll):
		}
	}
}
