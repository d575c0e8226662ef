package instance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamesAndFoldersThatCannotWorkAreRefused(t *testing.T) {
	for _, name := range []string{"", "Big", "a/b", "-a", "a-", strings.Repeat("a", 41)} {
		if _, err := New(name, ""); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
	for _, dir := range []string{"/run/x", "/var/lib", "/var/run/x", "/" + strings.Repeat("d", 80)} {
		if _, err := New("a", dir); err == nil {
			t.Errorf("folder %q was taken", dir)
		}
	}
}

func TestInstancesDifferInEverythingTheMachineShares(t *testing.T) {
	a, err := New("a", "")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := New("a", filepath.Join(t.TempDir(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Cgroup() == elsewhere.Cgroup() || a.Marker() == elsewhere.Marker() || a.Dir == elsewhere.Dir {
		t.Errorf("%+v and %+v share something", a, elsewhere)
	}
}

func TestALinkToTheStateFolderIsTheSameInstance(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	a, errA := New("x", filepath.Join(dir, "not", "yet"))
	b, errB := New("x", filepath.Join(link, "not", "yet"))
	if errA != nil || errB != nil || a != b {
		t.Errorf("%v %v: %+v, %+v", errA, errB, a, b)
	}
}

func TestAFolderOfSomebodyElseIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	i, err := New("x", dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Owned(); err != nil {
		t.Errorf("empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if i.Owned() == nil {
		t.Error("a folder with other files was taken for ours")
	}
	if err := i.Write(Record{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := i.Owned(); err != nil {
		t.Errorf("after the record was written: %v", err)
	}
}

func TestTheRecordIsReadAsItWasWritten(t *testing.T) {
	i, err := New("x", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a record: %v", err)
	}
	want := Record{Name: "x", Ready: true, APIPort: 4, Nodes: []NodeRecord{{Name: "node0", State: Running, NetNS: 1 << 40}}}
	if err := i.Write(want); err != nil {
		t.Fatal(err)
	}
	got, err := i.Read()
	if err != nil || got.APIPort != want.APIPort || got.NetNS()[0] != 1<<40 || !got.Ready {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAFolderThatWasRemovedMeanwhileIsLockedAnew(t *testing.T) {
	i, err := New("x", filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := i.Lock()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error)
	go func() {
		lock, err := i.Lock()
		if err == nil {
			_, err = os.Stat(i.Dir)
			lock.Close()
		}
		second <- err
	}()
	if err := os.Remove(i.Dir); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := <-second; err != nil {
		t.Error(err)
	}
}

func TestNodesDifferInEverythingAndTheFirstLiesAtTheTop(t *testing.T) {
	i, err := New("x", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first := i.First()
	if first.Dir() != i.Dir || first.Cgroup() != i.Cgroup() || first.Component("kubelet") != "kubelet" {
		t.Errorf("%+v", first)
	}
	one, errOne := i.Node(1, UsualName(1))
	two, errTwo := i.Node(2, "edge")
	if errOne != nil || errTwo != nil || one.Name != "node1" || two.Name != "edge" {
		t.Errorf("%+v %v, %+v %v", one, errOne, two, errTwo)
	}
	if one.Dir() == two.Dir() || one.Cgroup() == two.Cgroup() || one.IP() == two.IP() ||
		one.PodSubnet() == two.PodSubnet() || one.Component("kubelet") == two.Component("kubelet") {
		t.Errorf("%+v and %+v share something", one, two)
	}
	for _, name := range []string{"Big", "a/b", "..", "-a"} {
		if _, err := i.Node(1, name); err == nil {
			t.Errorf("node name %q was taken", name)
		}
	}
	if _, err := i.Node(MaxNodes, "x"); err == nil {
		t.Error("too many nodes")
	}
}
