package telemetry

import (
	"fmt"
	"testing"
)

// Whatever the world sends, a label has so many values and no more.
func TestRestaurantsInMetricsAreBounded(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	for i := range 1000 {
		m.Refused("unknown", fmt.Sprint("r", i))
	}
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series, total, other := 0, 0.0, 0.0
	for _, f := range families {
		if f.GetName() != "webhook_verification_failed_total" {
			continue
		}
		for _, s := range f.Metric {
			series++
			total += s.Counter.GetValue()
			if s.Label[0].GetValue() == "other" {
				other = s.Counter.GetValue()
			}
		}
	}
	if series != maxNames+1 || total != 1000 || other != 1001-maxNames {
		t.Errorf("%d series, %v refused, %v of them elsewhere", series, total, other)
	}
}
