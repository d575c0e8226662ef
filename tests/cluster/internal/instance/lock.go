// One `up` or `down` of an instance at a time.

package instance

import (
	"os"

	"golang.org/x/sys/unix"
)

// Lock makes the state folder if need be and waits until this process alone may
// change the instance. Closing the file, or the end of the process, unlocks.
func (i Instance) Lock() (*os.File, error) {
	for {
		if err := os.MkdirAll(i.Dir, 0o755); err != nil {
			return nil, err
		}
		dir, err := os.Open(i.Dir)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
			dir.Close()
			return nil, err
		}
		// Another `down` may have removed the folder while this one waited.
		if locked, err := dir.Stat(); err == nil {
			if now, err := os.Stat(i.Dir); err == nil && os.SameFile(locked, now) {
				return dir, nil
			}
		}
		dir.Close()
	}
}
