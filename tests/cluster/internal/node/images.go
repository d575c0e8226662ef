// The one image a cluster needs from the start, and how images get into containerd.

package node

import (
	"os"
	"os/exec"
	"strings"

	"devbridge.dev/tests/cluster/internal/image"
	"devbridge.dev/tests/cluster/internal/instance"
)

// PauseImage is the image of every pod's first process. CoreDNS runs in it as well:
// its program is bound into the container, importing it would take longer than all else.
const PauseImage = "devbridge.test/pause:1"

// WritePauseImage writes the archive.
func WritePauseImage(i instance.Instance, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return image.Write(file, image.Spec{
		Name:       PauseImage,
		Entrypoint: []string{"/pause"},
		Entries: []image.Entry{
			{Source: i.Path("bin", "pause"), Path: "/pause", Mode: 0o755},
			{Path: "/etc/coredns", Mode: 0o755},
		},
	})
}

// ImportCommand imports an archive into a node's containerd.
func ImportCommand(n instance.Node, path string) *exec.Cmd { return images(n, "import", path) }

// ListCommand lists a node's images.
func ListCommand(n instance.Node) *exec.Cmd { return images(n, "ls") }

// ExportCommand writes images of a node into an archive.
func ExportCommand(n instance.Node, path string, names []string) *exec.Cmd {
	return images(n, append([]string{"export", path}, names...)...)
}

func images(n instance.Node, args ...string) *exec.Cmd {
	return exec.Command("ctr", append([]string{"-a", n.ContainerdSocket(), "-n", "k8s.io", "images"}, args...)...)
}

// ParseImages reads what ListCommand's command prints: names, and what they stand for.
// containerd's own names for the same images, by digest, are left out.
func ParseImages(table string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) >= 3 && fields[0] != "REF" && !strings.HasPrefix(fields[0], "sha256:") {
			found[fields[0]] = fields[2]
		}
	}
	return found
}
