// What a node sees of the file system: the host's, but with its own /run, /var/lib
// and /var/log, so that containerd and kubelet leave nothing outside the state folder.

package network

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Private are the folders a node has of its own.
var Private = []string{"run", "var/lib", "var/log"}

// kubeletSysctls are what kubelet wants of the host's kernel. It sees these values
// already there, and so leaves the host's own as they are.
var kubeletSysctls = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// SetUpMounts binds the node's own folders, kept below dir, over the host's.
func SetUpMounts(dir string) error {
	for _, name := range Private {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
		if err := bind(filepath.Join(dir, name), "/"+name); err != nil {
			return err
		}
	}
	for name, value := range kubeletSysctls {
		target := "/proc/sys/" + name
		if _, err := os.Stat(target); err != nil {
			continue
		}
		file := filepath.Join(dir, "sysctl", strings.ReplaceAll(name, "/", "."))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := bind(file, target); err != nil {
			return err
		}
	}
	return nil
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", from, to, err)
	}
	return nil
}
