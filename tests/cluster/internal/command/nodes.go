// node and api: what the supervisor does to a part of a running cluster.

package command

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/supervise"
)

var nodeActions = []string{"add", "remove", "stop", "freeze", "start"}

func nodeCommand(g Globals, args []string) error {
	i, rest, err := parse(newFlags("node"), &g, args, 1, 2)
	if err != nil {
		return err
	}
	o := supervise.Order{Subject: "node", Action: rest[0]}
	if !slices.Contains(nodeActions, o.Action) {
		return fmt.Errorf("node: use one of %v", nodeActions)
	}
	if len(rest) == 2 {
		o.Name = rest[1]
	} else if o.Action != "add" {
		return fmt.Errorf("node %s: which node?", o.Action)
	}
	name, err := supervise.Send(i, o)
	if err == nil && o.Action == "add" {
		fmt.Println(name)
	}
	return err
}

func apiCommand(g Globals, args []string) error {
	i, rest, err := parse(newFlags("api"), &g, args, 1, 1)
	if err != nil {
		return err
	}
	_, err = supervise.Send(i, supervise.Order{Subject: "api", Action: rest[0]})
	return err
}

// addNodes adds those of the first so many nodes that are missing, side by side.
func addNodes(i instance.Instance, count int, step func(string)) error {
	record, err := i.Read()
	if err != nil {
		return err
	}
	problems := make([]error, count)
	var all sync.WaitGroup
	for n := range problems {
		name := instance.UsualName(n)
		if _, err := record.Find(name); err == nil {
			continue
		}
		all.Go(func() {
			_, problems[n] = supervise.Send(i, supervise.Order{Subject: "node", Action: "add", Name: name})
			if problems[n] == nil {
				step(name + " ready")
			}
		})
	}
	all.Wait()
	return errors.Join(problems...)
}

// startAll starts what was stopped or frozen on purpose, and says whether there was any.
func startAll(i instance.Instance) (bool, error) {
	record, err := i.Read()
	if err != nil {
		return false, err
	}
	var orders []supervise.Order
	for _, c := range record.Components {
		if c.State != instance.Running {
			orders = append(orders, supervise.Order{Subject: "api", Action: "start"})
		}
	}
	for _, n := range record.Nodes {
		if n.State != instance.Running {
			orders = append(orders, supervise.Order{Subject: "node", Action: "start", Name: n.Name})
		}
	}
	for _, o := range orders {
		if _, err := supervise.Send(i, o); err != nil {
			return true, err
		}
	}
	return len(orders) > 0, nil
}
