package app_test

import (
	"strings"
	"testing"
)

// A payment that was under way and then declined does not keep its customer from
// trying again until the session ends: what the facts can't tell, Stripe does.
func TestAPaymentThatWasUnderWayAndDeclinedCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{})
	id, token := s.order()
	session := s.session(id, token)
	pay := s.paymentOf(id, session)
	underWay := func(when string) {
		t.Helper()
		got := s.call("POST", s.root+"/api/v1/orders/"+id+"/checkout", "", "Authorization: Bearer "+token)
		if got.status != 409 || !strings.Contains(got.body, "payment-under-way") {
			t.Errorf("%s: %+v", when, got)
		}
	}
	if got := s.deliver(pay, s.factory.IntentProcessing(pay)); got.status != 200 {
		t.Fatalf("%+v", got)
	}
	s.eventually("the money is under way", func() bool { return s.states(pay) == "PAYMENT_PENDING / PROCESSING" })
	s.till.set(session, "complete")
	underWay("while it is")
	for _, e := range s.factory.DeclinedLate(pay) {
		if got := s.deliver(pay, e); got.status != 200 {
			t.Fatalf("%+v", got)
		}
	}
	s.eventually("it is known that it was declined", func() bool {
		return s.scalar(`SELECT (facts ? 'failedAttempts')::text FROM "Payment"`) == "true" && s.rows(`status = 'PROCESSING'`) == "0"
	})
	underWay("another attempt is under way")
	s.till.set(session, "open")
	if again := s.session(id, token); again != session || s.till.made() != 1 {
		t.Errorf("led to %s, want %s; %d sessions", again, session, s.till.made())
	}
	s.till.set(session, "expired")
	if again := s.session(id, token); again == session || s.till.made() != 2 {
		t.Errorf("led to %s after its end; %d sessions", again, s.till.made())
	}
}
