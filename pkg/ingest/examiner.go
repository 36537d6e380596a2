package ingest

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

const (
	// Refused deliveries that wait to be examined, with bodies of up to
	// maxTrialBody: a flood costs at most this much memory, the rest of it is
	// recorded unexamined.
	examineQueue = 64

	// Examining one tries other restaurants' secrets until it has hashed this
	// many bytes, about two milliseconds of work.
	examinePerSecond = 20
	examineBurst     = 50
	maxHashed        = 4 << 20
)

// examiner finds out, off the path of the answer, why deliveries were refused:
// it keeps their rows, counts them by cause, and logs the one line of each.
type examiner struct {
	format    Format
	directory *Directory
	resolver  *resolver
	writer    *writer
	failures  *failures
	metrics   *telemetry.Metrics
	log       *slog.Logger
	now       func() time.Time

	queue chan *delivery
	pace  *rate.Limiter

	mu     sync.RWMutex // held for reading while sending
	closed bool
}

func newExaminer(h *handler) *examiner {
	return &examiner{
		format: h.format, directory: h.directory, resolver: h.resolver, writer: h.writer, failures: h.failures,
		metrics: h.metrics, log: h.log, now: h.now,
		queue: make(chan *delivery, examineQueue), pace: rate.NewLimiter(examinePerSecond, examineBurst),
	}
}

// submit never waits.
func (x *examiner) submit(d *delivery) {
	if len(d.body) > maxTrialBody || !x.send(d) {
		x.report(d, causeUnexamined)
	}
}

func (x *examiner) send(d *delivery) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.closed {
		return false
	}
	select {
	case x.queue <- d:
		return true
	default:
		return false
	}
}

// run examines until close was called and nothing waits any more.
func (x *examiner) run(ctx context.Context) {
	for d := range x.queue {
		why := causeUnexamined
		if x.pace.Allow() && ctx.Err() == nil {
			bounded, cancel := context.WithTimeout(ctx, time.Second)
			why = x.examine(bounded, d)
			cancel()
		}
		x.report(d, why)
	}
}

// close ends run after what was submitted.
func (x *examiner) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.closed {
		x.closed = true
		close(x.queue)
	}
}

// report logs, counts and, as far as the caps allow, keeps the refusal.
func (x *examiner) report(d *delivery, why cause) {
	restaurant := d.restaurantID()
	if why.detail != "" {
		d.reason += ": " + why.detail
	}
	x.metrics.Refused(why.name, restaurant)
	result := "verification_failed"
	if d.status == event.NoConfig {
		result = "no_config"
	}
	x.log.LogAttrs(context.Background(), slog.LevelWarn, "delivery",
		slog.String("result", result), slog.Int("status", 400), slog.String("cause", why.name),
		slog.String("reason", d.reason), slog.String("restaurant", restaurant),
		slog.String("from", d.from), slog.Int("bytes", len(d.body)))
	// Without a restaurant only NO_CONFIG is worth a row: the rest is noise.
	if restaurant == "" && d.status != event.NoConfig {
		return
	}
	if !x.failures.keep(restaurant, x.now()) || !x.keep(d) {
		x.metrics.FailuresUnkept.Inc()
	}
}

// keep stores the refused delivery as a row that takes no genuine event's
// place, and reports whether there was room.
func (x *examiner) keep(d *delivery) bool {
	if d.env.Created.IsZero() {
		d.env.Created, d.env.Type = x.now(), "unknown"
	}
	// The time is the sender's word: a partition far off is not theirs to fill.
	if age := x.now().Sub(d.env.Created); age > 31*24*time.Hour || age < -24*time.Hour {
		d.env.Created = x.now()
	}
	d.body = append([]byte(nil), d.body[:min(len(d.body), maxKeptPayload)]...)
	record, err := d.record()
	return err == nil && x.writer.offer(record)
}
