package app_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"tillhook/pkg/app"
)

// upon runs then when something is written that holds a text.
type upon struct {
	bytes.Buffer
	text string
	then func()
}

func (u *upon) Write(b []byte) (int, error) {
	if u.then != nil && strings.Contains(string(b), u.text) {
		u.then()
		u.then = nil
	}
	return u.Buffer.Write(b)
}

// Between two pages of orders somebody presses Ctrl-C, or the database fails: the
// rest was never looked up, and what was done is told.
func TestOpsReconcileTellsWhatItHasDone(t *testing.T) {
	t.Parallel()
	p, there := asking(t, "BACKFILL_INTERVAL=0", "RECONCILE_INTERVAL=0")
	for i, pay := range p.newPayments("a", 102) { // a page is 100
		if i == 0 {
			there.Put(restaurantKey, p.factory.CheckoutCompleted(pay))
			there.Put(restaurantKey, p.factory.IntentSucceeded(pay))
		} else {
			there.Put(restaurantKey, p.factory.CheckoutOpen(pay))
		}
		p.age(pay, fmt.Sprint(200-i, " minutes"))
	}
	p.giveKey(restaurantKey)
	between := func(ctx context.Context, then func(), args ...string) (out string, err error) {
		progress := &upon{text: "100 orders looked up", then: then}
		var answer bytes.Buffer
		err = app.Ops(ctx, app.Process{
			Args: append([]string{"orders", "reconcile", "--stuck"}, args...),
			Env: []string{"DATABASE_URL=" + p.cfg.DatabaseURL.Reveal(), "PAYMENT_CONFIG_ENC_KEY=" + encKey,
				"STRIPE_API_BASE=" + p.cfg.StripeAPIBase, "STRIPE_API_RATE=1000", "USER=alice"},
			Stdin: strings.NewReader(""), Stdout: &answer, Stderr: progress,
		})
		return answer.String(), err
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, err := between(ctx, cancel)
	if app.ExitCode(err) != 1 || !strings.Contains(err.Error(), "interrupted after 100 orders") || !strings.Contains(out, "for 1 of 100 orders") {
		t.Errorf("Ctrl-C: %v\n%s", err, out)
	}
	rename := func(from, to string) {
		if _, err := p.db.Exec(`ALTER TABLE "` + from + `" RENAME TO "` + to + `"`); err != nil {
			t.Error(err)
		}
	}
	out, err = between(t.Context(), func() { rename("OrderLookup", "Away") }, "--commit")
	if app.ExitCode(err) != 1 || !strings.Contains(err.Error(), "OrderLookup") || !strings.Contains(out, "for 1 of 100 orders") {
		t.Errorf("an error: %v\n%s", err, out)
	}
	rename("Away", "OrderLookup")
}
