package telemetry

import (
	"database/sql"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Pool adds the metrics of a pool of connections until the answer is called:
// its sizes, and whether its server is away. A second one of a name in the same
// process goes uncounted.
func (m *Metrics) Pool(name string, db *sql.DB, away func() bool) (remove func()) {
	both := []prometheus.Collector{
		collectors.NewDBStatsCollector(db, name),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tillhook_postgres_away",
			Help:        "1 while Postgres could not be reached when it was last tried.",
			ConstLabels: prometheus.Labels{"db_name": name}}, func() float64 {
			if away() {
				return 1
			}
			return 0
		}),
	}
	for _, c := range both {
		if m.Registry.Register(c) != nil {
			return func() {}
		}
	}
	return func() {
		for _, c := range both {
			m.Registry.Unregister(c)
		}
	}
}
