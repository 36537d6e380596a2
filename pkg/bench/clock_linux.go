package bench

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// newClock returns a function that sleeps until a moment, for the goroutine that
// calls newClock: it keeps its thread until stop. The runtime's own timers wake an
// idle process by whole milliseconds, which would be charged to the receiver.
//
// The runtime is not told that it sleeps. To take its processor away a thousand times
// a second, and to look for another afterwards, costs more than to send what is
// due. The others have the rest of the processors, and one at the least.
func newClock() (sleepUntil func(time.Time), stop func()) {
	runtime.LockOSThread()
	processors := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(max(processors, 2))
	sleepUntil = func(due time.Time) {
		for left := time.Until(due); left > 0; left = time.Until(due) {
			ts := syscall.NsecToTimespec(int64(left))
			_, _, _ = syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0) // after a signal the rest of it
		}
	}
	return sleepUntil, func() {
		runtime.GOMAXPROCS(processors)
		runtime.UnlockOSThread()
	}
}
