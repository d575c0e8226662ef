// The states of a cluster that `up` waits for and `status` shows.

package api

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// ownTaints is the prefix of those that Kubernetes itself gives nodes and takes away.
const ownTaints = "node.kubernetes.io/"

// NodeReady is nil when the node is ready for pods.
func (c *Client) NodeReady(ctx context.Context, node string) error {
	var n struct {
		Spec struct {
			Taints []struct{ Key string }
		}
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := c.Get(ctx, "/api/v1/nodes/"+node, &n); err != nil {
		return err
	}
	for _, t := range n.Spec.Taints {
		// Others are somebody's wish, as is that no new pods come.
		if strings.HasPrefix(t.Key, ownTaints) && t.Key != ownTaints+"unschedulable" {
			return fmt.Errorf("node %s has the taint %s", node, t.Key)
		}
	}
	for _, condition := range n.Status.Conditions {
		if condition.Type != "Ready" {
			continue
		}
		if condition.Status == "True" {
			return nil
		}
		return fmt.Errorf("node %s is not ready: %s", node, condition.Message)
	}
	return fmt.Errorf("node %s has not said whether it is ready", node)
}

// NodeSaid is nil when a node has said after that time that it lives.
func (c *Client) NodeSaid(ctx context.Context, node string, after time.Time) error {
	var lease struct {
		Spec struct{ RenewTime time.Time }
	}
	if err := c.Get(ctx, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"+node, &lease); err != nil {
		return err
	}
	if !lease.Spec.RenewTime.After(after) {
		return fmt.Errorf("node %s was heard last at %s", node, lease.Spec.RenewTime.Format(time.TimeOnly))
	}
	return nil
}

// DeleteNode makes the cluster forget a node.
func (c *Client) DeleteNode(ctx context.Context, node string) error {
	return c.Delete(ctx, "/api/v1/nodes/"+node)
}

// Ready is nil when the API server says that it is.
func (c *Client) Ready(ctx context.Context) error { return c.Get(ctx, "/readyz", nil) }

// EndpointsReady is nil when a Service has an endpoint that is ready.
func (c *Client) EndpointsReady(ctx context.Context, namespace, service string) error {
	var slices struct {
		Items []struct {
			Endpoints []struct {
				Conditions struct{ Ready *bool }
			}
		}
	}
	path := fmt.Sprintf("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices?labelSelector=kubernetes.io/service-name%%3D%s", namespace, service)
	if err := c.Get(ctx, path, &slices); err != nil {
		return err
	}
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready {
				return nil
			}
		}
	}
	return fmt.Errorf("service %s/%s has no ready endpoint", namespace, service)
}
