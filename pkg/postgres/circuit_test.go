package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"tillhook/pkg/event"
)

// host is a server that refuses while down, after taking its time.
type host struct {
	driver.Connector
	down  atomic.Bool
	takes time.Duration
	first int64 // so many of the first tries are refused as well
	tries atomic.Int64
}

var errRefused = errors.New("connection refused")

func (h *host) Connect(ctx context.Context) (driver.Conn, error) {
	try := h.tries.Add(1)
	select {
	case <-time.After(h.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if h.down.Load() || try <= h.first {
		return nil, errRefused
	}
	return plug{}, nil
}

type plug struct{ driver.Conn }

func (plug) Close() error { return nil }

// However many ask, the server is tried once in a quarter of a second to a
// second, those who ask are answered at once, and the first who asks a second
// after it is back gets his connection.
func TestAServerThatIsAwayIsTriedNowAndThen(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{0, 2 * time.Second} { // refused, and swallowed
		synctest.Test(t, func(t *testing.T) {
			h := &host{takes: takes}
			h.down.Store(true)
			c := newCircuit(h)
			if _, err := c.Connect(t.Context()); !errors.Is(err, errRefused) {
				t.Error(err)
			}
			started := time.Now()
			for range 1000 {
				if _, err := c.Connect(t.Context()); !errors.Is(err, ErrAway) || !errors.Is(err, errRefused) {
					t.Fatal(err)
				}
				<-time.After(10 * time.Millisecond)
			}
			if took := time.Since(started); took != 10*time.Second {
				t.Errorf("the callers waited for %s", took-10*time.Second)
			}
			least, most := int64(10*time.Second/(time.Second+takes)), 2+int64(10*time.Second/(probeAfter+takes))
			if n := h.tries.Load(); n < least || n > most {
				t.Errorf("%d tries in 10 s, want %d to %d", n, least, most)
			}
			h.down.Store(false)
			<-time.After(time.Second + 2*takes)
			synctest.Wait()
			if _, err := c.Connect(t.Context()); err != nil {
				t.Errorf("once it is back: %v", err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// One refusal is no outage: the next one asks in vain only until the probe,
// which comes at once, has found the server.
func TestOneRefusalIsNoOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCircuit(&host{first: 1})
		_, err := c.Connect(t.Context())
		synctest.Wait() // for no time at all
		if _, again := c.Connect(t.Context()); err == nil || again != nil {
			t.Errorf("first %v, then %v", err, again)
		}
	})
}

// A caller who goes away says nothing of the server, one who has waited for it
// in vain does.
func TestWhoseFaultItWasThatNobodyConnected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{takes: time.Minute}
		c := newCircuit(h)
		gone, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		patient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var away []bool
		for _, ctx := range []context.Context{gone, patient, t.Context()} {
			_, err := c.Connect(ctx)
			away = append(away, errors.Is(err, ErrAway))
		}
		if diff := cmp.Diff([]bool{false, false, true}, away); diff != "" {
			t.Error("refused at once (-want +got)\n", diff)
		}
		if err := c.Close(); err != nil { // in the middle of a probe
			t.Error(err)
		}
	})
}

// A row's fault fails that row, another transaction's costs a moment, a function's
// may be for some rows only, and everything else is an outage.
func TestWhoseFaultAStatementIs(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	got, want := map[string]string{}, map[string]string{}
	for kind, codes := range map[string][]string{
		"row":    {"22021", "22P05", "23505", "54000"},
		"other":  {"40001", "40P01", "55P03", "57014"},
		"outage": {"25006", "57P01", "57P02", "57P03", "53100", "53200", "53300", "08006", "58030", "28P01", "42P01", "XX000"},
	} {
		for _, code := range codes {
			err := fmt.Errorf("storing: %w", &pq.Error{Code: pqerror.Code(code)})
			want[code], got[code] = kind, faultOf(classify(t.Context(), err))
			want[code+" after the end"], got[code+" after the end"] = "outage", faultOf(classify(ended, err))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	for code, kind := range map[string]string{
		"42P01": "function", "42501": "function", "21000": "function", "3F000": "function", "XX000": "function",
		"P0001": "row", "23502": "row", "40001": "other", "25006": "outage", "53100": "outage", "57P01": "outage", "08006": "outage",
	} {
		err := &pq.Error{Code: pqerror.Code(code), Where: `PL/pgSQL function tickets() line 1 at SQL statement`}
		if fault := faultOf(classify(t.Context(), err)); fault != kind {
			t.Errorf("%s in a function: %s, want %s", code, fault, kind)
		}
	}
	full := &pq.Error{Code: "54000", Message: "too many notifications in the NOTIFY queue", Routine: "PreCommit_Notify"}
	if fault := faultOf(classify(t.Context(), full)); fault != "outage" {
		t.Errorf("no room for notifications: %s", fault)
	}
}

func faultOf(err error) string {
	switch {
	case errors.Is(err, event.ErrUnstorable):
		return "row"
	case errors.Is(err, event.ErrContended):
		return "other"
	case errors.Is(err, event.ErrTrigger):
		return "function"
	}
	return "outage"
}
