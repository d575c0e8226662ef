// Package instance says what one cluster of this machine is called and where
// everything of it lies.
//
// All names are functions of the state folder, so that what a crash left can be
// found again even when the folder's content is gone.
package instance

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	// DefaultName is the instance that commands mean when none is named.
	DefaultName = "devbridge"
	// Root is the folder that holds the state folders.
	Root = "/var/tmp/devbridge-cluster"
	// socketPathLimit is what fits into a sockaddr_un, without the final zero.
	socketPathLimit = 107
	// slots is how many different sets of addresses there are.
	slots = 50
)

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// covered are the folders that a node sees its own version of; a state folder
// below one of them would be out of its components' sight.
var covered = []string{"/run", "/var/run", "/var/lib", "/var/log", "/proc", "/sys", "/dev"}

// Instance is one cluster.
type Instance struct {
	Name string
	// Dir is the state folder, absolute and without symbolic links.
	Dir  string
	slot int
}

// New checks a name and a state folder; an empty dir means the default one.
func New(name, dir string) (Instance, error) {
	if !validName.MatchString(name) {
		return Instance{}, fmt.Errorf("name %q: use 1 to 40 small letters, digits and dashes", name)
	}
	if dir == "" {
		dir = filepath.Join(Root, name)
	}
	dir, err := realPath(dir)
	if err != nil {
		return Instance{}, err
	}
	for _, c := range covered {
		if dir == c || strings.HasPrefix(dir, c+"/") {
			return Instance{}, fmt.Errorf("state folder %s: must not be below %s", dir, c)
		}
	}
	i := Instance{Name: name, Dir: dir}
	// Of the node whose path is the longest.
	last := Node{Instance: i, Index: MaxNodes - 1}
	if n := len(last.ContainerdSocket()); n > socketPathLimit {
		return Instance{}, fmt.Errorf("state folder %s: path is %d characters too long for a socket in it", dir, n-socketPathLimit)
	}
	if dir != filepath.Join(Root, DefaultName) {
		h := fnv.New32a()
		h.Write([]byte(dir))
		i.slot = 1 + int(h.Sum32()%(slots-1))
	}
	return i, nil
}

// realPath resolves the part of a path that exists.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real, nil
	}
	if !os.IsNotExist(err) || path == "/" {
		return "", err
	}
	parent, err := realPath(filepath.Dir(path))
	return filepath.Join(parent, filepath.Base(path)), err
}

// Path is a path below the state folder.
func (i Instance) Path(elem ...string) string {
	return filepath.Join(append([]string{i.Dir}, elem...)...)
}

// Binary is this program as the components run it: a rebuild does not change it.
func (i Instance) Binary() string { return i.Path("bin", "cluster") }

// Kubeconfig is the administrator's way in, from the host.
func (i Instance) Kubeconfig() string { return i.Path("kubeconfig") }

// Log is the log file of a component.
func (i Instance) Log(component string) string { return i.Path("log", component+".log") }

// ControlSocket is where the supervisor takes orders.
func (i Instance) ControlSocket() string { return i.Path("control") }

// Cgroup is the path, in each cgroup hierarchy, below which everything runs.
func (i Instance) Cgroup() string {
	sum := sha256.Sum256([]byte(i.Dir))
	return "/devbridge-cluster-" + i.Name + "-" + hex.EncodeToString(sum[:4])
}

// Marker is the variable in the environment of every component.
func (i Instance) Marker() string { return "DEVBRIDGE_CLUSTER_STATE=" + i.Dir }
