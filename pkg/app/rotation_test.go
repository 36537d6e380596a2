package app_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tillhook/pkg/app"
	"tillhook/pkg/stripetest"
)

// ops runs the operators' command line on the product's database.
func (p *product) ops(stdin string, args ...string) (string, error) {
	var out bytes.Buffer
	err := app.Ops(p.Context(), app.Process{
		Args: args, Env: []string{"DATABASE_URL=" + p.cfg.DatabaseURL.Reveal(), "PAYMENT_CONFIG_ENC_KEY=" + encKey, "USER=alice"},
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &out,
	})
	return out.String(), err
}

// signers are the secrets that Stripe signs with at the moment. A delivery
// holds the lock, so that a secret is out of use once it is taken away.
type signers struct {
	sync.RWMutex
	secrets []string
}

func (s *signers) set(secrets ...string) {
	s.Lock()
	defer s.Unlock()
	s.secrets = secrets
}

// 2,000 deliveries a second, signed with every secret that is good at the
// moment, while the secret is rotated by our command and then by the
// operators' own statement.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	const rate = 2000
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]
	first, second, third := "whsec_first0123456789abcdef", "whsec_second0123456789abcdef", "whsec_third0123456789abcdef"
	if _, err := p.db.Exec(`UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = $1 WHERE "restaurantId" = 'a'`, first); err != nil {
		t.Fatal(err)
	}
	statement := rotationStatement(t, "a", third)

	good := &signers{secrets: []string{first}}
	var sent, refused atomic.Int64
	stop := make(chan struct{})
	turns := make(chan int, rate)
	go func() { // an open loop: a slow answer doesn't slow the next delivery down
		defer close(turns)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for range rate / 100 {
				select {
				case turns <- n:
					n++
				default: // more than a second behind: this machine can't send faster
				}
			}
		}
	}()
	var factory sync.Mutex
	var senders sync.WaitGroup
	for range 32 {
		senders.Go(func() {
			for n := range turns {
				factory.Lock()
				e := p.factory.Other(pay, "customer.created")
				factory.Unlock()
				good.RLock()
				got := p.post(endpoint, stripetest.Sign(good.secrets[n%len(good.secrets)], e.Body, time.Now()), e.Body)
				good.RUnlock()
				sent.Add(1)
				if got.status != 200 {
					refused.Add(1)
					t.Errorf("%d %s", got.status, got.body)
				}
			}
		})
	}
	flow := func(n int64) { // lets n more deliveries pass
		until := sent.Load() + n
		p.eventually("deliveries flow", func() bool { return sent.Load() >= until || t.Failed() })
	}
	started := time.Now()
	flow(2000)
	if out, err := p.ops(second+"\n", "secrets", "rotate", "slug-a", "--stdin", "--commit"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	good.set(first, second)
	flow(3000)
	good.set(second) // the next rotation pushes the first one out
	flow(500)
	if _, err := p.db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	good.set(second, third)
	flow(3000)
	close(stop)
	senders.Wait()
	t.Logf("%d deliveries in %s (%.0f/s), %d refused", sent.Load(), time.Since(started).Round(time.Millisecond),
		float64(sent.Load())/time.Since(started).Seconds(), refused.Load())

	if n := p.rows(`"dedupeKey" IS NOT NULL`); n != fmt.Sprint(sent.Load()) {
		t.Errorf("%s rows for %d deliveries", n, sent.Load())
	}
	if n := p.rows(`"signedWith" = 'previous'`); n == "0" {
		t.Error("no delivery is recorded as signed with the previous secret")
	}
	oldSecretsEnd(p, pay, first, second, third)
}

