// How the supervisor tells `up`, which waits at the other end of a pipe, how far it is.

package supervise

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"devbridge.dev/tests/cluster/internal/instance"
)

// progressFD is the pipe's descriptor in the supervisor.
const progressFD = 3

// Progress is the supervisor's end. That nobody listens any more is no error.
type Progress struct{ pipe *os.File }

type report struct {
	Step  string `json:",omitempty"`
	Done  bool   `json:",omitempty"`
	Error string `json:",omitempty"`
}

// InheritedProgress takes the pipe that Start made.
func InheritedProgress() *Progress {
	// Components must not hold it, or `up` would not see the supervisor's end.
	syscall.CloseOnExec(progressFD)
	return &Progress{os.NewFile(progressFD, "progress")}
}

// Step says that a step is done.
func (p *Progress) Step(name string) { p.send(report{Step: name}) }

// Done says that the cluster is up.
func (p *Progress) Done() {
	p.send(report{Done: true})
	p.pipe.Close()
}

// Fail says why it will not come up.
func (p *Progress) Fail(err error) { p.send(report{Error: err.Error()}) }

func (p *Progress) send(r report) {
	line, _ := json.Marshal(r)
	p.pipe.Write(append(line, '\n'))
}

// Start starts the supervisor of an instance in the background and returns when the
// cluster is up. Each step is told as it is done.
func Start(i instance.Instance, cniPlugins string, step func(name string)) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	output, err := os.Create(i.Log("supervisor"))
	if err != nil {
		writer.Close()
		return err
	}
	defer output.Close()
	command := exec.Command(i.Binary(), "supervise", "--name", i.Name, "--state", i.Dir, "--cni-plugins", cniPlugins)
	command.Dir = "/"
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/root", i.Marker()}
	command.Stdout, command.Stderr = output, output
	command.ExtraFiles = []*os.File{writer}
	command.SysProcAttr = newSession()
	err = command.Start()
	writer.Close()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		var r report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		switch {
		case r.Done:
			return nil
		case r.Error != "":
			return errors.New(r.Error)
		default:
			step(r.Step)
		}
	}
	if err := lines.Err(); err != nil && err != io.EOF {
		return err
	}
	return fmt.Errorf("supervisor ended: %v", waitBriefly(command))
}

// waitBriefly tells how a process ended that has just closed its pipe.
func waitBriefly(c *exec.Cmd) string {
	ended := make(chan string, 1)
	go func() {
		c.Wait()
		ended <- c.ProcessState.String()
	}()
	select {
	case how := <-ended:
		return how
	case <-time.After(time.Second):
		return "pipe closed"
	}
}

// newSession keeps signals of the terminal away.
func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
