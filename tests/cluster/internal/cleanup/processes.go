// Package cleanup finds all that belongs to an instance and removes it.
//
// Nothing here trusts what the instance wrote down or that any part of it still
// works: whatever was killed, the rest is found by what the kernel knows. A process
// is never judged by its name, other instances run the same programs.
package cleanup

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Finder finds the processes of an instance, or of one node.
type Finder struct {
	// Proc is where procfs is mounted.
	Proc string
	// Cgroup is the cgroup: containers and components are below it.
	Cgroup string
	// Marker is a variable in the environment of components: NAME=value; empty if
	// it does not count.
	Marker string
	// NetNS are the inodes of the nodes' network namespaces, as written down.
	NetNS []uint64
	// Self is not found.
	Self int
}

// Process is one that belongs to the instance.
type Process struct {
	PID  int
	Name string
	// Why is the evidence.
	Why string
}

func (p Process) String() string { return fmt.Sprintf("process %d (%s, by %s)", p.PID, p.Name, p.Why) }

// Processes lists what is alive. Dead processes that their parent has not asked
// about hold nothing and are left out.
func (f Finder) Processes() ([]Process, error) {
	entries, err := os.ReadDir(f.Proc)
	if err != nil {
		return nil, err
	}
	var found, others []Process
	inUse := map[string]bool{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == f.Self {
			continue
		}
		p, alive := f.look(pid)
		if !alive {
			continue
		}
		if p.Why == "" {
			others = append(others, p)
			continue
		}
		found = append(found, p)
		// The inode may be somebody else's by now, unless one of ours is in there.
		if f.isOurs(f.netNS(pid)) {
			inUse[f.netNS(pid)] = true
		}
	}
	for _, p := range others {
		if inUse[f.netNS(p.PID)] {
			p.Why = "network namespace"
			found = append(found, p)
		}
	}
	return found, nil
}

// Has says whether a process is alive and belongs to the instance.
func (f Finder) Has(pid int) bool {
	p, alive := f.look(pid)
	return alive && p.Why != ""
}

// look reads one process; Why stays empty for a stranger.
func (f Finder) look(pid int) (p Process, alive bool) {
	p.PID = pid
	stat, err := os.ReadFile(f.file(pid, "stat"))
	if err != nil {
		return p, false
	}
	name, state, ok := parseStat(string(stat))
	if !ok || state == "Z" || state == "X" {
		return p, false
	}
	p.Name = name
	cgroups, _ := os.ReadFile(f.file(pid, "cgroup"))
	environment, _ := os.ReadFile(f.file(pid, "environ"))
	switch {
	case inCgroup(string(cgroups), f.Cgroup):
		p.Why = "cgroup"
	case f.Marker != "" && hasVariable(environment, f.Marker):
		p.Why = "environment"
	}
	return p, true
}

func (f Finder) file(pid int, name string) string {
	return filepath.Join(f.Proc, strconv.Itoa(pid), name)
}

func (f Finder) netNS(pid int) string {
	link, _ := os.Readlink(f.file(pid, "ns/net"))
	return link
}

// isOurs says whether a network namespace was written down.
func (f Finder) isOurs(netNS string) bool {
	for _, inode := range f.NetNS {
		if netNS == fmt.Sprintf("net:[%d]", inode) {
			return true
		}
	}
	return false
}

// parseStat reads name and state from /proc/PID/stat; the name may hold anything.
func parseStat(stat string) (name, state string, ok bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open || len(stat) < end+3 {
		return "", "", false
	}
	return stat[open+1 : end], stat[end+2 : end+3], true
}

// inCgroup says whether a line of /proc/PID/cgroup, ID:CONTROLLERS:PATH, is at or below path.
func inCgroup(lines, path string) bool {
	for line := range strings.Lines(lines) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) == 3 && (parts[2] == path || strings.HasPrefix(parts[2], path+"/")) {
			return true
		}
	}
	return false
}

func hasVariable(environment []byte, variable string) bool {
	for entry := range bytes.SplitSeq(environment, []byte{0}) {
		if string(entry) == variable {
			return true
		}
	}
	return false
}

// Signal signals all processes, again and again until a look finds no new one.
func (f Finder) Signal(s syscall.Signal) error {
	done := map[int]bool{}
	for {
		processes, err := f.Processes()
		if err != nil {
			return err
		}
		before := len(done)
		for _, p := range processes {
			if !done[p.PID] {
				done[p.PID] = true
				_ = f.signal(p, s)
			}
		}
		if len(done) == before {
			return nil
		}
	}
}

func (f Finder) kill(p Process) error { return f.signal(p, syscall.SIGKILL) }

// signal signals a process that was found, if it is still the same: the handle is taken
// first and the look repeated, so a number that is used again hits nobody.
func (f Finder) signal(p Process, s syscall.Signal) error {
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return err
	}
	defer handle.Release()
	again, alive := f.look(p.PID)
	if !alive || again.Why == "" && !f.isOurs(f.netNS(p.PID)) {
		return nil
	}
	return handle.Signal(s)
}