// Both endpoints of a rotation deliver every event to the same URL, each under
// its own secret: it acts once, and the use of both secrets is known.
func TestTwoEndpointsDeliverTheSameEvents(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	const second = "whsec_second0123456789abcdef"
	if out, err := p.ops(second+"\n", "secrets", "rotate", "a", "--stdin", "--commit"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, pay := range p.newPayments("a", 20) {
		e := p.factory.CheckoutCompleted(pay)
		for i, secret := range []string{second, p.secrets["a"]} {
			got := p.post(endpoint, stripetest.Sign(secret, e.Body, time.Now()), e.Body)
			if got.status != 200 || strings.Contains(got.body, "duplicate") != (i == 1) {
				t.Fatalf("endpoint %d: %d %s", i, got.status, got.body)
			}
		}
	}
	p.eventually("all is worked off", func() bool { return p.rows(`status <> 'COMPLETED'`) == "0" })
	if n := p.scalar(`SELECT count(*)::text FROM "OrderTransition"`); n != "20" || p.rows("true") != "20" {
		t.Errorf("%s transitions and %s rows for 20 orders", n, p.rows("true"))
	}
	p.eventually("the old secret's use is known, though none of its deliveries was stored", func() bool {
		out, _ := p.ops("", "secrets", "check", "a")
		return strings.Contains(out, "keep it")
	})
}

// A secret's use is noted once a minute. That it was in use just before a rotation is
// no reason to say nothing of its use after it.
func TestTheOldSecretsUseIsKnownSoonAfterARotation(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]
	const second = "whsec_second0123456789abcdef"
	deliver := func(secret string, e stripetest.Event) bool {
		return p.post(endpoint, stripetest.Sign(secret, e.Body, time.Now()), e.Body).status == 200
	}
	if !deliver(p.secrets["a"], p.factory.Other(pay, "customer.created")) {
		t.Fatal("refused before the rotation")
	}
	if out, err := p.ops(second+"\n", "secrets", "rotate", "a", "--stdin", "--commit"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	e := p.factory.Other(pay, "customer.created")
	p.eventually("the rotation is known", func() bool { return deliver(second, e) })
	if !deliver(p.secrets["a"], e) {
		t.Fatal("the old one is refused")
	}
	p.eventually("its use is known", func() bool {
		out, _ := p.ops("", "secrets", "revoke-previous", "a")
		return strings.Contains(out, "still in use")
	})
}

// While a receiver has not heard yet that somebody has stored a wrong secret, it goes
// on accepting the right one as the current one. The wrong one has verified nothing:
// whoever stores a third one must not lose the right one for it.
func TestASlipIsForgivenThoughAReceiverHasNotHeardOfIt(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]
	right, slip, next := "whsec_right0123456789abcdef", "whsec_slip00123456789abcdef", "whsec_next00123456789abcdef"
	do := func(statement string, args ...any) {
		t.Helper()
		if _, err := p.db.Exec(statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	set := func(plain string) {
		t.Helper()
		do(`UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = $1 WHERE "restaurantId" = 'a'`, plain)
	}
	deliver := func(plain string) int {
		e := p.factory.Other(pay, "customer.created")
		return p.post(endpoint, stripetest.Sign(plain, e.Body, time.Now()), e.Body).status
	}
	set(right)
	p.eventually("the right one is accepted", func() bool { return deliver(right) == 200 })
	p.eventually("its use is known", func() bool {
		return p.scalar(`SELECT count(*)::text FROM "SecretUse" u JOIN "RestaurantPaymentConfig" c USING ("restaurantId")
			WHERE u.fingerprint = c."webhookSecretFingerprint"`) == "1"
	})
	do(`ALTER TABLE "RestaurantPaymentConfig" DISABLE TRIGGER config_notify`)
	set(slip)
	if got := deliver(right); got != 200 {
		t.Fatalf("the right one after the slip: %d", got)
	}
	if out, err := p.ops("", "secrets", "revoke-previous", "slug-a"); err != nil || strings.Contains(out, "safe to revoke") {
		t.Errorf("%v\n%s", err, out)
	}
	do(`ALTER TABLE "RestaurantPaymentConfig" ENABLE TRIGGER config_notify`)
	set(next)
	p.eventually("the next one is accepted", func() bool { return deliver(next) == 200 })
	if got := deliver(right); got != 200 {
		t.Errorf("the secret that Stripe signs with is refused: %d; the slip is kept in its place", got)
	}
}

// oldSecretsEnd checks that a secret that was pushed out, or whose overlap is
// over, verifies nothing.
func oldSecretsEnd(p *product, pay stripetest.Payment, first, second, third string) {
	p.Helper()
	try := func(secret string) int {
		e := p.factory.Other(pay, "customer.created")
		return p.post(endpoint, stripetest.Sign(secret, e.Body, time.Now()), e.Body).status
	}
	if got := []int{try(first), try(second), try(third)}; fmt.Sprint(got) != "[400 200 200]" {
		p.Errorf("after both rotations: %v", got)
	}
	if _, err := p.db.Exec(`UPDATE "RestaurantPaymentConfig" SET "previousWebhookSecretExpiresAt" = now() WHERE "restaurantId" = 'a'`); err != nil {
		p.Fatal(err)
	}
	p.eventually("the overlap is over", func() bool { return try(second) == 400 })
	if got := try(third); got != 200 {
		p.Errorf("the current secret after the overlap: %d", got)
	}
	p.eventually("the cause is known", func() bool {
		return p.rows(`status = 'VERIFICATION_FAILED' AND "lastError" LIKE '%the old endpoint still delivers%'`) != "0"
	})
	p.eventually("the secret by SQL is sealed", func() bool {
		return p.scalar(`SELECT left("webhookSecret", 3) FROM "RestaurantPaymentConfig" WHERE "restaurantId" = 'a'`) == "v1:"
	})
}

// rotationStatement is the operators' own, with its placeholders filled in.
func rotationStatement(t *testing.T, restaurantID, secret string) string {
	t.Helper()
	text, err := os.ReadFile("../postgres/testdata/operators.sql")
	if err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(string(text), ";") {
		if strings.Contains(statement, `UPDATE "RestaurantPaymentConfig"`) {
			return strings.NewReplacer("your-restaurant-id", restaurantID, "whsec_your_production_secret", secret).Replace(statement)
		}
	}
	t.Fatal("no such statement")
	return ""
}
