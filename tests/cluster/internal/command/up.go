// up, down and the supervisor they start and end.

package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"devbridge.dev/tests/cluster/internal/cleanup"
	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/supervise"
)

const (
	// healLimit is how long a supervisor gets to restart what has died.
	healLimit = 15 * time.Second
	// thawLimit is how long what was stopped or frozen may take to be as before: a node
	// speaks every 10 s, and loses its taints after that.
	thawLimit = time.Minute
	// healPoll lies between two looks at that.
	healPoll = 100 * time.Millisecond
)

func up(g Globals, args []string) error {
	flags := newFlags("up")
	nodes := flags.Int("nodes", 1, "how many nodes there are at least: node0, node1 and so on")
	mend := flags.Bool("mend", false, "fail when a cluster that is up cannot be made whole; do not start it over")
	i, _, err := parse(flags, &g, args, 0, 0)
	if err != nil {
		return err
	}
	if *nodes < 1 || *nodes > instance.MaxNodes {
		return fmt.Errorf("--nodes: 1 to %d", instance.MaxNodes)
	}
	began := time.Now()
	step := func(name string) {
		fmt.Fprintf(os.Stderr, "%6.2f s  %s\n", time.Since(began).Seconds(), name)
	}
	cniPlugins, err := prerequisites()
	if err != nil {
		return err
	}
	if err := i.Owned(); err != nil {
		return err
	}
	lock, err := i.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	limit := healLimit
	if *mend {
		limit = thawLimit
	}
	switch problem := becomesWhole(i, limit); {
	case problem == nil:
		step("already up")
	case *mend:
		return fmt.Errorf("cluster %s is not whole: %w", i.Name, problem)
	default:
		if !errors.Is(problem, fs.ErrNotExist) {
			step("starting over: " + problem.Error())
		}
		if lock, err = startOver(i, lock, step); err != nil {
			return err
		}
		defer lock.Close()
		if err := installPrograms(i); err != nil {
			return err
		}
		if err := supervise.Start(i, cniPlugins, step); err != nil {
			return fmt.Errorf("%w (logs: %s; `cluster down` removes what there is)", err, i.Path("log"))
		}
	}
	if err := addNodes(i, *nodes, step); err != nil {
		return err
	}
	fmt.Println(i.Kubeconfig())
	return nil
}

// becomesWhole is nil when the cluster is healthy, or its supervisor makes it so soon.
func becomesWhole(i instance.Instance, limit time.Duration) error {
	started := false
	deadline := time.Now().Add(limit)
	for ; ; time.Sleep(healPoll) {
		problem := whole(i)
		if problem == nil {
			return nil
		}
		record, err := i.Read()
		if err != nil || !record.Ready || alive(i, record.Supervisor) != nil || time.Now().After(deadline) {
			return problem
		}
		if !started {
			some, err := startAll(i)
			if err != nil {
				return err
			}
			if started = true; some {
				deadline = time.Now().Add(thawLimit)
			}
		}
	}
}

// whole is nil when the cluster runs and nothing in it has to be healed.
func whole(i instance.Instance) error {
	record, err := i.Read()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, p := range check(ctx, i, record) {
		if p.problem != nil {
			return fmt.Errorf("%s: %w", p.name, p.problem)
		}
	}
	return nil
}

// startOver removes what an earlier run left, and makes a new state folder.
func startOver(i instance.Instance, lock *os.File, step func(string)) (*os.File, error) {
	if _, err := i.Read(); err == nil || len(cleanup.Left(i)) > 1 {
		if err := cleanup.Remove(i); err != nil {
			return lock, err
		}
		step("removed what was left")
		lock.Close()
		if lock, err = i.Lock(); err != nil {
			return nil, err
		}
	}
	if err := i.Write(instance.Record{Name: i.Name}); err != nil {
		return lock, err
	}
	return lock, nil
}

// installPrograms puts this program and pause into the state folder, without copying
// where the file system can share them.
func installPrograms(i instance.Instance) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, dir := range []string{"bin", "log"} {
		if err := os.MkdirAll(i.Path(dir), 0o755); err != nil {
			return err
		}
	}
	if err := linkOrCopy(self, i.Binary()); err != nil {
		return err
	}
	pause := filepath.Join(filepath.Dir(self), "pause")
	if err := linkOrCopy(pause, i.Path("bin", "pause")); err != nil {
		return fmt.Errorf("%w (build.sh makes it)", err)
	}
	return nil
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

func down(g Globals, args []string) error {
	i, _, err := parse(newFlags("down"), &g, args, 0, 0)
	if err != nil {
		return err
	}
	if err := i.Owned(); err != nil {
		return err
	}
	lock, err := i.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	return cleanup.Remove(i)
}

// superviseCommand is what `up` starts in the background.
func superviseCommand(g Globals, args []string) error {
	flags := newFlags("supervise")
	cniPlugins := flags.String("cni-plugins", "", "folder of the CNI plugins")
	i, _, err := parse(flags, &g, args, 0, 0)
	if err != nil {
		return err
	}
	progress := supervise.InheritedProgress()
	err = supervise.Run(i, *cniPlugins, progress)
	progress.Fail(err)
	return err
}
