package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

// allowed counts how many of tries pass at one moment.
func allowed(tries int, try func(i int) bool) (passed int) {
	for i := range tries {
		if try(i) {
			passed++
		}
	}
	return passed
}

func TestFailuresOfAnAddress(t *testing.T) {
	t.Parallel()
	f := newFailures()
	at := func(address string, now time.Time) int {
		return allowed(1000, func(int) bool { return f.allow(address, now) })
	}
	got := []int{
		at("1.2.3.4", epoch), at("1.2.3.4", epoch), at("5.6.7.8", epoch),
		at("1.2.3.4", epoch.Add(time.Second)), at("1.2.3.4", epoch.Add(time.Hour)),
	}
	if diff := cmp.Diff([]int{failuresBurst, 0, failuresBurst, failuresPerSecond, failuresBurst}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// An IPv6 sender has more addresses than anybody could remember, and one limit.
func TestFailuresOfANetwork(t *testing.T) {
	t.Parallel()
	f := newFailures()
	got := []int{
		allowed(1000, func(i int) bool { return f.allow(fmt.Sprintf("2001:db8:1:2::%x", i), epoch) }),
		allowed(1000, func(int) bool { return f.allow("2001:db8:1:3::1", epoch) }),
	}
	if diff := cmp.Diff([]int{failuresBurst, failuresBurst}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// One restaurant's noise doesn't use up everybody's rows, and all of them
// together don't fill the disk.
func TestRowsOfFailures(t *testing.T) {
	t.Parallel()
	f := newFailures()
	noisy := allowed(1000, func(int) bool { return f.keep("noisy", epoch) })
	quiet := allowed(1, func(int) bool { return f.keep("quiet", epoch) })
	rest := allowed(5000, func(i int) bool { return f.keep(fmt.Sprint("r", i), epoch) })
	later := allowed(1000, func(int) bool { return f.keep("noisy", epoch.Add(10*time.Second)) })
	want := []int{rowsPerRestaurantMinute, 1, rowsPerMinute - rowsPerRestaurantMinute - 1, rowsPerRestaurantMinute / 6}
	if diff := cmp.Diff(want, []int{noisy, quiet, rest, later}); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// A refused body is kept in part, under a time that fits a partition.
func TestTheRowOfARefusal(t *testing.T) {
	t.Parallel()
	w := &world{configs: []event.Config{restaurant("a")}}
	r := newReceiver(t, w, true)
	body := append([]byte(`{"ID":"evt_1","Type":"x","Created":"2011-01-01T00:00:00Z"}`), strings.Repeat(" ", 10_000)...)
	got := []int{
		r.send(hook+"/a", "whsec_x", body).Code,      // a row, which is not the event's
		r.send(hook+"/nobody", "whsec_x", body).Code, // a row for nobody
		r.send(hook, "", []byte("{}")).Code,          // noise
	}
	r.examiner.close()
	r.examiner.run(t.Context())
	r.writer.close()
	r.writer.run(t.Context())
	type row struct {
		Status     event.Status
		Restaurant string
		At         time.Time
		Bytes      int
	}
	var rows []row
	for _, one := range w.rows {
		rows = append(rows, row{one.Status, one.RestaurantID, one.OccurredAt, len(one.Payload)})
	}
	want := []row{{event.VerificationFailed, "a", epoch, maxKeptPayload}, {event.NoConfig, "", epoch, maxKeptPayload}}
	slices.SortFunc(rows, func(a, b row) int { return -strings.Compare(a.Restaurant, b.Restaurant) })
	if diff := cmp.Diff(want, rows); diff != "" || !cmp.Equal(got, []int{400, 400, 400}) {
		t.Errorf("%v (-want +got)\n%s", got, diff)
	}
	if len(w.tasks) != 0 {
		t.Errorf("refused deliveries became tasks: %v", w.tasks)
	}
}

// polled counts the questions that reach the database.
type polled struct {
	reads int
	err   error
}

func (p *polled) WebhookHealth(context.Context) (event.Health, error) {
	p.reads++
	at := epoch
	return event.Health{Configured: true, LastSuccessfulWebhook: &at, RecentFailures: p.reads}, p.err
}

// However many poll, they are answered from memory, and the database is asked
// every two seconds.
func TestHealthIsAnsweredFromMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, ready := &polled{}, false
		h := &healthHandler{health: p, ready: func(context.Context) bool { return ready }}
		ask := func(answer echo.HandlerFunc) string {
			rec := httptest.NewRecorder()
			if err := answer(echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", nil), rec)); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%d %s", rec.Code, strings.TrimSpace(rec.Body.String()))
		}
		expect := func(when, readiness, webhooks string) {
			t.Helper()
			for range 1000 {
				want := []string{`200 {"status":"ok"}`, readiness, webhooks}
				if diff := cmp.Diff(want, []string{ask(h.alive), ask(h.readiness), ask(h.webhooks)}); diff != "" {
					t.Fatalf("%s (-want +got)\n%s", when, diff)
				}
			}
		}
		state := func(n int) string {
			return fmt.Sprintf(`200 {"stripe":{"configured":true,"lastSuccessfulWebhook":"2026-01-09T22:30:00Z","recentFailures":%d}}`, n)
		}
		const away = `503 {"error":"Temporarily unavailable"}`
		expect("before anything was read", `503 {"status":"unavailable"}`, away)
		ctx, stop := context.WithCancel(t.Context())
		go h.run(ctx)
		synctest.Wait()
		ready = true
		expect("ready", `200 {"status":"ok"}`, state(1))
		<-time.After(healthInterval + 1)
		synctest.Wait()
		expect("later", `200 {"status":"ok"}`, state(2))
		p.err = errors.New("connection refused")
		expect("Postgres has gone away, not noticed yet", `200 {"status":"ok"}`, state(2))
		<-time.After(healthInterval + 1)
		synctest.Wait()
		expect("noticed", `200 {"status":"ok"}`, away)
		if p.reads != 3 {
			t.Errorf("%d questions", p.reads)
		}
		stop()
		synctest.Wait()
	})
}

// slowBody is a long body of which nothing comes before release is closed, and
// then nothing either.
type slowBody struct {
	begun   chan<- struct{}
	release <-chan struct{}
}

func (b slowBody) Read([]byte) (int, error) {
	b.begun <- struct{}{}
	<-b.release
	return 0, io.ErrUnexpectedEOF
}

// Whoever sends many long bodies, and slowly, takes so much of the memory and no
// more: for another long one there is no room then, for a delivery of the usual
// length there is.
func TestLongBodiesHaveABound(t *testing.T) {
	t.Parallel()
	w := &world{configs: []event.Config{restaurant("a")}}
	r := newReceiver(t, w, false)
	begun, release := make(chan struct{}), make(chan struct{})
	answers := make(chan int)
	senders := longBodies / MaxBody
	for i := range senders {
		go func() {
			req := httptest.NewRequest(http.MethodPost, hook+"/slug-a", slowBody{begun, release})
			if req.ContentLength = MaxBody; i%2 == 0 {
				req.ContentLength = -1 // as it comes, in chunks
			}
			rec := httptest.NewRecorder()
			r.http.Handler.ServeHTTP(rec, req)
			answers <- rec.Code
		}()
	}
	for range senders {
		<-begun
	}
	body, err := json.Marshal(envelope("evt_long"))
	if err != nil {
		t.Fatal(err)
	}
	long := func() reply {
		return answerOf(r.send(hook+"/slug-a", "whsec_a", append(body, strings.Repeat(" ", trustedLength)...)))
	}
	got := []reply{long(), r.post(hook+"/slug-a", "whsec_a", envelope("evt_short"))}
	close(release)
	for range senders {
		if code := <-answers; code != http.StatusBadRequest {
			t.Errorf("a body that breaks off: %d", code)
		}
	}
	got = append(got, long())
	want := []reply{{503, again, "5"}, {200, `{"received":true,"id":"evt_short"}`, ""}, {200, `{"received":true,"id":"evt_long"}`, ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}
