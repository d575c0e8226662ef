// Reaping orphans. The parents of containers end on purpose or are killed; what they
// leave would go to the machine's first process, which in a container often is a
// program that never asks about dead children.

package supervise

import (
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reapPause is the time that the owner of a dead child gets to ask about it.
const reapPause = 5 * time.Millisecond

// adoptOrphans makes this process the parent of orphans from now on.
func adoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// reap asks about every dead child that nobody waits for, for ever.
func (p *processes) reap() {
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	for {
		pid, err := nextDead()
		switch {
		case err != nil || pid == 0:
			<-died
		case p.isOurs(pid):
			time.Sleep(reapPause)
		default:
			if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil {
				log.Printf("reap %d: %v", pid, err)
			}
		}
	}
}

// nextDead is a dead child, which stays as it is; 0 if there is none.
func nextDead() (int, error) {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || info.Signo == 0 {
		return 0, err
	}
	return int((*childInfo)(unsafe.Pointer(&info)).pid), nil
}

// childInfo is the kernel's siginfo as waitid fills it on 64-bit machines; the
// package unix does not name its later fields.
type childInfo struct {
	signo, errno, code, _ int32
	pid                   int32
	_                     [108]byte
}
