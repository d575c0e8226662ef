// Command cluster is a real Kubernetes in one binary, for tests on one machine.
//
// The name of a component as first argument runs that component; any other
// command is the harness's own and lives in internal/, apart from Kubernetes'
// code, so that it is compiled and tested without linking Kubernetes.
package main

import (
	"os"
	"path/filepath"

	"devbridge.dev/tests/cluster/internal/command"
)

func main() {
	args := os.Args[1:]
	if name := filepath.Base(os.Args[0]); isComponent(name) {
		runComponent(name, args)
	}
	if len(args) > 0 && isComponent(args[0]) && args[0] != "kubectl" {
		runComponent(args[0], args[1:])
	}
	os.Exit(command.Main(args, runComponent))
}
