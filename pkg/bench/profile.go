package bench

import (
	"context"
	"fmt"
	"path/filepath"
)

// profile writes CPU profiles of receiver and worker in a closed loop. It is
// not among the figures: being watched costs.
func (b *bench) profile(ctx context.Context, s stage) error {
	if b.o.Profiles == "" {
		return nil
	}
	b.say("profiling")
	b.profiling = true
	defer func() { b.profiling = false }()
	if _, err := b.both(ctx, s.product, Kind{Measure: Life, Contender: tillhook, Connections: b.connections()}); err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	b.say("profiles: go tool pprof -http : %s", filepath.Join(b.o.Profiles, "ingest.pprof"))
	b.say("          go tool pprof -http : %s", filepath.Join(b.o.Profiles, "worker.pprof"))
	return nil
}

// profiled runs f while the processes write profiles of themselves, if this is
// the time for it.
func (b *bench) profiled(processes map[string]*process, f func() error) error {
	if !b.profiling {
		return f()
	}
	for name, p := range processes {
		path, err := filepath.Abs(filepath.Join(b.o.Profiles, name+".pprof"))
		if err != nil {
			return err
		}
		if _, err := p.ask(command{Do: "profile", File: path}); err != nil {
			return err
		}
	}
	err := f()
	for _, p := range processes {
		if _, stopErr := p.ask(command{Do: "profiled"}); err == nil {
			err = stopErr
		}
	}
	return err
}
