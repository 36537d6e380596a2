//go:build !linux

package bench

import "time"

// newClock returns a function that sleeps until a moment, by which an open loop is
// paced; how exactly is up to the system.
func newClock() (sleepUntil func(time.Time), stop func()) {
	return func(due time.Time) { time.Sleep(time.Until(due)) }, func() {}
}
