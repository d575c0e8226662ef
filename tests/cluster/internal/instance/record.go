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
	APIPort    int `json:"apiPort,omitempty"`
	Supervisor int `json:"supervisor,omitempty"`
	// NetNS is the inode of the node's network namespace. Inodes are used
	// again: it means something only while a process of ours is in it.
	NetNS      uint64            `json:"netNS,omitempty"`
	Components []ComponentRecord `json:"components,omitempty"`
}

// ComponentRecord is one supervised process.
type ComponentRecord struct {
	Name     string    `json:"name"`
	PID      int       `json:"pid,omitempty"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts,omitempty"`
	// Exit is how it ended, while it does not run.
	Exit string `json:"exit,omitempty"`
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
