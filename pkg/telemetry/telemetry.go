// Package telemetry holds the product's metrics and the loggers' set-up. Every
// metric's name begins with tillhook_, but for webhook_verification_failed_total,
// which has the name that operators know, and those of libraries.
package telemetry

import (
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are all counters and histograms of one process.
type Metrics struct {
	Registry *prometheus.Registry

	Deliveries     *prometheus.CounterVec // by result: accepted, duplicate, verification_failed, no_config, limited, forbidden, too_large, broken_off, unavailable
	CommitRows     prometheus.Histogram   // rows per group commit
	CommitSeconds  prometheus.Histogram
	VerifySeconds  prometheus.Histogram   // to find the secret that signed, or that none did
	Failures       *prometheus.CounterVec // refused deliveries by probable cause
	failedAt       *prometheus.CounterVec // and by restaurant
	failing        names
	FailuresUnkept prometheus.Counter // failing deliveries that were counted, but over the cap for a row

	Enqueued        prometheus.Counter
	EnqueueFailures prometheus.Counter // left to the recoverer

	Attempts    *prometheus.CounterVec // by result: applied, no_change, ignored, done_before, waiting, failed, unavailable
	ApplyEvents prometheus.Histogram   // events per worker transaction
	Settled     prometheus.Histogram   // seconds from Stripe's "created" to worked off
	Orders      *prometheus.CounterVec // changes of orders, by the new status
	Payments    *prometheus.CounterVec // changes of payments, by the new status
	Asked       *prometheus.CounterVec // events that Stripe told of when asked, by source and result: new, known, foreign, unreadable
	AskFailures *prometheus.CounterVec // by source
	Recovered   prometheus.Counter
	Mended      prometheus.Counter // tasks of which Redis had lost a part
	Unrecovered prometheus.Counter // looks that failed, and come again

	PartitionsDropped prometheus.Counter
	PartitionsHeld    prometheus.Gauge   // past retention, but kept for unfinished events
	Swept             prometheus.Counter // finished events of absurd times that were deleted

	states *states
}

// NewMetrics registers everything in a registry of its own.
func NewMetrics() *Metrics {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "tillhook_" + name, Help: help})
	}
	byResult := func(name, help string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "tillhook_" + name, Help: help}, []string{"result"})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return f.NewHistogram(prometheus.HistogramOpts{Name: "tillhook_" + name, Help: help, Buckets: buckets})
	}
	by := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "tillhook_" + name, Help: help}, labels)
	}
	states := newStates()
	r.MustRegister(states)
	rows := prometheus.ExponentialBuckets(1, 2, 9) // 1 … 256
	m := &Metrics{
		Registry:      r,
		Deliveries:    byResult("deliveries_total", "Webhook deliveries by result."),
		CommitRows:    histogram("commit_rows", "Rows stored per commit.", rows),
		CommitSeconds: histogram("commit_seconds", "Time of one commit of the writer.", prometheus.ExponentialBuckets(0.0005, 2, 13)),
		VerifySeconds: histogram("verify_seconds", "Time to find out whose secret signed a delivery.", prometheus.ExponentialBuckets(0.00001, 4, 10)),
		Failures:      by("verification_failures_total", "Refused deliveries by probable cause.", "cause"),
		failedAt: f.NewCounterVec(prometheus.CounterOpts{Name: "webhook_verification_failed_total",
			Help: "Refused deliveries by restaurant: empty if none was found, other beyond the first 200."}, []string{"restaurant"}),
		failing:         names{seen: map[string]bool{}},
		FailuresUnkept:  counter("failures_not_recorded_total", "Failing deliveries beyond the cap on recorded ones."),
		Enqueued:        counter("enqueued_total", "Tasks put into the queue."),
		EnqueueFailures: counter("enqueue_failures_total", "Stored events that could not be queued and are left to the recoverer."),
		Attempts:        byResult("attempts_total", "Attempts at working an event off, by result."),
		ApplyEvents:     histogram("apply_events", "Events per transaction of the worker.", rows),
		// 0.25 s to a day and some.
		Settled:     histogram("settled_seconds", "Time from Stripe's created to an event worked off.", prometheus.ExponentialBuckets(0.25, 3, 13)),
		Orders:      by("order_changes_total", "Changes of orders by their new status.", "status"),
		Payments:    by("payment_changes_total", "Changes of payments by their new status.", "status"),
		Asked:       by("asked_events_total", "Events that Stripe told of when it was asked.", "source", "result"),
		AskFailures: by("ask_failures_total", "Times that Stripe could not be asked, or that an answer was not stored.", "source"),
		Recovered:   counter("recovered_total", "Stored events that the recoverer put into the queue."),
		Mended:      counter("ghost_tasks_total", "Tasks that would never have run, as Redis had lost a part of them, and that the recoverer cleared away."),
		Unrecovered: counter("recover_failures_total", "Stored events that the recoverer could not look after, and tries again."),

		PartitionsDropped: counter("partitions_dropped_total", "Weeks of events that the janitor has dropped."),
		PartitionsHeld: f.NewGauge(prometheus.GaugeOpts{Name: "tillhook_partitions_held",
			Help: "Weeks of events past retention that are kept for the unfinished ones in them."}),
		Swept:  counter("events_swept_total", "Finished events of absurd times that the janitor has deleted."),
		states: states,
	}
	m.begin()
	return m
}

// begin sets counters to zero: one that appears with its first count has, to
// Prometheus, never increased.
func (m *Metrics) begin() {
	for _, v := range []struct {
		counter *prometheus.CounterVec
		values  []string
	}{
		{m.Deliveries, []string{"accepted", "duplicate", "verification_failed", "no_config", "limited", "forbidden", "too_large", "broken_off", "unavailable"}},
		{m.Attempts, []string{"applied", "no_change", "ignored", "done_before", "waiting", "failed", "unavailable"}},
		{m.Failures, []string{"unknown"}},
		{m.failedAt, []string{m.failing.known("")}},
		{m.Orders, []string{"PAID", "REFUNDED"}},
		{m.Payments, []string{"COMPLETED", "REVIEW"}},
		{m.AskFailures, []string{"backfill", "reconcile"}},
	} {
		for _, value := range v.values {
			v.counter.WithLabelValues(value)
		}
	}
	for _, source := range []string{"backfill", "reconcile"} {
		m.Asked.WithLabelValues(source, "new")
	}
}

// NewLogger writes JSON in staging and production, and text for people
// elsewhere, where it also logs at debug level.
func NewLogger(w io.Writer, appEnv string) *slog.Logger {
	if appEnv == "production" || appEnv == "staging" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
