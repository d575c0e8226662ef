// Package command is the command line: one file for each group of commands.
//
// Data goes to standard output, talk to standard error.
package command

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"devbridge.dev/tests/cluster/internal/instance"
)

const usage = `usage: cluster [--name NAME] [--state DIR] COMMAND [ARGUMENTS]

  up [--nodes N]          start the cluster; what a crash left is removed first
  down                    remove it; the exit status tells whether nothing is left
  status                  its components; exit status 0 if all is well
  kubeconfig [--raw]      path (or content) of the administrator's kubeconfig
  user NAME [--group G]   make a kubeconfig for a plain user, print its path
  node add [NAME]         add a node, print its name
  node stop|freeze|start|remove NAME
                          power loss; a machine that hangs; back from either; for ever
  api stop|freeze|start   the same for the API server
  load IMAGE.tar...       import images into all nodes
  image -o OUT.tar ...    write an image from files (see image -h)
  logs COMPONENT [-f]     log of a component, or of "supervisor"
  enter [--node NAME] COMMAND...
                          run a command in a node's network and mount namespace
  kubectl ...             kubectl, as administrator of this cluster

  A component's name (kube-apiserver, kubelet, etcd, ...) runs that component.
  --name selects one of several clusters side by side (default "devbridge");
  --state is the folder that holds all of it (default ` + instance.Root + `/NAME).
`

// RunComponent becomes a component of Kubernetes and does not return.
type RunComponent func(name string, args []string)

// Globals are the flags of every command.
type Globals struct {
	Name, State string
}

func (g *Globals) register(flags *flag.FlagSet) {
	flags.StringVar(&g.Name, "name", g.Name, "which cluster")
	flags.StringVar(&g.State, "state", g.State, "its state folder")
}

func (g Globals) instance() (instance.Instance, error) {
	if g.Name == "" {
		g.Name = instance.DefaultName
	}
	return instance.New(g.Name, g.State)
}

type command func(g Globals, args []string) error

var commands = map[string]command{
	"up":         up,
	"down":       down,
	"status":     status,
	"kubeconfig": kubeconfig,
	"user":       user,
	"node":       nodeCommand,
	"api":        apiCommand,
	"load":       load,
	"image":      writeImage,
	"logs":       logs,
	"enter":      enter,
	"supervise":  superviseCommand,
}

// errUsage ends a command whose arguments were explained already.
var errUsage = errors.New("wrong arguments")

// Main runs a command and returns the exit status.
func Main(args []string, run RunComponent) int {
	var g Globals
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	g.register(flags)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	args = flags.Args()
	if len(args) == 0 {
		flags.Usage()
		return 2
	}
	if args[0] == "kubectl" {
		useKubeconfig(g)
		run(args[0], args[1:])
	}
	c, known := commands[args[0]]
	if !known {
		fmt.Fprintf(os.Stderr, "cluster: unknown command %q\n\n%s", args[0], usage)
		return 2
	}
	switch err := c(g, args[1:]); {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	default:
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		return 1
	}
}

// parse reads a command's flags and those of every command, and checks how many
// arguments there are; a negative most means any number.
func parse(flags *flag.FlagSet, g *Globals, args []string, least, most int) (instance.Instance, []string, error) {
	g.register(flags)
	rest, err := parseArguments(flags, args)
	if err != nil {
		return instance.Instance{}, nil, err
	}
	if len(rest) < least || most >= 0 && len(rest) > most {
		fmt.Fprintf(os.Stderr, "cluster %s: wrong number of arguments\n\n%s", flags.Name(), usage)
		return instance.Instance{}, nil, errUsage
	}
	i, err := g.instance()
	return i, rest, err
}

// parseArguments reads flags that may come before, between and after the arguments,
// and returns the arguments.
func parseArguments(flags *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, errUsage
		}
		args = flags.Args()
		if len(args) == 0 {
			return rest, nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

func newFlags(name string) *flag.FlagSet { return flag.NewFlagSet(name, flag.ContinueOnError) }
