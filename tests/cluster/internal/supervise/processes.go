// The components' processes: started, written down, and started again when they end.

package supervise

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"sync"
	"time"

	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/network"
	"devbridge.dev/tests/cluster/internal/node"
)

// restartPause lies between the end of a component and its next start.
const restartPause = time.Second

// processes keeps an instance's components running.
type processes struct {
	instance   instance.Instance
	namespaces *network.Namespaces

	mutex  sync.Mutex
	record instance.Record
}

// start starts a component and returns; a task of its own looks after it until the
// supervisor ends.
func (p *processes) start(c node.Component) error {
	command, err := p.launch(c)
	if err != nil {
		return err
	}
	var index int
	p.update(func(r *instance.Record) {
		index = len(r.Components)
		r.Components = append(r.Components, instance.ComponentRecord{Name: c.Name, PID: command.Process.Pid, Since: time.Now()})
	})
	go p.keep(c, command, index)
	return nil
}

// keep waits for the end of a component and starts it again, for ever.
func (p *processes) keep(c node.Component, command *exec.Cmd, index int) {
	for {
		command.Wait()
		exit := command.ProcessState.String()
		log.Printf("%s: %s", c.Name, exit)
		p.update(func(r *instance.Record) {
			r.Components[index].PID = 0
			r.Components[index].Exit = exit
		})
		for {
			time.Sleep(restartPause)
			again, err := p.launch(c)
			if err == nil {
				command = again
				break
			}
			log.Printf("%s: %v", c.Name, err)
		}
		p.update(func(r *instance.Record) {
			r.Components[index].PID = command.Process.Pid
			r.Components[index].Since = time.Now()
			r.Components[index].Restarts++
			r.Components[index].Exit = ""
		})
	}
}

// launch starts one process, in a session of its own, that writes to its log file.
func (p *processes) launch(c node.Component) (*exec.Cmd, error) {
	output, err := os.OpenFile(p.instance.Log(c.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	command := exec.Command(c.Program, c.Args...)
	command.Dir = "/"
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = newSession()
	if err := p.namespaces.Start(command); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return command, nil
}

// update changes the record and writes it down.
func (p *processes) update(change func(*instance.Record)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	change(&p.record)
	if err := p.instance.Write(p.record); err != nil {
		log.Printf("record: %v", err)
	}
}
