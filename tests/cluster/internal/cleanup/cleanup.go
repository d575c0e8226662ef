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
	// reapLimit is how long the first process of the machine may take to ask about
	// dead children that became its own. The dead hold nothing, so it is no error.
	reapLimit = 2 * time.Second
	// killPause lies between two looks at what is still alive.
	killPause = 5 * time.Millisecond
)

// FinderFor looks for the processes of an instance of this machine.
func FinderFor(i instance.Instance) Finder {
	// Without a record, cgroup and environment still tell.
	record, _ := i.Read()
	return Finder{Proc: "/proc", Cgroup: i.Cgroup(), Marker: i.Marker(), NetNS: record.NetNS, Self: os.Getpid()}
}

// Remove removes the instance and its state folder; what cannot be removed is in
// the error. Removing what is not there is no error.
//
// Everything is killed at once and without asking: nothing of an instance is worth
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
	killed, err := killAll(finder)
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
// starting another between a look and its end. It returns whom it killed.
func killAll(f Finder) (map[int]bool, error) {
	killed := map[int]bool{}
	deadline := time.Now().Add(killLimit)
	for quiet := 0; quiet < 2; {
		processes, err := f.Processes()
		if err != nil {
			return killed, err
		}
		if len(processes) == 0 {
			quiet++
			continue
		}
		quiet = 0
		if time.Now().After(deadline) {
			return killed, fmt.Errorf("still alive after %v: %v", killLimit, processes)
		}
		for _, p := range processes {
			if err := f.kill(p); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
				return killed, fmt.Errorf("kill %v: %w", p, err)
			}
			killed[p.PID] = true
		}
		time.Sleep(killPause)
	}
	return killed, nil
}

func waitReaped(pids map[int]bool) {
	deadline := time.Now().Add(reapLimit)
	for pid := range pids {
		for syscall.Kill(pid, 0) == nil && time.Now().Before(deadline) {
			time.Sleep(killPause)
		}
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
