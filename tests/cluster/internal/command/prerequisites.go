// What the machine must have, checked before anything is changed.

package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// programs are needed, with the Debian package each is in.
var programs = []struct{ name, pkg string }{
	{"containerd", "containerd"},
	{"containerd-shim-runc-v2", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"nft", "nftables"},
	{"iptables", "iptables"},
	{"mount", "mount"},
}

// cniFolders are where distributions put CNI plugins.
var cniFolders = []string{"/usr/lib/cni", "/opt/cni/bin"}

var cniPlugins = []string{"bridge", "host-local", "loopback", "portmap"}

// prerequisites returns the folder of the CNI plugins. It also makes sure that the
// folders of system programs are searched: not every user's PATH has them.
func prerequisites() (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("must run as root: it makes namespaces, mounts and cgroups")
	}
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
	var missing, packages []string
	lacks := func(what, pkg string) {
		missing = append(missing, what)
		if !slices.Contains(packages, pkg) {
			packages = append(packages, pkg)
		}
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p.name); err != nil {
			lacks(p.name, p.pkg)
		}
	}
	folder := findPlugins()
	if folder == "" {
		lacks("CNI plugins in "+strings.Join(cniFolders, " or "), "containernetworking-plugins")
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("missing: %s\ninstall with: apt-get install --no-install-recommends %s",
			strings.Join(missing, ", "), strings.Join(packages, " "))
	}
	// Namespaces cannot load modules; where it is built in, this does nothing.
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil {
		_ = exec.Command("modprobe", "br_netfilter").Run()
	}
	return folder, nil
}

func findPlugins() string {
	for _, folder := range cniFolders {
		complete := true
		for _, plugin := range cniPlugins {
			_, err := os.Stat(filepath.Join(folder, plugin))
			complete = complete && err == nil
		}
		if complete {
			return folder
		}
	}
	return ""
}
