// Package cgroup makes and removes an instance's cgroups, in every hierarchy that is
// mounted: version 1 has one for each controller, version 2 a single one, some
// machines have both.
package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"devbridge.dev/tests/cluster/internal/mounts"
)

// hierarchies are where cgroups are mounted.
func hierarchies() ([]mounts.Mount, error) {
	list, err := mounts.List()
	var found []mounts.Mount
	for _, m := range list {
		if m.Root == "/" && (m.Kind == "cgroup" || m.Kind == "cgroup2") {
			found = append(found, m)
		}
	}
	return found, err
}

// Left are the folders that exist of a cgroup.
func Left(cgroup string) ([]string, error) {
	list, err := hierarchies()
	var left []string
	for _, m := range list {
		if path := filepath.Join(m.Point, cgroup); isDir(path) {
			left = append(left, path)
		}
	}
	return left, err
}

// Thaw lets frozen processes run, so that they can be killed.
func Thaw(path string) {
	for _, dir := range tree(path) {
		for file, value := range map[string]string{"freezer.state": "THAWED", "cgroup.freeze": "0"} {
			if f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0); err == nil {
				f.WriteString(value)
				f.Close()
			}
		}
	}
}

// Remove removes a cgroup and those below. A cgroup stays busy for a moment
// after its last process has died.
func Remove(path string, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		var busy error
		dirs := tree(path)
		for i := len(dirs) - 1; i >= 0; i-- {
			err := syscall.Rmdir(dirs[i])
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				busy = &fs.PathError{Op: "rmdir", Path: dirs[i], Err: err}
			}
		}
		if busy == nil || time.Now().After(deadline) {
			return busy
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tree lists a folder and the folders below it, parents first.
func tree(path string) []string {
	var dirs []string
	filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, name)
		}
		return nil
	})
	return dirs
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
