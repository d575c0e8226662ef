// Making the instance's cgroup, and putting processes into it.

package cgroup

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"devbridge.dev/tests/cluster/internal/mounts"
)

// system is the cgroup of the components, beside the one kubelet makes for pods: in
// version 2 a cgroup that hands out controllers must hold no process itself.
const system = "system"

// Create makes the instance's cgroup in every hierarchy: kubelet wants its root
// cgroup to be there.
func Create(cgroup string) error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	for _, m := range list {
		path := filepath.Join(m.Point, cgroup)
		if m.Kind == "cgroup2" {
			delegate(m.Point)
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if m.Kind == "cgroup2" {
			delegate(path)
		}
		// A cpuset of version 1 starts empty, and then no process can be in it.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(m.Point, file))
			if m.Kind == "cgroup" && err == nil {
				if err := os.WriteFile(filepath.Join(path, file), value, 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// delegate hands all controllers of a version 2 cgroup to the cgroups below it. What
// cannot be handed out is not: kubelet says what it misses.
func delegate(path string) {
	controllers, _ := os.ReadFile(filepath.Join(path, "cgroup.controllers"))
	for _, name := range strings.Fields(string(controllers)) {
		_ = os.WriteFile(filepath.Join(path, "cgroup.subtree_control"), []byte("+"+name), 0)
	}
}

// Join moves this process into the instance's cgroup; what it starts from now on is
// in there too. One hierarchy is enough to be found by, and the others, with their
// limits, are left to whoever started this process.
func Join(cgroup string) error { return Add(cgroup, 0) }

// Add moves a process into a cgroup that was created; 0 is this process.
func Add(cgroup string, pid int) error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	path := filepath.Join(tracking(list).Point, cgroup, system)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(path, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}

// tracking is the hierarchy that processes are found by: version 2 if it is there,
// else one of version 1 that a process can be in without limits.
func tracking(list []mounts.Mount) mounts.Mount {
	var chosen mounts.Mount
	for _, m := range list {
		switch {
		case m.Kind == "cgroup2":
			return m
		case chosen.Point == "" || filepath.Base(m.Point) == "pids":
			chosen = m
		}
	}
	return chosen
}
