package app

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how late the kernel may wake a thread that sleeps; its own default
// is 50 microseconds. Timers of ours are for milliseconds at least.
const timerSlack = time.Millisecond

// Relax is the first thing that a program does which often has little to do. While
// any of it runs, a thread of Go's runtime looks after the others, and sleeps for
// 20 microseconds in between; to have it woken that often takes a sixth of
// the CPU time of a program that is half idle.
//
// A thread has its slack from the one that started it, and the runtime's is there
// before main. So this program takes its own place, with the same process id,
// arguments and files. Where it may not, all goes on as it was.
func Relax() {
	runtime.LockOSThread() // the slack is this thread's, until the program is in its place
	defer runtime.UnlockOSThread()
	if slackOf() >= timerSlack {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	err = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0)
	if err != nil || slackOf() < timerSlack { // or it would do so for ever
		return
	}
	_ = syscall.Exec(self, os.Args, os.Environ())
}

// slackOf is the calling thread's.
func slackOf() time.Duration {
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0
	}
	return time.Duration(slack)
}
