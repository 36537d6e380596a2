package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"tillhook/pkg/event"
)

// Whatever may turn an order PAID goes first.
func TestQueueOf(t *testing.T) {
	t.Parallel()
	got := map[string][]string{}
	for _, eventType := range []string{
		"checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
		"checkout.session.expired", "payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled",
		"charge.succeeded", "charge.captured", "charge.failed", "charge.pending", "charge.refunded", "charge.refund.updated",
		"charge.dispute.created", "charge.dispute.closed", "refund.created", "refund.failed", "customer.created", "invoice.paid",
		"v1.charge.succeeded", "v1.billing.meter.no_meter_found", "v2.core.event", "checkouts", "charge", "",
	} {
		name := queueOf(eventType)
		got[name] = append(got[name], eventType)
	}
	want := map[string][]string{
		Critical: {
			"checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
			"checkout.session.expired", "payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled",
			"charge.succeeded", "charge.captured", "v1.charge.succeeded",
		},
		Default: {
			"charge.failed", "charge.pending", "charge.refunded", "charge.refund.updated", "charge.dispute.created",
			"charge.dispute.closed", "refund.created", "refund.failed", "charge",
		},
		Low: {"customer.created", "invoice.paid", "v1.billing.meter.no_meter_found", "v2.core.event", "checkouts", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	for name := range got {
		if weights[name] == 0 {
			t.Errorf("no worker looks into %s", name)
		}
	}
}

// delays draws many delays and answers the shortest, the longest and the mean.
func delays(retried int, err error) (low, high, mean time.Duration) {
	const draws = 2000
	all := make([]time.Duration, draws)
	for i := range all {
		all[i] = retryDelay(retried, err, nil)
		mean += all[i] / draws
	}
	return slices.Min(all), slices.Max(all), mean
}

// The delay doubles from a second to six hours, and each is between half of
// that and one and a half, spread out so that what failed together doesn't
// come back together.
func TestRetryDelay(t *testing.T) {
	t.Parallel()
	waiting := errors.New("no payment yet")
	var sum time.Duration
	for retried := range MaxRetry {
		want := 6 * time.Hour
		if retried < 15 {
			want = min(want, time.Second<<retried)
		}
		low, high, mean := delays(retried, waiting)
		sum += mean
		if low < want/2 || high >= want*3/2 {
			t.Errorf("retry %d waits %s to %s, want within %s and %s", retried, low, high, want/2, want*3/2)
		}
		// 2000 draws that leave a tenth of the range unused at either end are
		// no draws from the whole of it.
		if low > want*6/10 || high < want*14/10 {
			t.Errorf("retry %d waits %s to %s only: too much at once", retried, low, high)
		}
	}
	if sum < 72*time.Hour*8/10 || sum > 72*time.Hour*12/10 {
		t.Errorf("an event waits %s for its payment, want 72 h or about", sum.Round(time.Minute))
	}
	t.Logf("%d retries in %s on average", MaxRetry, sum.Round(time.Minute))
}

// An outage is over when it is over: the delay doesn't grow with the attempts
// before it.
func TestRetryDelayInAnOutage(t *testing.T) {
	t.Parallel()
	outages := []error{
		fmt.Errorf("settling: %w", event.Unavailable(errors.New("connection refused"))),
		context.DeadlineExceeded, asynq.ErrLeaseExpired, event.Unavailable(errors.New("x")),
	}
	for i, retried := range []int{0, 1, 14, MaxRetry} {
		low, high, _ := delays(retried, outages[i])
		if low < 1500*time.Millisecond || high >= 4500*time.Millisecond || low > 1800*time.Millisecond || high < 4200*time.Millisecond {
			t.Errorf("after %d retries an outage costs %s to %s, want 1.5 s to 4.5 s", retried, low, high)
		}
	}
}

// What there is no room for says itself when to come back, but not within the
// moment: Redis would be busy with nothing else.
func TestRetryDelayForWantOfRoom(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]time.Duration{0: time.Second, 100 * time.Millisecond: time.Second, time.Minute: time.Minute} {
		err := fmt.Errorf("following: %w", event.Later(errors.New("no place"), wait))
		low, high, _ := delays(MaxRetry, err)
		if low < want/2 || high >= want*3/2 || low > want*6/10 || high < want*14/10 {
			t.Errorf("asked for %s it waits %s to %s", wait, low, high)
		}
		if !outage(err) {
			t.Error("it uses up an attempt")
		}
	}
}

// Far beyond any number of retries nothing overflows.
func TestRetryDelayNeverEnds(t *testing.T) {
	t.Parallel()
	for _, retried := range []int{15, 63, 64, 1 << 20} {
		if low, high, _ := delays(retried, errors.New("x")); low < 3*time.Hour || high >= 9*time.Hour {
			t.Errorf("retry %d waits %s to %s", retried, low, high)
		}
	}
}
