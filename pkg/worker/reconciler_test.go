package worker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/worker"
)

// paymentDesk answers by the session.
type paymentDesk map[string]error

func (d paymentDesk) Payment(_ context.Context, want event.Lookup) (event.Answer, error) {
	if err := d[want.Session]; err != nil {
		return event.Answer{}, err
	}
	answer := event.Answer{Says: want.Session + " is open"}
	if want.Session == "paid" {
		answer = event.Answer{Says: "paid", Heard: []event.Heard{heard("paid", event.Hints{})}}
	}
	return answer, nil
}

// What Stripe says of one payment counts, whatever is wrong with another of the
// same order; only an outage is a reason to ask about all of them again.
func TestOnePaymentHidesNoOther(t *testing.T) {
	t.Parallel()
	desk := paymentDesk{
		"gone": event.Permanent(event.ErrNotThere), "forbidden": event.Permanent(event.ErrForbidden), "away": event.ErrNoAnswer,
		"refused": event.Permanent(event.ErrAPIKey),
	}
	for _, c := range []struct {
		payments []string
		says     string
		heard    int
		err      error
	}{
		{[]string{"forbidden", "paid"}, "the restaurant's API key may not read this; paid", 1, nil},
		{[]string{"paid", "forbidden"}, "paid; the restaurant's API key may not read this", 1, nil},
		{[]string{"gone", "paid"}, "no such object at Stripe for this API key; paid", 1, nil},
		{[]string{"gone", "new"}, "no such object at Stripe for this API key; new is open", 0, nil},
		{[]string{"gone"}, "no such object at Stripe for this API key", 0, nil},
		{[]string{"forbidden", "gone"}, "", 0, event.ErrForbidden},
		{[]string{"refused", "forbidden"}, "", 0, event.ErrAPIKey},
		{[]string{"away", "paid"}, "", 0, event.ErrNoAnswer},
		{nil, "no payment of the order could still bring the money", 0, nil},
	} {
		p := event.Pending{OrderID: "o", RestaurantID: "r"}
		for _, session := range c.payments {
			p.Payments = append(p.Payments, event.PendingPayment{ID: "p", Session: session})
		}
		got, err := worker.LookUp(t.Context(), desk, p)
		if !errors.Is(err, c.err) || len(got.Heard) != c.heard {
			t.Errorf("%v: %d heard, %v", c.payments, len(got.Heard), err)
		}
		if diff := cmp.Diff(c.says, got.Says); err == nil && diff != "" {
			t.Errorf("%v (-want +got)\n%s", c.payments, diff)
		}
	}
}
