package cleanup

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fakeProc is a folder that looks like procfs.
type fakeProc struct {
	t   *testing.T
	dir string
}

func (f fakeProc) add(pid int, stat, cgroup, environ, netNS string) {
	f.t.Helper()
	dir := filepath.Join(f.dir, strconv.Itoa(pid))
	if err := os.MkdirAll(filepath.Join(dir, "ns"), 0o755); err != nil {
		f.t.Fatal(err)
	}
	for name, text := range map[string]string{"stat": stat, "cgroup": cgroup, "environ": environ} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := os.Symlink(netNS, filepath.Join(dir, "ns", "net")); err != nil {
		f.t.Fatal(err)
	}
}

func (f fakeProc) find(netNS ...uint64) string {
	f.t.Helper()
	finder := Finder{Proc: f.dir, Cgroup: "/c-a-1", Marker: "STATE=/s/a", NetNS: netNS, Self: 99}
	processes, err := finder.Processes()
	if err != nil {
		f.t.Fatal(err)
	}
	var found []string
	for _, p := range processes {
		found = append(found, p.Why)
	}
	return strings.Join(found, ",")
}

const (
	root  = "8:pids:/\n0::/\n"
	host  = "net:[1]"
	node  = "net:[5]"
	other = "PATH=/bin\x00STATE=/s/a2\x00"
)

func TestProcessesAreFoundByCgroupInAnyHierarchy(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	f.add(10, "10 (a) S 1", "8:pids:/c-a-1/kubepods/x\n0::/\n", "", node)
	f.add(11, "11 (a) S 1", "8:pids:/\n0::/c-a-1\n", "", host)
	if got := f.find(); got != "cgroup,cgroup" {
		t.Error(got)
	}
}

func TestProcessesAreFoundByTheirEnvironment(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	f.add(10, "10 (a) S 1", root, "X=1\x00STATE=/s/a\x00", host)
	if got := f.find(); got != "environment" {
		t.Error(got)
	}
}

func TestStrangersAreNotFound(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	f.add(10, "10 (kubelet) S 1", "0::/c-a-12/system\n", other, host)
	f.add(11, "11 (kubelet) S 1", "0::/x/c-a-1\n", "XSTATE=/s/a\x00", node)
	f.add(99, "99 (cluster) S 1", "0::/c-a-1\n", "", host)
	if got := f.find(); got != "" {
		t.Error(got)
	}
}

func TestTheDeadAreNotFound(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	f.add(10, "10 (a) S (b) Z 1", "0::/c-a-1\n", "", host)
	if got := f.find(); got != "" {
		t.Error(got)
	}
}

func TestANodesProcessesAreNotFoundByTheInstancesVariable(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	f.add(10, "10 (kubelet) S 1", "0::/c-a-1/n1/system\n", "STATE=/s/a\x00", node)
	f.add(11, "11 (etcd) S 1", "0::/c-a-1/system\n", "STATE=/s/a\x00", host)
	processes, err := Finder{Proc: f.dir, Cgroup: "/c-a-1/n1"}.Processes()
	if err != nil || len(processes) != 1 || processes[0].PID != 10 {
		t.Errorf("%v, %v", processes, err)
	}
}

func TestANetworkNamespaceCountsOnlyWhileOneOfOursIsInIt(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	f.add(10, "10 (guest) S 1", root, "", node)
	if got := f.find(5); got != "" {
		t.Errorf("found %s by an inode that may be another's by now", got)
	}
	f.add(11, "11 (kubelet) S 1", "0::/c-a-1/system\n", "", node)
	if got := f.find(5); got != "cgroup,network namespace" {
		t.Error(got)
	}
}
