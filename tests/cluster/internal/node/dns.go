// CoreDNS, as an ordinary Deployment. Its pod is on the first node, so that names are
// found whichever other node is away.

package node

import (
	"context"
	_ "embed"
	"os"
	"strings"

	"devbridge.dev/tests/cluster/internal/api"
	"devbridge.dev/tests/cluster/internal/instance"
)

//go:embed dns/coredns.yaml
var coreDNS string

// CreateDNS makes CoreDNS's objects. Each document names, in its first line, the
// path it is posted to.
func CreateDNS(ctx context.Context, i instance.Instance, client *api.Client) error {
	values := map[string]string{"dns": i.DNSServiceIP(), "binary": i.Binary(), "image": PauseImage, "node": i.First().Name}
	expanded := os.Expand(coreDNS, func(name string) string { return values[name] })
	for _, document := range strings.Split(expanded, "\n---\n") {
		path, body, _ := strings.Cut(document, "\n")
		if err := client.Create(ctx, strings.TrimPrefix(path, "# POST "), []byte(body)); err != nil {
			return err
		}
	}
	return nil
}
