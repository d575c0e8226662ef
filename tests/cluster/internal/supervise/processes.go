// The components' processes: started, written down, started again when they end, and
// held back when that was asked for.

package supervise

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"devbridge.dev/tests/cluster/internal/cgroup"
	"devbridge.dev/tests/cluster/internal/instance"
	"devbridge.dev/tests/cluster/internal/node"
)

// restartPause lies between the end of a component and its next start.
const restartPause = time.Second

// processes keeps an instance's components running.
type processes struct {
	instance instance.Instance

	mutex sync.Mutex
	// changed tells that a component's wanted state is another.
	changed    sync.Cond
	record     instance.Record
	components []*component
	// commands are processes that are no components, and whose end is asked about.
	commands map[int]bool
}

// component is one that runs, or should.
type component struct {
	node.Component
	machine *machine
	record  instance.ComponentRecord
	// gone: with its node; it is not started again.
	gone bool
	// ended is closed when nobody looks after it any more.
	ended chan struct{}
}

func newProcesses(i instance.Instance, record instance.Record) *processes {
	p := &processes{instance: i, record: record, commands: map[int]bool{}}
	p.changed.L = &p.mutex
	return p
}

// start starts a component on a machine and returns; a task of its own looks after it
// until the machine is gone.
func (p *processes) start(m *machine, described node.Component) error {
	c := &component{
		Component: described,
		machine:   m,
		record:    instance.ComponentRecord{Name: described.Name, Node: m.node.Index, State: instance.Running},
		ended:     make(chan struct{}),
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	command, err := p.launch(c)
	if err != nil {
		return err
	}
	p.components = append(p.components, c)
	p.write()
	go p.keep(c, command)
	return nil
}

// keep waits for the end of a component and starts it again, until it is gone.
func (p *processes) keep(c *component, command *exec.Cmd) {
	defer close(c.ended)
	for {
		command.Wait()
		exit := command.ProcessState.String()
		log.Printf("%s: %s", c.Name, exit)
		p.mutex.Lock()
		c.record.PID, c.record.Exit = 0, exit
		p.write()
		p.mutex.Unlock()
		if command = p.again(c); command == nil {
			return
		}
	}
}

// again starts a component that has ended, when it should run; nil if it is gone.
func (p *processes) again(c *component) *exec.Cmd {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for {
		if c.record.State == instance.Running && !c.gone {
			p.mutex.Unlock()
			time.Sleep(restartPause)
			p.mutex.Lock()
		}
		for c.record.State != instance.Running && !c.gone {
			p.changed.Wait()
		}
		if c.gone {
			return nil
		}
		command, err := p.launch(c)
		if err == nil {
			c.record.Restarts++
			c.record.Exit = ""
			p.write()
			return command
		}
		log.Printf("%s: %v", c.Name, err)
	}
}

// launch starts one process, in a session of its own, that writes to its log file. The
// mutex is held: a process that dies at once must be known already.
func (p *processes) launch(c *component) (*exec.Cmd, error) {
	output, err := os.OpenFile(p.instance.Log(c.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	command := exec.Command(c.Program, c.Args...)
	command.Dir = "/"
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = newSession()
	if err := c.machine.namespaces.Start(command); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	c.record.PID, c.record.Since = command.Process.Pid, time.Now()
	if !c.machine.node.IsFirst() {
		// It has started no other process yet.
		if err := cgroup.Add(c.machine.node.Cgroup(), command.Process.Pid); err != nil {
			log.Printf("%s: cgroup: %v", c.Name, err)
		}
	}
	return command, nil
}

// run runs a command to its end, outside of the nodes' namespaces.
func (p *processes) run(command *exec.Cmd) (string, error) {
	output, err := os.CreateTemp(p.instance.Path("log"), "command-")
	if err != nil {
		return "", err
	}
	defer os.Remove(output.Name())
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	p.mutex.Lock()
	err = command.Start()
	if err == nil {
		p.commands[command.Process.Pid] = true
	}
	p.mutex.Unlock()
	if err != nil {
		return "", err
	}
	err = command.Wait()
	p.mutex.Lock()
	delete(p.commands, command.Process.Pid)
	p.mutex.Unlock()
	said, _ := os.ReadFile(output.Name())
	if err != nil {
		err = fmt.Errorf("%v: %w: %s", command.Args, err, said)
	}
	return string(said), err
}

// set stops, freezes or starts a component by itself.
func (p *processes) set(name string, state instance.State) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, c := range p.components {
		if c.Name != name {
			continue
		}
		c.record.State = state
		p.write()
		p.changed.Broadcast()
		return bring(c.record.PID, state)
	}
	return fmt.Errorf("no component %s", name)
}

// restart ends components, which are started again.
func (p *processes) restart(names ...string) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, c := range p.components {
		if slices.Contains(names, c.Name) {
			if err := bring(c.record.PID, instance.Stopped); err != nil {
				return err
			}
		}
	}
	return nil
}

// bring brings a process that may run, and may have ended, to a state.
func bring(pid int, state instance.State) error {
	if pid == 0 {
		return nil
	}
	err := syscall.Kill(pid, map[instance.State]syscall.Signal{
		instance.Running: syscall.SIGCONT, instance.Stopped: syscall.SIGKILL, instance.Frozen: syscall.SIGSTOP,
	}[state])
	if err == syscall.ESRCH {
		return nil
	}
	return err
}

// state is what was asked of a component.
func (p *processes) state(name string) instance.State {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, c := range p.components {
		if c.Name == name {
			return c.record.State
		}
	}
	return instance.Stopped
}

// forget gives up a machine's components; await returns when nobody looks after them
// any more, which is when their processes have been killed.
func (p *processes) forget(m *machine) (await func()) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var gone []*component
	for _, c := range p.components {
		if c.machine == m {
			c.gone = true
			gone = append(gone, c)
		}
	}
	p.changed.Broadcast()
	return func() {
		for _, c := range gone {
			<-c.ended
		}
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.components = slices.DeleteFunc(p.components, func(c *component) bool { return c.machine == m })
		p.write()
	}
}

// update changes the record and writes it down.
func (p *processes) update(change func(*instance.Record)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	change(&p.record)
	p.write()
}

// write writes the record down; the mutex is held.
func (p *processes) write() {
	p.record.Components = nil
	for _, c := range p.components {
		p.record.Components = append(p.record.Components, c.record)
	}
	if err := p.instance.Write(p.record); err != nil {
		log.Printf("record: %v", err)
	}
}

// isOurs says whether somebody waits for the end of this child.
func (p *processes) isOurs(pid int) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, c := range p.components {
		if c.record.PID == pid {
			return true
		}
	}
	return p.commands[pid]
}
