// The one image a cluster needs from the start, and how images get into containerd.

package node

import (
	"fmt"
	"os"
	"os/exec"

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

// ImportCommand imports an archive into the instance's containerd.
func ImportCommand(i instance.Instance, path string) *exec.Cmd {
	return exec.Command("ctr", "-a", i.ContainerdSocket(), "-n", "k8s.io", "images", "import", path)
}

// Import imports an archive and returns what containerd says.
func Import(i instance.Instance, path string) (string, error) {
	out, err := ImportCommand(i, path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("import %s: %w: %s", path, err, out)
	}
	return string(out), nil
}
