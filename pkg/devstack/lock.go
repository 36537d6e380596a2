package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockPoll is how often a lock is tried again. The system can wake a waiter for
// a lock, but not one that also wants to hear of its context's end.
const lockPoll = 50 * time.Millisecond

// heldError says who holds a lock.
type heldError struct {
	path string
	pid  int // 0 when unknown
}

func (e *heldError) Error() string {
	return fmt.Sprintf("%s is held by process %d", e.path, e.pid)
}

// takeLock takes the lock of the file at path, or returns a *heldError at once.
// It lasts until every copy of the returned file is closed, in this process and
// in those that inherited it, so none outlives its holders.
func takeLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer file.Close()
		text, err := io.ReadAll(io.LimitReader(file, 32))
		if err != nil {
			return nil, err
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text))) // empty while its holder is about to write it
		return nil, &heldError{path: path, pid: pid}
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return file, nil
}

// awaitLock takes the lock as soon as it is free. It gives up when wait,
// called with the holder, says so.
func awaitLock(ctx context.Context, path string, wait func(held *heldError) bool) (*os.File, error) {
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		file, err := takeLock(path)
		held := new(heldError)
		if err == nil || !errors.As(err, &held) || !wait(held) {
			return file, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-ticker.C:
		}
	}
}

// running reports whether there is a process with this number.
func running(pid int) bool {
	return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
