package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
	"github.com/redis/go-redis/v9"
)

// usage is what a process has used since its start.
type usage struct {
	CPU float64 `json:"cpu"` // seconds, user and system
	RSS int64   `json:"rss"` // bytes, at its highest
}

func ownUsage() usage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}
	}
	u := usage{CPU: float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9, RSS: r.Maxrss}
	if runtime.GOOS != "linux" {
		return u // bytes there
	}
	u.RSS *= 1024
	// On Linux a process inherits the mark of the one that started it.
	if high, err := highWater("/proc/self/status"); err == nil {
		u.RSS = high
	}
	return u
}

// highWater is VmHWM, in bytes.
func highWater(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, " kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no VmHWM", path)
}

// postmaster finds the server's first process by one of its backends, where
// both are on this machine; else it is 0, and the server's share unknown.
func postmaster(backend int) int {
	p, err := procfs.NewProc(backend)
	if err != nil {
		return 0
	}
	stat, err := p.Stat()
	if err != nil || !strings.HasPrefix(stat.Comm, "postgres") {
		return 0
	}
	return stat.PPID
}

// serverUsage is that of a Postgres: its first process, those that it has now,
// and those that have ended. Memory is left out, since they share it.
func serverUsage(postmaster int) (u usage, err error) {
	if postmaster == 0 {
		return u, nil
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return u, fmt.Errorf("listing processes: %w", err)
	}
	const hertz = 100 // USER_HZ, the same on all of Linux
	for _, p := range all {
		stat, err := p.Stat()
		switch {
		case err != nil: // it has ended meanwhile
		case stat.PID == postmaster:
			u.CPU += stat.CPUTime() + float64(stat.CUTime+stat.CSTime)/hertz
		case stat.PPID == postmaster:
			u.CPU += stat.CPUTime()
		}
	}
	return u, nil
}

// redisUsage is what Redis says of itself.
func redisUsage(ctx context.Context, client *redis.Client) (u usage, err error) {
	info, err := client.Info(ctx, "cpu", "memory").Result()
	if err != nil {
		return u, fmt.Errorf("asking Redis for its usage: %w", err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		number, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "used_cpu_sys", "used_cpu_user":
			u.CPU += number
		case "used_memory_rss":
			u.RSS = int64(number)
		}
	}
	return u, nil
}

// machineBusy is what all processes of the machine have used, in seconds of one
// CPU, or 0 where it can't be known.
func machineBusy() float64 {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	stat, err := fs.Stat()
	if err != nil {
		return 0
	}
	t := stat.CPUTotal // User holds Guest already
	return t.User + t.Nice + t.System + t.IRQ + t.SoftIRQ + t.Steal
}
