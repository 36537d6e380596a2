package app_test

import (
	"testing"

	"tillhook/pkg/devstack"
)

// counted is the sum of a counter's series with a label of this value.
func (p *product) counted(name, value string) (sum float64) {
	p.Helper()
	families, err := p.metrics.Registry.Gather()
	if err != nil {
		p.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, s := range f.Metric {
			for _, l := range s.Label {
				if l.GetValue() == value {
					sum += s.Counter.GetValue()
				}
			}
		}
	}
	return sum
}

// Refusals are counted, by cause and restaurant, also while no row of one can be
// stored; what can't be judged then is no refusal, and is counted as such.
func TestRefusalsAreCountedInAnOutage(t *testing.T) {
	t.Parallel()
	pg := devstack.OwnPostgres(t)
	p := start(t, parts{databaseURL: pg.URL, noWorker: true})
	pay := p.newPayments("a", 1)[0]
	e := p.factory.CheckoutCompleted(pay)
	const path = "/api/v1/webhooks/stripe/slug-a"
	if got := p.post(path, "t=1,v1=00", e.Body); got.status != 400 {
		t.Fatal(got)
	}
	p.eventually("the first refusal is counted", func() bool { return p.counted("webhook_verification_failed_total", "a") == 1 })
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		if got := p.post(path, "t=1,v1=00", e.Body); got.status != 400 {
			t.Fatal(got)
		}
	}
	p.secrets["a"] = "whsec_wrong"
	if got := p.deliver(pay, e); got.status != 503 {
		t.Errorf("nobody can tell whether a new secret has signed this: %d", got.status)
	}
	p.eventually("all are counted", func() bool {
		return p.counted("webhook_verification_failed_total", "a") == 31 && p.counted("tillhook_deliveries_total", "verification_failed") == 31 &&
			p.counted("tillhook_deliveries_total", "unavailable") == 1
	})
	if err := pg.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}
