// Orders to the supervisor, over a socket in the state folder: one line of JSON each way.

package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"

	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/node"
)

// Order is what to do, and with which node.
type Order struct {
	// Subject is "node" or "api".
	Subject string
	// Action is "add", "remove", "stop", "freeze" or "start".
	Action string
	// Name is the node's; `add` finds one for an empty name.
	Name string
}

type reply struct {
	Name  string
	Error string
}

// Send gives an order and returns when it was carried out, with the node's name.
func Send(i instance.Instance, o Order) (string, error) {
	c, err := net.Dial("unix", i.ControlSocket())
	if err != nil {
		return "", fmt.Errorf("cluster %s takes no orders: %w", i.Name, err)
	}
	defer c.Close()
	if err := json.NewEncoder(c).Encode(o); err != nil {
		return "", err
	}
	var r reply
	if err := json.NewDecoder(c).Decode(&r); err != nil {
		return "", fmt.Errorf("the supervisor ended: %w", err)
	}
	if r.Error != "" {
		return r.Name, fmt.Errorf("%s %s: %s", o.Subject, o.Action, r.Error)
	}
	return r.Name, nil
}

// listen takes orders from now on.
func (s *supervisor) listen() error {
	l, err := net.Listen("unix", s.instance.ControlSocket())
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				log.Print("control: ", err)
				return
			}
			go s.serve(c)
		}
	}()
	return nil
}

func (s *supervisor) serve(c net.Conn) {
	defer c.Close()
	var o Order
	if json.NewDecoder(c).Decode(&o) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), upLimit)
	defer cancel()
	name, err := s.obey(ctx, o)
	r := reply{Name: name}
	if err != nil {
		r.Error = err.Error()
		log.Printf("%s %s %s: %v", o.Subject, o.Action, o.Name, err)
	}
	_ = json.NewEncoder(c).Encode(r)
}

func (s *supervisor) obey(ctx context.Context, o Order) (string, error) {
	switch o.Subject {
	case "api":
		return "", s.obeyAPI(ctx, o.Action)
	case "node":
	default:
		return "", fmt.Errorf("unknown subject %q", o.Subject)
	}
	if o.Action == "add" {
		return s.addNode(ctx, o.Name)
	}
	m, err := s.find(o.Name)
	if err != nil {
		return o.Name, err
	}
	defer m.mutex.Unlock()
	switch o.Action {
	case "remove":
		err = s.removeNode(ctx, m)
	case "stop":
		err = s.stopNode(m)
	case "freeze":
		err = s.freezeNode(m)
	case "start":
		err = s.startNode(ctx, m)
	default:
		err = fmt.Errorf("unknown action %q", o.Action)
	}
	return o.Name, err
}

// obeyAPI returns from a start when the API server is ready.
func (s *supervisor) obeyAPI(ctx context.Context, action string) error {
	state := s.processes.state(node.APIServer)
	switch {
	case action == "stop" && state != instance.Stopped:
		return s.processes.set(node.APIServer, instance.Stopped)
	case action == "freeze" && state == instance.Running:
		return s.processes.set(node.APIServer, instance.Frozen)
	case action == "start" && state != instance.Running:
		if err := s.processes.set(node.APIServer, instance.Running); err != nil {
			return err
		}
		if err := wait(ctx, "API server", s.client.Ready); err != nil {
			return err
		}
		// Where several of them elect a leader, they end when they have lost the API
		// server, and start afresh. These would wait up to a minute before they ask again.
		return s.processes.restart(node.Controllers...)
	default:
		return fmt.Errorf("the API server is %s", state)
	}
}
