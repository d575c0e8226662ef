// Package node says how each component of a cluster is started: its command line
// and its configuration files.
package node

import "devbridge.dev/tests/cluster/internal/instance"

// APIServer is the name of the component that can be stopped and frozen by itself.
const APIServer = "kube-apiserver"

// Controllers are the components that act on what they see in the API.
var Controllers = []string{"kube-controller-manager", "kube-scheduler"}

// Component is a process that the supervisor keeps running.
type Component struct {
	// Name is that of its log.
	Name    string
	Program string
	Args    []string
}

// kubernetes is a component inside this program.
func kubernetes(i instance.Instance, name string, args ...string) Component {
	return Component{Name: name, Program: i.Binary(), Args: append([]string{name}, args...)}
}

// Early are the components of the first node that are started at once: the API server
// waits for etcd by itself, and containerd needs neither.
func Early(i instance.Instance) []Component {
	return []Component{
		kubernetes(i, "etcd",
			"--data-dir", i.Path("etcd"),
			"--listen-client-urls", "http://127.0.0.1:2379",
			"--advertise-client-urls", "http://127.0.0.1:2379",
			"--listen-peer-urls", "http://127.0.0.1:2380",
			// Nothing outlives `down`, so nothing need outlive the machine.
			"--unsafe-no-fsync",
			"--log-level", "warn"),
		Runtime(i.First()),
		kubernetes(i, APIServer,
			"--etcd-servers", "http://127.0.0.1:2379",
			"--bind-address", "0.0.0.0",
			"--secure-port", "6443",
			"--advertise-address", i.NodeIP(0),
			"--tls-cert-file", i.Path("pki", "apiserver.crt"),
			"--tls-private-key-file", i.Path("pki", "apiserver.key"),
			"--client-ca-file", i.Path("pki", "ca.crt"),
			"--kubelet-certificate-authority", i.Path("pki", "ca.crt"),
			"--kubelet-client-certificate", i.Path("pki", "apiserver-kubelet.crt"),
			"--kubelet-client-key", i.Path("pki", "apiserver-kubelet.key"),
			// The node's name resolves nowhere.
			"--kubelet-preferred-address-types", "InternalIP",
			"--service-account-key-file", i.Path("pki", "sa.pub"),
			"--service-account-signing-key-file", i.Path("pki", "sa.key"),
			"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
			"--service-cluster-ip-range", i.ServiceSubnet(),
			"--authorization-mode", "Node,RBAC",
			"--enable-admission-plugins", "NodeRestriction",
			"--allow-privileged=true",
			"--profiling=false"),
	}
}

// Late are the components of the first node that are started when the API server answers: earlier,
// they would fail and then wait long before they try again.
func Late(i instance.Instance) []Component {
	return []Component{
		kubelet(i.First()),
		kubernetes(i, "kube-controller-manager",
			"--kubeconfig", i.Path("conf", "kube-controller-manager.kubeconfig"),
			"--bind-address", "127.0.0.1",
			"--service-account-private-key-file", i.Path("pki", "sa.key"),
			"--root-ca-file", i.Path("pki", "ca.crt"),
			"--cluster-signing-cert-file", i.Path("pki", "ca.crt"),
			"--cluster-signing-key-file", i.Path("pki", "ca.key"),
			"--use-service-account-credentials",
			"--leader-elect=false",
			// How long a node may say nothing, and all about endpoints, is left at its default.
			// Many tests make and delete namespaces at once.
			"--kube-api-qps", "500", "--kube-api-burst", "1000",
			"--concurrent-namespace-syncs", "20",
			"--concurrent-gc-syncs", "40",
			"--concurrent-deployment-syncs", "10",
			"--concurrent-replicaset-syncs", "10",
			"--profiling=false"),
		kubernetes(i, "kube-scheduler",
			"--kubeconfig", i.Path("conf", "kube-scheduler.kubeconfig"),
			"--bind-address", "127.0.0.1",
			"--kube-api-qps", "500", "--kube-api-burst", "1000",
			"--leader-elect=false",
			"--profiling=false"),
		proxy(i.First()),
	}
}

// Runtime is a node's containerd, which must run before images can be imported.
func Runtime(n instance.Node) Component {
	return Component{
		Name:    n.Component("containerd"),
		Program: "containerd",
		Args:    []string{"-c", n.Path("conf", "containerd.toml")},
	}
}

// Joining are the components that make a machine with a runtime a node.
func Joining(n instance.Node) []Component { return []Component{kubelet(n), proxy(n)} }

func kubelet(n instance.Node) Component {
	c := kubernetes(n.Instance, "kubelet",
		"--config", n.Path("conf", "kubelet.yaml"),
		"--kubeconfig", n.Path("conf", "kubelet.kubeconfig"),
		"--hostname-override", n.Name,
		"--node-ip", n.IP())
	c.Name = n.Component(c.Name)
	return c
}

func proxy(n instance.Node) Component {
	c := kubernetes(n.Instance, "kube-proxy",
		"--config", n.Path("conf", "kube-proxy.yaml"),
		"--hostname-override", n.Name)
	c.Name = n.Component(c.Name)
	return c
}
