// Kubeconfigs: with the certificates inside, so that the file can be copied anywhere.

package pki

import (
	"encoding/json"
	"os"
)

// Kubeconfig is written as JSON, which every reader of YAML reads.
func Kubeconfig(context, server, user string, ca []byte, client Pair) ([]byte, error) {
	type object = map[string]any
	config := object{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []object{{"name": context, "cluster": object{
			"server": server, "certificate-authority-data": ca}}},
		"users": []object{{"name": user, "user": object{
			"client-certificate-data": client.Cert, "client-key-data": client.Key}}},
		"contexts":        []object{{"name": context, "context": object{"cluster": context, "user": user}}},
		"current-context": context,
	}
	return json.MarshalIndent(config, "", "  ")
}

// IssueKubeconfig makes a client certificate and the kubeconfig that uses it.
func (a *Authority) IssueKubeconfig(path, context, server string, s Subject) error {
	pair, err := a.Issue(s)
	if err != nil {
		return err
	}
	data, err := Kubeconfig(context, server, s.Name, a.Cert, pair)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}
