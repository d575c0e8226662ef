// Who is who in the cluster: the certificates and kubeconfigs that `up` makes.

package node

import (
	"fmt"
	"os"

	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/pki"
)

// Admin is the user of the administrator's kubeconfig.
var Admin = pki.Subject{Name: "admin", Groups: []string{"system:masters"}}

// WriteCredentials makes all of them; the host's kubeconfig points at apiPort.
func WriteCredentials(i instance.Instance, apiPort int) (*pki.Authority, error) {
	ca, err := pki.NewAuthority("cluster " + i.Name)
	if err != nil {
		return nil, err
	}
	dir := i.Path("pki")
	if err := ca.Save(dir, "ca"); err != nil {
		return nil, err
	}
	if err := pki.SaveSigningKey(dir, "sa"); err != nil {
		return nil, err
	}
	for name, subject := range map[string]pki.Subject{
		"apiserver": {Name: "kube-apiserver", Hosts: []string{
			"127.0.0.1", i.NodeIP(0), i.APIServiceIP(), "localhost", "kubernetes",
			"kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}},
		"apiserver-kubelet": {Name: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}},
	} {
		pair, err := ca.Issue(subject)
		if err != nil {
			return nil, err
		}
		if err := pair.Save(dir, name); err != nil {
			return nil, err
		}
	}
	inside := "https://" + i.APIServer()
	for name, subject := range map[string]pki.Subject{
		"kube-controller-manager": {Name: "system:kube-controller-manager"},
		"kube-scheduler":          {Name: "system:kube-scheduler"},
		"kube-proxy":              {Name: "system:kube-proxy"},
	} {
		if err := ca.IssueKubeconfig(i.Path("conf", name+".kubeconfig"), i.Name, inside, subject); err != nil {
			return nil, err
		}
	}
	if err := WriteNodeCredentials(ca, i.First()); err != nil {
		return nil, err
	}
	return ca, ca.IssueKubeconfig(i.Kubeconfig(), i.Name, Outside(apiPort), Admin)
}

// WriteNodeCredentials makes those of one node's kubelet.
func WriteNodeCredentials(ca *pki.Authority, n instance.Node) error {
	pair, err := ca.Issue(pki.Subject{Name: n.Name, Hosts: []string{n.Name, n.IP()}})
	if err != nil {
		return err
	}
	if err := pair.Save(n.Path("pki"), "kubelet"); err != nil {
		return err
	}
	user := pki.Subject{Name: "system:node:" + n.Name, Groups: []string{"system:nodes"}}
	server := "https://" + n.Instance.APIServer()
	return ca.IssueKubeconfig(n.Path("conf", "kubelet.kubeconfig"), n.Instance.Name, server, user)
}

// Outside is the API server's address for the host.
func Outside(apiPort int) string { return fmt.Sprintf("https://127.0.0.1:%d", apiPort) }

// WriteUser makes a client certificate for a plain user and returns the kubeconfig's path.
func WriteUser(i instance.Instance, s pki.Subject) (string, error) {
	record, err := i.Read()
	if err != nil {
		return "", err
	}
	ca, err := pki.LoadAuthority(i.Path("pki"), "ca")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(i.Path("users"), 0o755); err != nil {
		return "", err
	}
	path := i.Path("users", s.Name+".kubeconfig")
	return path, ca.IssueKubeconfig(path, i.Name, Outside(record.APIPort), s)
}
