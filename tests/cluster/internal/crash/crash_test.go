//go:build cluster

// Package crash tests that nothing is left of a cluster, whatever was killed.
//
// It looks at the machine with other eyes than `down` does: what the host shows
// before the cluster comes up must be what it shows after. It needs root and the
// binary: ./build.sh && go test -tags cluster ./internal/crash
package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"devbridge.dev/tests/cluster/internal/cleanup"
	"devbridge.dev/tests/cluster/internal/instance"
)

const binary = "../../bin/cluster"

func TestNothingIsLeftAfterAKill(t *testing.T) {
	for _, victim := range []string{
		"nobody", "supervise", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet",
		"kube-proxy", "containerd", "containerd-shim", "pause", "everything",
	} {
		t.Run(victim, func(t *testing.T) {
			c := newCluster(t, "kill-"+victim)
			c.up()
			c.signal(victim, syscall.SIGKILL)
			c.down()
		})
	}
}

func TestNothingIsLeftWhenAllStandsStill(t *testing.T) {
	c := newCluster(t, "stopped")
	c.up()
	c.signal("everything", syscall.SIGSTOP)
	c.down()
}

func TestDownNeedsNothingOfTheStateFolder(t *testing.T) {
	c := newCluster(t, "emptied")
	c.up()
	away := c.Dir + "-away"
	if err := os.Rename(c.Dir, away); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(away) })
	c.down()
}

func TestNothingIsLeftWhenUpIsKilledOnItsWay(t *testing.T) {
	for _, after := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			c := newCluster(t, "early")
			up := exec.Command(binary, "--name", c.Name, "up")
			if err := up.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			up.Process.Kill()
			up.Wait()
			c.down()
		})
	}
}

func TestUpHealsWhatAKillLeft(t *testing.T) {
	for _, victim := range []string{"everything", "supervise", "containerd"} {
		t.Run(victim, func(t *testing.T) {
			c := newCluster(t, "heal-"+victim)
			c.up()
			c.signal(victim, syscall.SIGKILL)
			c.up()
			c.run("status")
			c.down()
		})
	}
}

// An API server and nodes that were stopped and frozen on purpose are in nobody's way.
func TestNothingIsLeftOfWhatWasStoppedOrFrozen(t *testing.T) {
	for _, victim := range []string{"nobody", "supervise"} {
		t.Run(victim, func(t *testing.T) {
			c := newCluster(t, "away-"+victim)
			c.run("up", "--nodes", "3")
			c.run("node", "stop", "node1")
			c.run("node", "freeze", "node2")
			c.run("api", "freeze")
			c.signal(victim, syscall.SIGKILL)
			c.down()
		})
	}
}

// cluster is one instance, and what the host looked like before it.
type cluster struct {
	instance.Instance
	t      *testing.T
	before string
}

func newCluster(t *testing.T, name string) *cluster {
	i, err := instance.New(fmt.Sprintf("%s-%d", name, os.Getpid()), "")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{Instance: i, t: t, before: host(t)}
	t.Cleanup(func() { cleanup.Remove(i) })
	return c
}

func (c *cluster) up() {
	c.t.Helper()
	c.run("up")
}

func (c *cluster) down() {
	c.t.Helper()
	began := time.Now()
	namespaces := c.namespaces()
	c.run("down")
	c.t.Logf("down took %v", time.Since(began).Round(time.Millisecond))
	before, after := lines(c.before), lines(host(c.t))
	for line := range before {
		if !after[line] {
			c.t.Errorf("gone from the host: %s", line)
		}
	}
	for line := range after {
		if !before[line] {
			c.t.Errorf("new on the host: %s", line)
		}
	}
	for _, entry := range procs(c.t) {
		// The dead hold nothing; when they are asked about is up to the first process.
		if stat, _ := os.ReadFile(filepath.Join(entry, "stat")); strings.Contains(string(stat), ") Z ") {
			continue
		}
		for _, kind := range []string{"net", "mnt"} {
			if link, err := os.Readlink(filepath.Join(entry, "ns", kind)); err == nil && namespaces[link] {
				c.t.Errorf("%s is still in %s", entry, link)
			}
		}
		for _, file := range []string{"cmdline", "environ", "mountinfo", "cgroup"} {
			data, _ := os.ReadFile(filepath.Join(entry, file))
			if strings.Contains(string(data), c.Dir) || strings.Contains(string(data), c.Cgroup()) {
				c.t.Errorf("%s/%s names the cluster", entry, file)
			}
		}
	}
}

// namespaces are those that only the cluster's processes are in. They are held open
// until the test ends, or the kernel could give their numbers to another cluster's.
func (c *cluster) namespaces() map[string]bool {
	processes, err := cleanup.FinderFor(c.Instance).Processes()
	if err != nil {
		c.t.Fatal(err)
	}
	found := map[string]bool{}
	for _, p := range processes {
		for _, kind := range []string{"net", "mnt"} {
			path := fmt.Sprintf("/proc/%d/ns/%s", p.PID, kind)
			held, err := os.Open(path)
			if err != nil {
				continue
			}
			c.t.Cleanup(func() { held.Close() })
			link, _ := os.Readlink(path)
			own, _ := os.Readlink("/proc/self/ns/" + kind)
			if link != own {
				found[link] = true
			}
		}
	}
	return found
}

func (c *cluster) run(args ...string) {
	c.t.Helper()
	out, err := exec.Command(binary, append([]string{"--name", c.Name}, args...)...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("cluster %v: %v\n%s", args, err, out)
	}
}

// signal sends a signal to the cluster's processes whose command line names the victim.
func (c *cluster) signal(victim string, s syscall.Signal) {
	c.t.Helper()
	processes, err := cleanup.FinderFor(c.Instance).Processes()
	if err != nil {
		c.t.Fatal(err)
	}
	hit := 0
	for _, p := range processes {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
		words := strings.Split(string(line), "\x00")
		named := filepath.Base(words[0]) == victim || len(words) > 1 && words[1] == victim ||
			strings.HasPrefix(filepath.Base(words[0]), victim+"-")
		if victim == "everything" || named {
			hit++
			syscall.Kill(p.PID, s)
		}
	}
	if hit == 0 && victim != "nobody" {
		c.t.Fatalf("no process %s among %v", victim, processes)
	}
}

// host is what a cluster must leave as it was.
func host(t *testing.T) string {
	var b strings.Builder
	for _, command := range []string{
		"ip -o link", "ip -o address", "ip route", "nft list ruleset",
		"sysctl vm.overcommit_memory kernel.panic kernel.panic_on_oops",
		"ls /run /var/lib /var/log /var/log/pods /var/lib/cni /var/lib/kubelet /run/containerd /run/netns",
		"find /sys/fs/cgroup -maxdepth 2 -type d -name devbridge-cluster-*" + fmt.Sprint(os.Getpid()) + "*",
	} {
		words := strings.Fields(command)
		out, _ := exec.Command(words[0], words[1:]...).CombinedOutput()
		fmt.Fprintf(&b, "%s\n%s\n", command, out)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	b.Write(mounts)
	return b.String()
}

func lines(text string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		set[line] = true
	}
	return set
}

func procs(t *testing.T) []string {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
