// Package mounts reads the kernel's list of mounts.
package mounts

import (
	"os"
	"strings"
)

// Mount is one line of /proc/self/mountinfo.
type Mount struct {
	// Root is the folder of the file system that is mounted.
	Root string
	// Point is where.
	Point string
	// Kind is the file system's type.
	Kind string
}

// List reads the mounts of this process's mount namespace, in the order they were made.
func List() ([]Mount, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	return Parse(string(data)), err
}

// Parse reads lines of ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS...] - TYPE ...
func Parse(mountinfo string) []Mount {
	var list []Mount
	for line := range strings.Lines(mountinfo) {
		left, right, found := strings.Cut(line, " - ")
		fields, kind := strings.Fields(left), strings.Fields(right)
		if found && len(fields) >= 5 && len(kind) > 0 {
			list = append(list, Mount{unescape(fields[3]), unescape(fields[4]), kind[0]})
		}
	}
	return list
}

// Below are the mount points at or below a folder, in the order they were made.
func Below(list []Mount, dir string) []string {
	var points []string
	for _, m := range list {
		if m.Point == dir || strings.HasPrefix(m.Point, dir+"/") {
			points = append(points, m.Point)
		}
	}
	return points
}

// unescape undoes the kernel's way to write blanks in paths.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace
