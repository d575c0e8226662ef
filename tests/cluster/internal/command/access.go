// The ways into a cluster: kubeconfigs, logs, and its node's namespaces.

package command

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"time"

	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/node"
	"devbridge.dev/tests/cluster/internal/pki"
)

// followPause lies between two looks at a log that grows.
const followPause = 100 * time.Millisecond

// useKubeconfig makes this cluster the one that kubectl means when its flags name none.
func useKubeconfig(g Globals) {
	if i, err := g.instance(); err == nil {
		if _, err := os.Stat(i.Kubeconfig()); err == nil {
			os.Setenv("KUBECONFIG", i.Kubeconfig())
		}
	}
}

func kubeconfig(g Globals, args []string) error {
	flags := newFlags("kubeconfig")
	raw := flags.Bool("raw", false, "print the content, not the path")
	i, _, err := parse(flags, &g, args, 0, 0)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(i.Kubeconfig())
	if err != nil {
		return err
	}
	if *raw {
		_, err = os.Stdout.Write(data)
		return err
	}
	_, err = fmt.Println(i.Kubeconfig())
	return err
}

var validUser = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)

func user(g Globals, args []string) error {
	flags := newFlags("user")
	var groups list
	flags.Var(&groups, "group", "a group the user is in; may be repeated")
	i, rest, err := parse(flags, &g, args, 1, 1)
	if err != nil {
		return err
	}
	if !validUser.MatchString(rest[0]) {
		return fmt.Errorf("user name %q: use letters, digits and ._@-", rest[0])
	}
	path, err := node.WriteUser(i, pki.Subject{Name: rest[0], Groups: groups})
	if err == nil {
		fmt.Println(path)
	}
	return err
}

func logs(g Globals, args []string) error {
	flags := newFlags("logs")
	follow := flags.Bool("f", false, "go on as the log grows")
	i, rest, err := parse(flags, &g, args, 1, 1)
	if err != nil {
		return err
	}
	file, err := os.Open(i.Log(rest[0]))
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		if _, err := io.Copy(os.Stdout, file); err != nil || !*follow {
			return err
		}
		time.Sleep(followPause)
	}
}

// enter has one flag, that comes first: all else is the command's.
func enter(g Globals, args []string) error {
	i, err := g.instance()
	if err != nil {
		return err
	}
	name := i.First().Name
	if len(args) > 1 && args[0] == "--node" {
		name, args = args[1], args[2:]
	}
	if len(args) == 0 {
		return fmt.Errorf("enter: which command? (cluster --name NAME enter [--node NAME] COMMAND...)")
	}
	pid, err := nodeProcess(i, name)
	if err != nil {
		return err
	}
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	namespace := func(kind string) string { return fmt.Sprintf("/proc/%d/ns/%s", pid, kind) }
	words := append([]string{"nsenter", "--net=" + namespace("net"), "--mount=" + namespace("mnt"), "--"}, args...)
	// In place of this process: exit status and signals are the command's.
	return syscall.Exec(nsenter, words, os.Environ())
}

// nodeProcess is any process that lives in the node's namespaces.
func nodeProcess(i instance.Instance, name string) (int, error) {
	record, err := i.Read()
	if err != nil {
		return 0, err
	}
	n, err := record.Find(name)
	if err != nil {
		return 0, err
	}
	for _, c := range record.Components {
		if c.Node == n.Index && alive(i, c.PID) == nil {
			return c.PID, nil
		}
	}
	return 0, fmt.Errorf("cluster %s: no component runs on %s", i.Name, name)
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return fmt.Sprint([]string(*l)) }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }
