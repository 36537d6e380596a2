package ingest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
)

// watched are configurations whose every reading is written down, and whose
// notifications the test sends.
type watched struct {
	*world
	began    time.Time
	readings []time.Duration
	changes  chan struct{}
	watchErr error // what the watcher dies of, at once
	log      strings.Builder
}

func (w *watched) Configs(ctx context.Context) ([]event.Config, error) {
	w.mu.Lock()
	w.readings = append(w.readings, time.Since(w.began))
	w.mu.Unlock()
	return w.world.Configs(ctx)
}

func (w *watched) WatchConfigs(ctx context.Context, changed func()) error {
	w.mu.Lock()
	err := w.watchErr
	w.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.changes:
			changed()
		}
	}
}

// set changes what the next reading finds.
func (w *watched) set(readErr error, configs ...event.Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.configs, w.readErr = configs, readErr
}

// watch runs a directory in the test's bubble.
func watch(t *testing.T, w *watched) (d *Directory, stop func()) {
	w.began, w.changes = time.Now(), make(chan struct{})
	d = NewDirectory(w, vault{}, slog.New(slog.NewTextHandler(&w.log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	synctest.Wait()
	return d, func() {
		cancel()
		<-ended
	}
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// knows lists who has a usable secret.
func knows(d *Directory) []string {
	s := d.current.Load()
	if s == nil {
		return nil
	}
	return idsOf(s.active)
}

// A changed secret is in use at once; a lost notification costs 15 s.
func TestTheDirectoryFollowsChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{world: &world{configs: []event.Config{restaurant("a")}}}
		d, stop := watch(t, w)
		if got := knows(d); !cmp.Equal(got, []string{"a"}) || d.Ready() != nil {
			t.Errorf("at the start: %v", got)
		}
		pass(time.Second)
		w.set(nil, restaurant("a"), restaurant("b"))
		w.changes <- struct{}{}
		synctest.Wait()
		if got := knows(d); !cmp.Equal(got, []string{"a", "b"}) {
			t.Errorf("after a notification: %v", got)
		}
		w.set(nil, restaurant("b"))
		pass(14 * time.Second)
		if got := knows(d); !cmp.Equal(got, []string{"a", "b"}) {
			t.Errorf("without a notification, after 14 s: %v", got)
		}
		pass(2 * time.Second)
		if got := knows(d); !cmp.Equal(got, []string{"b"}) {
			t.Errorf("without a notification, after 16 s: %v", got)
		}
		stop()
		if diff := cmp.Diff([]time.Duration{0, time.Second, 16 * time.Second}, w.readings); diff != "" {
			t.Error("readings (-want +got)\n", diff)
		}
	})
}

// Without its watcher the directory polls, and an outage leaves it what it
// knew, looking again every second.
func TestTheDirectoryOutlivesItsWatcherAndItsDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{world: &world{readErr: errors.New("connection refused")}, watchErr: errors.New("connection refused")}
		d, stop := watch(t, w)
		if d.Ready() == nil {
			t.Error("ready without having read anything")
		}
		w.set(nil, restaurant("a"))
		pass(1500 * time.Millisecond) // read after 1 s
		if got := knows(d); !cmp.Equal(got, []string{"a"}) {
			t.Errorf("after the outage: %v", got)
		}
		w.set(errors.New("connection refused"))
		pass(16 * time.Second) // polled after 16 s and 17 s, in vain
		if got := knows(d); !cmp.Equal(got, []string{"a"}) {
			t.Errorf("in the next outage: %v", got)
		}
		w.set(nil, restaurant("b"))
		pass(time.Second) // 18 s
		if got := knows(d); !cmp.Equal(got, []string{"b"}) {
			t.Errorf("in the end: %v", got)
		}
		stop()
		want := []time.Duration{0, time.Second, 16 * time.Second, 17 * time.Second, 18 * time.Second}
		if diff := cmp.Diff(want, w.readings); diff != "" {
			t.Error("readings (-want +got)\n", diff)
		}
	})
}

// A watcher that has died is replaced within seconds, and the directory follows
// changes at once again; it is said once.
func TestTheDirectoryWatchesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{world: &world{configs: []event.Config{restaurant("a")}}, watchErr: errors.New("canceled")}
		d, stop := watch(t, w)
		pass(time.Minute)
		w.mu.Lock()
		w.watchErr = nil
		w.mu.Unlock()
		pass(6 * time.Second)
		w.set(nil, restaurant("b"))
		select {
		case w.changes <- struct{}{}:
		case <-time.After(time.Second):
			t.Error("nobody listens")
		}
		synctest.Wait()
		if got := knows(d); !cmp.Equal(got, []string{"b"}) {
			t.Errorf("after a notification: %v", got)
		}
		stop()
		if n := strings.Count(w.log.String(), "by polling only"); n != 1 {
			t.Errorf("said %d times:\n%s", n, w.log.String())
		}
	})
}

// A secret that no key opens is its restaurant's trouble alone, and is told
// to operators without its value.
func TestAnUndecryptableSecretHurtsNobodyElse(t *testing.T) {
	t.Parallel()
	broken := restaurant("broken")
	broken.Secret = "sealed:hunter2"
	var log strings.Builder
	w := &world{configs: []event.Config{broken, restaurant("a")}}
	d := NewDirectory(w, vault{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := knows(d); !cmp.Equal(got, []string{"a"}) {
		t.Errorf("usable: %v", got)
	}
	if got := d.current.Load().byID["broken"]; !got.locked || !strings.Contains(got.fault, "no key opens") {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(log.String(), "restaurant=broken") || strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log: %s", log.String())
	}
}

// After a rotation both secrets are good until the old one's time is over: to
// the moment, and without reading anything anew.
func TestThePreviousSecretUntilItsExpiry(t *testing.T) {
	t.Parallel()
	c := restaurant("a")
	c.PreviousSecret, c.PreviousExpiresAt = "sealed:c-a:whsec_old", epoch.Add(time.Hour)
	d := NewDirectory(&world{configs: []event.Config{c}}, vault{}, slog.New(slog.DiscardHandler))
	now := epoch
	d.now = func() time.Time { return now }
	live := func() (values []string) {
		for _, s := range d.current.Load().byID["a"].live(now) {
			values = append(values, s.value)
		}
		return values
	}
	both, one := []string{"whsec_a", "whsec_old"}, []string{"whsec_a"}
	for _, step := range []struct {
		now    time.Time
		reload bool
		want   []string
	}{
		{epoch, true, both},
		{epoch.Add(time.Hour - 1), false, both},
		{epoch.Add(time.Hour), false, one},
		{epoch.Add(2 * time.Hour), true, one},
	} {
		if now = step.now; step.reload {
			if err := d.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(step.want, live()); diff != "" {
			t.Errorf("at %s (-want +got)\n%s", now, diff)
		}
	}
}

// What an operator stored by SQL works at once, and is sealed: both secrets,
// each for its row. What is sealed already is left alone.
func TestAPlainSecretWorksAndIsSealed(t *testing.T) {
	t.Parallel()
	plain := restaurant("plain")
	plain.Secret, plain.PreviousSecret, plain.PreviousExpiresAt = "whsec_new", "whsec_old", epoch.Add(time.Hour)
	w := &world{configs: []event.Config{plain, restaurant("a"), {RestaurantID: "inactive", Slug: "i"}}}
	r := newReceiver(t, w, false)
	for _, secret := range []string{"whsec_new", "whsec_old"} {
		if got := r.post(hook+"/plain", secret, envelope("evt_1")); got.Status != 200 {
			t.Errorf("%s: %+v", secret, got)
		}
	}
	want := []string{"c-plain print of whsec_new sealed:c-plain:whsec_new", "c-plain print of whsec_old sealed:c-plain:whsec_old"}
	if diff := cmp.Diff(want, w.sealed); diff != "" {
		t.Error("sealed (-want +got)\n", diff)
	}
	var signed []string
	for _, row := range w.rows {
		signed = append(signed, row.SignedWith)
	}
	if diff := cmp.Diff([]string{event.SignedCurrent, event.SignedPrevious}, signed); diff != "" {
		t.Error("signed with (-want +got)\n", diff)
	}
}
