// The order in which an instance is removed, and the look at what is left.

package cleanup

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"devbridge.dev/tests/cluster/internal/cgroup"
	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/mounts"
)

const (
	// killLimit is how long killed processes may take to be gone.
	killLimit = 15 * time.Second
	// cgroupLimit is how long an empty cgroup may stay busy.
	cgroupLimit = 5 * time.Second
	// reapLimit is how long dead children may stay unasked about. The dead hold
	// nothing, so it is no error.
	reapLimit = 2 * time.Second
	// orderLimit is how long the supervisor may outlive the others, to reap them.
	orderLimit = 500 * time.Millisecond
	// killPause lies between two looks at what is still alive.
	killPause = 5 * time.Millisecond
)

// FinderFor looks for the processes of an instance of this machine.
func FinderFor(i instance.Instance) Finder {
	// Without a record, cgroup and environment still tell.
	record, _ := i.Read()
	return Finder{Proc: "/proc", Cgroup: i.Cgroup(), Marker: i.Marker(), NetNS: record.NetNS(), Self: os.Getpid()}
}

// FinderForNode looks for the processes of one node that is not the first: the first
// one's cgroup is the instance's.
func FinderForNode(n instance.Node, netNS uint64) Finder {
	return Finder{Proc: "/proc", Cgroup: n.Cgroup(), NetNS: []uint64{netNS}, Self: os.Getpid()}
}

// StopNode kills all processes of a node and removes its cgroups. Its folder stays.
func StopNode(n instance.Node, netNS uint64) error {
	cgroups, err := cgroup.Left(n.Cgroup())
	if err != nil {
		return err
	}
	for _, path := range cgroups {
		cgroup.Thaw(path)
	}
	_, err = killAll(FinderForNode(n, netNS), 0)
	problems := []error{err}
	for _, path := range cgroups {
		problems = append(problems, cgroup.Remove(path, cgroupLimit))
	}
	return errors.Join(problems...)
}

// Remove removes the instance and its state folder; what cannot be removed is in
// the error. Removing what is not there is no error.
//
// Everything is killed without asking: nothing of an instance is worth
// an orderly end, and the way that is always taken is the one that works after a crash.
func Remove(i instance.Instance) error {
	finder := FinderFor(i)
	cgroups, err := cgroup.Left(i.Cgroup())
	if err != nil {
		return err
	}
	for _, path := range cgroups {
		cgroup.Thaw(path)
	}
	record, _ := i.Read()
	killed, err := killAll(finder, record.Supervisor)
	problems := []error{err, unmountBelow(i.Dir)}
	for _, path := range cgroups {
		problems = append(problems, cgroup.Remove(path, cgroupLimit))
	}
	// Never delete through a mount.
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if err := os.RemoveAll(i.Dir); err != nil {
		return err
	}
	// The folder of all instances goes with the last of them.
	_ = os.Remove(instance.Root)
	waitReaped(killed)
	if left := Left(i); len(left) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(left, "; "))
	}
	return nil
}

// Left lists what exists of an instance. Its namespaces are not looked for: only its
// processes and mounts could hold them.
func Left(i instance.Instance) []string {
	var left []string
	processes, err := FinderFor(i).Processes()
	if err != nil {
		left = append(left, err.Error())
	}
	for _, p := range processes {
		left = append(left, p.String())
	}
	list, err := mounts.List()
	if err != nil {
		left = append(left, err.Error())
	}
	for _, point := range mounts.Below(list, i.Dir) {
		left = append(left, "mount "+point)
	}
	cgroups, err := cgroup.Left(i.Cgroup())
	if err != nil {
		left = append(left, err.Error())
	}
	for _, path := range cgroups {
		left = append(left, "cgroup "+path)
	}
	if _, err := os.Lstat(i.Dir); err == nil {
		left = append(left, "folder "+i.Dir)
	}
	return left
}

// killAll kills until two looks in a row find nothing: a process may have been
// starting another between a look and its end. The supervisor's turn comes last, or
// when the others take long: they are its children. It returns whom it killed.
func killAll(f Finder, supervisor int) (map[int]bool, error) {
	killed := map[int]bool{}
	began := time.Now()
	for quiet := 0; quiet < 2; time.Sleep(killPause) {
		processes, err := f.Processes()
		if err != nil {
			return killed, err
		}
		if len(processes) == 0 {
			quiet++
			continue
		}
		quiet = 0
		if time.Since(began) > killLimit {
			return killed, fmt.Errorf("still alive after %v: %v", killLimit, processes)
		}
		last := time.Since(began) > orderLimit || len(processes) == 1 && reaped(killed)
		for _, p := range processes {
			if p.PID == supervisor && !last {
				continue
			}
			if err := f.kill(p); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
				return killed, fmt.Errorf("kill %v: %w", p, err)
			}
			killed[p.PID] = true
		}
	}
	return killed, nil
}

// reaped says whether even the numbers of killed processes are free.
func reaped(pids map[int]bool) bool {
	for pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			return false
		}
	}
	return true
}

func waitReaped(pids map[int]bool) {
	deadline := time.Now().Add(reapLimit)
	for !reaped(pids) && time.Now().Before(deadline) {
		time.Sleep(killPause)
	}
}

// unmountBelow unmounts what is mounted below a folder, in this mount namespace;
// the node's own one ended with its processes.
func unmountBelow(dir string) error {
	list, err := mounts.List()
	if err != nil {
		return err
	}
	points := mounts.Below(list, dir)
	var problems []error
	for n := len(points) - 1; n >= 0; n-- {
		if err := syscall.Unmount(points[n], syscall.MNT_DETACH); err != nil {
			problems = append(problems, fmt.Errorf("unmount %s: %w", points[n], err))
		}
	}
	return errors.Join(problems...)
}
