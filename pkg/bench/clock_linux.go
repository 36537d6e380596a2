package bench

import (
	"runtime"
	"syscall"
	"time"
)

// newClock returns a function that sleeps until a moment, for the goroutine that
// calls newClock: it keeps its thread. The runtime's own timers wake an idle
// process by whole milliseconds, which would be charged to the receiver.
func newClock() (sleepUntil func(time.Time)) {
	runtime.LockOSThread()
	return func(due time.Time) {
		for left := time.Until(due); left > 0; left = time.Until(due) {
			ts := syscall.NsecToTimespec(int64(left))
			_ = syscall.Nanosleep(&ts, nil) // after a signal the rest of it
		}
	}
}
