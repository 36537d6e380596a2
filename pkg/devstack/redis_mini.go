package devstack

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// miniTick is how far miniredis's clock is moved at a time. Its keys expire
// only when it is told that time has passed; a Redis's expire by themselves,
// and leases and unique locks rely on it.
const miniTick = 100 * time.Millisecond

// miniRedis is the Redis inside this process, for machines without one.
type miniRedis struct {
	server *miniredis.Miniredis
	quit   chan struct{} // nil while stopped
	done   chan struct{}
}

// startMiniRedis cannot lose its port to anyone: it binds it itself.
func startMiniRedis() (*Redis, error) {
	m := &miniRedis{server: miniredis.NewMiniRedis()}
	password := newPassword()
	m.server.RequireAuth(password)
	r := &Redis{From: "miniredis (in process)", backend: m}
	err := onFreePort(context.Background(), func(_ context.Context, port int) error {
		r.URL = fmt.Sprintf("redis://:%s@127.0.0.1:%d/0", password, port)
		if err := m.server.StartAddr(fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			return fmt.Errorf("starting miniredis: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.runClock()
	return r, nil
}

func (m *miniRedis) start(context.Context) error {
	if m.quit != nil {
		return nil
	}
	// The one that Close canceled would make every blocking command return at once.
	m.server.Ctx, m.server.CtxCancel = context.WithCancel(context.Background())
	if err := m.server.Restart(); err != nil {
		return err
	}
	m.runClock()
	return nil
}

func (m *miniRedis) stop() error {
	if m.quit == nil {
		return nil
	}
	close(m.quit)
	<-m.done
	m.quit = nil
	m.server.Close()
	return nil
}

func (m *miniRedis) close() error { return m.stop() }

// runClock lets miniredis's time pass with ours until stop.
func (m *miniRedis) runClock() {
	m.quit, m.done = make(chan struct{}), make(chan struct{})
	go func(quit <-chan struct{}, done chan<- struct{}) {
		defer close(done)
		ticker := time.NewTicker(miniTick)
		defer ticker.Stop()
		last := time.Now()
		for {
			select {
			case <-quit:
				return
			case now := <-ticker.C:
				m.server.FastForward(now.Sub(last))
				last = now
			}
		}
	}(m.quit, m.done)
}
