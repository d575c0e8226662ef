// What a running instance writes down about itself, for other commands to read.

package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// recordFile also marks a folder as ours: without it nothing is deleted there.
const recordFile = "instance.json"

// Record is the file instance.json.
type Record struct {
	Name string `json:"name"`
	// Ready is set when `up` was complete once.
	Ready bool `json:"ready"`
	// APIPort is the API server's port on the host's 127.0.0.1.
	APIPort    int               `json:"apiPort,omitempty"`
	Supervisor int               `json:"supervisor,omitempty"`
	Nodes      []NodeRecord      `json:"nodes,omitempty"`
	Components []ComponentRecord `json:"components,omitempty"`
}

// NodeRecord is one node.
type NodeRecord struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
	State State  `json:"state"`
	// NetNS is the inode of its network namespace, while it has one. Inodes are used
	// again: it means something only while a process of ours is in it.
	NetNS uint64 `json:"netNS,omitempty"`
}

// State is what was asked of a node or of the API server.
type State string

const (
	// Running is the usual state.
	Running State = "running"
	// Stopped is without processes, and a node without network too.
	Stopped State = "stopped"
	// Frozen has processes that do not run, and a node no network.
	Frozen State = "frozen"
)

// ComponentRecord is one supervised process.
type ComponentRecord struct {
	Name string `json:"name"`
	// Node is the index of the node it belongs to.
	Node     int       `json:"node,omitempty"`
	State    State     `json:"state"`
	PID      int       `json:"pid,omitempty"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts,omitempty"`
	// Exit is how it ended, while it does not run.
	Exit string `json:"exit,omitempty"`
}

// Find is the node of this name.
func (r Record) Find(name string) (NodeRecord, error) {
	for _, n := range r.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return NodeRecord{}, fmt.Errorf("cluster %s has no node %s", r.Name, name)
}

// NetNS are the network namespaces that are written down.
func (r Record) NetNS() []uint64 {
	var inodes []uint64
	for _, n := range r.Nodes {
		if n.NetNS != 0 {
			inodes = append(inodes, n.NetNS)
		}
	}
	return inodes
}

// Read reads the record; without one the error is fs.ErrNotExist.
func (i Instance) Read() (Record, error) {
	var r Record
	data, err := os.ReadFile(i.Path(recordFile))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s: %w", i.Path(recordFile), err)
	}
	return r, nil
}

// Write replaces the record in one step.
func (i Instance) Write(r Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(i.Path(recordFile), append(data, '\n'), 0o644)
}

// WriteFile writes beside the file and renames, so that nobody reads half of it.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path+".new", data, mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Owned says whether the state folder may be emptied: it is absent, empty or ours.
func (i Instance) Owned() error {
	entries, err := os.ReadDir(i.Dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(i.Path(recordFile)); err != nil {
		return fmt.Errorf("%s is not the state folder of a cluster: it has no %s", i.Dir, recordFile)
	}
	return nil
}
