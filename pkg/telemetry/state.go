package telemetry

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Values are the gauges of one reading.
type Values map[Series]float64

// Series names a gauge, without tillhook_. The labels are "" where it has none.
type Series struct{ Name, Queue, State string }

// states are the gauges that only the worker knows that observes: the others
// must say nothing, and not the zero that a gauge begins with.
type states struct {
	mu     sync.Mutex
	values Values
	descs  map[string]*prometheus.Desc
}

var stateHelp = []struct {
	name   string
	labels []string
	help   string
}{
	{"observed_timestamp_seconds", nil, "When the state was read that the gauges beside this one tell of."},
	{"unfinished_events", nil, "Events that are PROCESSING, 100000 at the most."},
	{"backlog_age_seconds", nil, "Age of the oldest unfinished event that waits for no payment."},
	{"waiting_events", nil, "Events that wait for their payment to appear."},
	{"failed_events", nil, "Events that have become FAILED within the last hour."},
	{"refused_events", nil, "Recorded deliveries that nobody's secret signed, of the last hour."},
	{"no_config_events", nil, "Recorded deliveries, of the last hour, of no restaurant with a configuration."},
	{"last_success_timestamp_seconds", nil, "When the newest webhook that is COMPLETED came."},
	{"orders", []string{"status"}, "Orders by status; of a large table by the server's statistics, which may lag by a tenth."},
	{"orders_pending", nil, "Orders that wait for their payment, 100000 at the most."},
	{"orders_stuck", nil, "Orders that wait for their payment for longer than a Checkout Session lives, and no money is known to be under way."},
	{"payments_undecided", nil, "Payments on which a human must decide: other money than was asked for, or a second payment of a paid order."},
	{"secret_age_days", nil, "Age of the oldest signing secret in use."},
	{"partition_missing", nil, "How many of this week and the next have no partition."},
	{"default_partition_events", nil, "Events of absurd times, which no week has."},
	{"restaurants_silent", nil, "Restaurants without a delivery for longer than is like them."},
	{"restaurants_unaskable", nil, "Restaurants for whose missed events Stripe could not be asked the last time."},
	{"queue_tasks", []string{"queue", "state"}, "Tasks by queue and state."},
	{"queue_paused", []string{"queue"}, "1 if nobody takes tasks from a queue."},
	{"queue_latency_seconds", []string{"queue"}, "How long the oldest pending task of a queue waits."},
	{"redis_evicts", nil, "1 if Redis may drop parts of tasks when its memory is full."},
	{"redis_evicted_keys", nil, "Keys that Redis has dropped since it started."},
}

func newStates() *states {
	s := &states{descs: map[string]*prometheus.Desc{}}
	for _, h := range stateHelp {
		s.descs[h.name] = prometheus.NewDesc("tillhook_"+h.name, h.help, h.labels, nil)
	}
	return s
}

// Describe is for prometheus.
func (s *states) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		out <- d
	}
}

// Collect is for prometheus.
func (s *states) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for series, value := range s.values {
		var labels []string
		for _, label := range []string{series.Queue, series.State} {
			if label != "" {
				labels = append(labels, label)
			}
		}
		out <- prometheus.MustNewConstMetric(s.descs[series.Name], prometheus.GaugeValue, value, labels...)
	}
}

// SetState replaces all gauges of the observer; nil takes them back.
func (m *Metrics) SetState(v Values) {
	m.states.mu.Lock()
	defer m.states.mu.Unlock()
	m.states.values = v
}

// Unix is a time as a gauge.
func Unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
