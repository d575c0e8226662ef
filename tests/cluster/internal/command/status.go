// status: what runs, and whether the cluster does what it should.

package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"devbridge.dev/tests/cluster/internal/api"
	"devbridge.dev/tests/cluster/internal/cleanup"
	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/node"
	"devbridge.dev/tests/cluster/internal/pki"
)

func status(g Globals, args []string) error {
	i, _, err := parse(newFlags("status"), &g, args, 0, 0)
	if err != nil {
		return err
	}
	record, err := i.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cluster %s is not up", i.Name)
	} else if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	healthy := true
	for _, p := range check(ctx, i, record) {
		state := "ok"
		if p.problem != nil {
			state, healthy = p.problem.Error(), false
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", p.name, p.detail, state)
	}
	table.Flush()
	if !healthy {
		return fmt.Errorf("cluster %s is not healthy; `cluster up` starts what was stopped, or all of it over", i.Name)
	}
	return nil
}

// part is one line of the status.
type part struct {
	name, detail string
	problem      error
}

func check(ctx context.Context, i instance.Instance, r instance.Record) []part {
	parts := []part{{"supervisor", fmt.Sprintf("pid %d", r.Supervisor), alive(i, r.Supervisor)}}
	nodes := map[int]instance.State{}
	for _, n := range r.Nodes {
		nodes[n.Index] = n.State
	}
	for _, c := range r.Components {
		p := part{name: c.Name, detail: fmt.Sprintf("pid %d, %d restarts, since %s", c.PID, c.Restarts, c.Since.Format(time.TimeOnly))}
		switch p.problem = alive(i, c.PID); {
		case c.State != instance.Running:
			p.problem = fmt.Errorf("%s on purpose", c.State)
		case nodes[c.Node] == instance.Frozen:
			p.problem = errors.New("frozen with its node")
		case p.problem != nil && c.Exit != "":
			p.problem = errors.New(c.Exit)
		}
		parts = append(parts, p)
	}
	complete := part{name: "brought up", detail: i.Dir}
	if !r.Ready {
		complete.problem = errors.New("not completely")
	}
	parts = append(parts, complete)

	server := part{name: "API server", detail: node.Outside(r.APIPort)}
	client, err := adminClient(i, r)
	if err == nil {
		err = client.Ready(ctx)
	}
	server.problem = err
	parts = append(parts, server)
	if err != nil {
		return parts
	}
	for _, n := range r.Nodes {
		p := part{name: n.Name, detail: fmt.Sprintf("%s, pods %s", i.NodeIP(n.Index), i.NodePodSubnet(n.Index))}
		if n.State != instance.Running {
			p.problem = fmt.Errorf("%s on purpose", n.State)
		} else {
			p.problem = client.NodeReady(ctx, n.Name)
		}
		parts = append(parts, p)
	}
	return append(parts, part{"DNS", i.DNSServiceIP(), client.EndpointsReady(ctx, "kube-system", "kube-dns")})
}

func adminClient(i instance.Instance, r instance.Record) (*api.Client, error) {
	ca, err := pki.LoadAuthority(i.Path("pki"), "ca")
	if err != nil {
		return nil, err
	}
	pair, err := ca.Issue(node.Admin)
	if err != nil {
		return nil, err
	}
	return api.New(node.Outside(r.APIPort), ca.Cert, pair, nil)
}

// alive is nil when a process lives, and its number has not become somebody else's.
func alive(i instance.Instance, pid int) error {
	if pid == 0 || !cleanup.FinderFor(i).Has(pid) {
		return errors.New("not running")
	}
	return nil
}
