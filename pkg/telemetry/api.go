package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// API are the counters of the storefront's process.
type API struct {
	Requests  *prometheus.CounterVec   // by route and status
	Seconds   *prometheus.HistogramVec // by route, without the time that a client waits for a change
	Waiting   *prometheus.GaugeVec     // clients that wait now, by how: stream, poll
	Dropped   prometheus.Counter       // streams whose reader was too slow
	Looks     prometheus.Counter       // orders read again for those who wait for them
	Misses    prometheus.Counter       // reads of changed orders that failed, and are made again
	Checkouts *prometheus.CounterVec   // by result: session, refused, stripe, unavailable
}

// NewAPI adds the storefront's counters to the registry. It may be called once.
func (m *Metrics) NewAPI() *API {
	f := promauto.With(m.Registry)
	name := func(n, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "tillhook_api_" + n, Help: help}
	}
	a := &API{
		Requests: f.NewCounterVec(name("requests_total", "Requests to the storefront by route and status."), []string{"route", "status"}),
		Seconds: f.NewHistogramVec(prometheus.HistogramOpts{Name: "tillhook_api_request_seconds",
			Help: "Time to answer, without what a client waits for a change.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 11)}, []string{"route"}),
		Waiting: f.NewGaugeVec(prometheus.GaugeOpts{Name: "tillhook_api_waiting_clients",
			Help: "Clients that wait for a change of their order."}, []string{"how"}),
		Dropped:   f.NewCounter(name("slow_readers_dropped_total", "Streams that were cut off because their reader was too slow.")),
		Looks:     f.NewCounter(name("orders_looked_at_total", "Orders that were read again for those who wait for them.")),
		Misses:    f.NewCounter(name("change_read_failures_total", "Reads of changed orders that failed, and are made again.")),
		Checkouts: f.NewCounterVec(name("checkouts_total", "Requests for a Checkout Session by result."), []string{"result"}),
	}
	for _, how := range []string{"stream", "poll"} {
		a.Waiting.WithLabelValues(how)
	}
	for _, result := range []string{"session", "refused", "stripe", "unavailable"} {
		a.Checkouts.WithLabelValues(result)
	}
	return a
}
