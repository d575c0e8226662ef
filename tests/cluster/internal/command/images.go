// image and load: making images from files, and giving them to the cluster.

package command

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"devbridge.dev/tests/cluster/internal/image"
	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/node"
)

func load(g Globals, args []string) error {
	i, archives, err := parse(newFlags("load"), &g, args, 1, -1)
	if err != nil {
		return err
	}
	record, err := i.Read()
	if err != nil {
		return err
	}
	if len(record.Nodes) == 0 {
		return fmt.Errorf("cluster %s has no node (started by another version?)", i.Name)
	}
	problems := make([]error, len(record.Nodes))
	var all sync.WaitGroup
	for k, n := range record.Nodes {
		// The others get what they lack when they are started.
		if n.State == instance.Running {
			all.Go(func() { problems[k] = loadInto(i, n, archives) })
		}
	}
	all.Wait()
	return errors.Join(problems...)
}

func loadInto(i instance.Instance, r instance.NodeRecord, archives []string) error {
	n, err := i.Node(r.Index, r.Name)
	if err != nil {
		return err
	}
	for _, archive := range archives {
		said, err := node.ImportCommand(n, archive).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: import %s: %w: %s", n.Name, archive, err, said)
		}
		fmt.Fprintf(os.Stderr, "%s: %s", n.Name, said)
	}
	return nil
}

func writeImage(g Globals, args []string) error {
	flags := newFlags("image")
	var spec image.Spec
	var entrypoint, cmd, env, dirs, links list
	out := flags.String("o", "", "the archive to write")
	// --name is the image's here, not the cluster's.
	flags.StringVar(&spec.Name, "name", "", "the image's name with its tag, like devbridge.test/web:1")
	flags.Var(&entrypoint, "entrypoint", "a word of the command; may be repeated")
	flags.Var(&cmd, "cmd", "a word of the default arguments; may be repeated")
	flags.Var(&env, "env", "NAME=value; may be repeated")
	flags.Var(&dirs, "dir", "path[:mode[:uid]], an empty folder; may be repeated")
	flags.Var(&links, "link", "path=target, a symbolic link; may be repeated")
	flags.StringVar(&spec.User, "user", "", "the user, as a number")
	flags.StringVar(&spec.WorkingDir, "workdir", "", "the working folder")
	files, err := parseArguments(flags, args)
	if err != nil {
		return err
	}
	if *out == "" || spec.Name == "" {
		return errors.New("image: -o and --name are needed; files are given as source=path[:mode[:uid]]")
	}
	spec.Entrypoint, spec.Cmd, spec.Env = entrypoint, cmd, env
	for _, group := range []struct {
		specs []string
		parse func(string) (image.Entry, error)
	}{{dirs, image.ParseDir}, {files, image.ParseFile}, {links, image.ParseLink}} {
		for _, s := range group.specs {
			entry, err := group.parse(s)
			if err != nil {
				return err
			}
			spec.Entries = append(spec.Entries, entry)
		}
	}
	return writeArchive(*out, spec)
}

// writeArchive writes beside the file and renames: an archive is whole or absent.
func writeArchive(path string, spec image.Spec) error {
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer os.Remove(path + ".new")
	defer file.Close()
	if err := image.Write(file, spec); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
