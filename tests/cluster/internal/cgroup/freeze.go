// Freezing: processes that are there, with all they hold, but do not run.

package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNoFreezer says that no hierarchy freezes all processes of a cgroup: version 1
// has a freezer, but only pods are in its hierarchy.
var ErrNoFreezer = fmt.Errorf("no cgroup of version 2")

// Freeze freezes all processes of a cgroup and returns when none of them runs.
func Freeze(cgroup string, limit time.Duration) error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	hierarchy := tracking(list)
	if hierarchy.Kind != "cgroup2" {
		return ErrNoFreezer
	}
	path := filepath.Join(hierarchy.Point, cgroup)
	if err := os.WriteFile(filepath.Join(path, "cgroup.freeze"), []byte("1"), 0); err != nil {
		return err
	}
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		events, err := os.ReadFile(filepath.Join(path, "cgroup.events"))
		if err != nil {
			return err
		}
		if strings.Contains(string(events), "frozen 1") {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not frozen after %v", path, limit)
		}
	}
}

// ThawAll lets the processes of a cgroup run again, in whichever way they were frozen.
func ThawAll(cgroup string) error {
	paths, err := Left(cgroup)
	for _, path := range paths {
		Thaw(path)
	}
	return err
}
