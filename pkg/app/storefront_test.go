package app_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// From "pay" to the page that sees PAID: order, session, money, stream.
func TestFromPayToThePageThatSeesPaid(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{})
	id, token := s.order()
	told := s.follow(id, token)
	if got := statusIn(<-told); got != "PAYMENT_PENDING" {
		t.Errorf("at first %s", got)
	}
	session := s.session(id, token)
	if again := s.session(id, s.key); again != session || s.till.made() != 1 {
		t.Errorf("%s, then %s; %d sessions", session, again, s.till.made())
	}
	form := s.till.sessions[session]
	for name, want := range map[string]string{
		"metadata[orderId]": id, "metadata[restaurantId]": "a", "payment_intent_data[metadata][orderId]": id, "client_reference_id": id,
		"payment_intent_data[metadata][paymentId]": s.scalar(`SELECT id FROM "Payment"`), "line_items[0][price_data][unit_amount]": "1250",
		"success_url": "https://shop.example/orders/" + id + "?checkout=success",
	} {
		if got := form.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	etag := s.call("GET", s.root+"/api/v1/orders/"+id, "", "Authorization: Bearer "+token).header.Get("ETag")
	polled := make(chan answer, 1)
	go func() {
		polled <- s.call("GET", s.root+"/api/v1/orders/"+id+"?wait=15s", "", "Authorization: Bearer "+token, "If-None-Match: "+etag)
	}()
	pay := s.paymentOf(id, session)
	began := time.Now()
	if got := s.deliver(pay, s.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatalf("%+v", got)
	}
	after := statusIn(<-told)
	if after == "PAYMENT_PENDING" { // that there is a payment now may be told late
		after = statusIn(<-told)
	}
	if after != "PAID" {
		t.Errorf("after the money %s", after)
	}
	t.Logf("PAID on the page %s after Stripe's POST began", time.Since(began).Round(time.Millisecond))
	if _, more := <-told; more {
		t.Error("the stream goes on after PAID")
	}
	if got := <-polled; statusIn(got.body) != "PAID" {
		t.Errorf("the long poll: %+v", got)
	}
	s.till.set(session, "complete")
	if got := s.call("POST", s.root+"/api/v1/orders/"+id+"/checkout", "", "Authorization: Bearer "+token); got.status != 409 || !strings.Contains(got.body, "order-paid") {
		t.Errorf("another checkout: %+v", got)
	}
	for _, hidden := range []string{token, s.key, "sk_test_till"} {
		if strings.Contains(s.api.logs.String(), hidden) {
			t.Errorf("the log has %.6s…", hidden)
		}
	}
}

// An expired session is followed by another, with an event that says so or
// without one, and the order waits again.
func TestAnExpiredSessionIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{})
	s.order() // which nobody pays: an audit has nothing to say of it
	id, token := s.order()
	first := s.session(id, token)
	s.till.set(first, "expired")
	second := s.session(id, token) // no event has come yet
	if second == first {
		t.Fatal("the expired session again")
	}
	for _, session := range []string{first, second} {
		s.till.set(session, "expired")
		pay := s.paymentOf(id, session)
		if got := s.deliver(pay, s.factory.CheckoutExpired(pay)); got.status != 200 {
			t.Fatalf("%+v", got)
		}
	}
	s.eventually("the order has expired", func() bool { return s.scalar(`SELECT status FROM "Order" WHERE id = $1`, id) == "EXPIRED" })
	third := s.session(id, token)
	if got := s.scalar(`SELECT status FROM "Order" WHERE id = $1`, id); got != "PAYMENT_PENDING" || third == second {
		t.Errorf("%s, session %s", got, third)
	}
	pay := s.paymentOf(id, third)
	told := s.follow(id, token)
	<-told
	if got := s.deliver(pay, s.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatalf("%+v", got)
	}
	if got := statusIn(<-told); got != "PAID" {
		t.Error(got)
	}
	// The story is the one that an audit makes of the events.
	s.eventually("the event is worked off", func() bool { return s.rows(`status = 'PROCESSING'`) == "0" })
	if out, err := s.ops("", "audit"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Whose card was declined goes on where she was, in whatever order it is heard:
// nobody else's session ends hers, nor leads her to another beside it.
func TestADeclinedCardLeadsBackToTheSession(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{})
	id, token := s.order()
	s.till.losing(9) // a session that Stripe has made, and that nobody is led to
	if got := s.call("POST", s.root+"/api/v1/orders/"+id+"/checkout", "", "Authorization: Bearer "+token); got.status != 503 {
		t.Fatalf("%+v", got)
	}
	s.till.losing(0)
	s.exec(`UPDATE "Checkout" SET "requestedAt" = now() - interval '21 minutes'`)
	session := s.session(id, token)
	pay := s.paymentOf(id, session)
	for _, e := range s.factory.Declined(pay) {
		if got := s.deliver(pay, e); got.status != 200 {
			t.Fatalf("%+v", got)
		}
	}
	s.eventually("both events are worked off", func() bool { return s.rows(`status = 'COMPLETED'`) == "2" })
	if got := s.session(id, token); got != session {
		t.Errorf("after the card was declined: %s, want %s", got, session)
	}
	lost := pay
	lost.Session = "cs_test_1"
	s.deliver(lost, s.factory.CheckoutExpired(lost))
	s.eventually("the event of the lost one waits", func() bool { return s.scalar(`SELECT count(DISTINCT "eventId")::text FROM "WaitingEvent"`) == "1" })
	if got := s.session(id, token); got != session || s.till.made() != 2 {
		t.Errorf("after the lost one has expired: %s, want %s; %d sessions", got, session, s.till.made())
	}
	s.auditIsClean()
	s.deliver(pay, s.factory.CheckoutCompleted(pay))
	s.eventually("it is paid", func() bool { return s.scalar(`SELECT status FROM "Order" WHERE id = $1`, id) == "PAID" })
	s.auditIsClean()
}

// Clicks at once, on two processes, answers that get lost, and a crash between
// Stripe and us: it is one session.
func TestHoweverItGoesWrongThereIsOneSession(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{noWorker: true})
	id, token := s.order()
	_, other := s.openShop(s.stripeBase)
	s.till.losing(2)
	var clicks sync.WaitGroup
	for i := range 8 {
		root := []string{s.root, other}[i%2]
		clicks.Go(func() {
			got := s.call("POST", root+"/api/v1/orders/"+id+"/checkout", "", "Authorization: Bearer "+token)
			if got.status != 200 || !strings.Contains(got.body, `"sessionId":"cs_test_1"`) {
				t.Errorf("%+v", got)
			}
		})
	}
	clicks.Wait()
	if n := s.till.made(); n != 1 || s.scalar(`SELECT count(*)::text FROM "Payment"`) != "1" {
		t.Errorf("%d sessions", n)
	}
	// A process that dies when Stripe has answered, before it has stored that.
	crashed, token := s.order()
	want := s.session(crashed, token)
	for _, undo := range []string{`UPDATE "Checkout" SET "sessionId" = NULL WHERE "sessionId" = $1`,
		`DELETE FROM "PaymentObject" WHERE "objectId" = $1`, `UPDATE "Payment" SET "providerPaymentId" = NULL WHERE "providerPaymentId" = $1`} {
		if _, err := s.db.Exec(undo, want); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.session(crashed, token); got != want || s.till.made() != 2 {
		t.Errorf("%s after the crash, %s before; %d sessions", got, want, s.till.made())
	}
	// What Stripe refuses is told without its words, and is tried anew.
	refused, token := s.order()
	s.till.failing(402)
	got := s.call("POST", s.root+"/api/v1/orders/"+refused+"/checkout", "", "Authorization: Bearer "+token)
	if got.status != 502 || strings.Contains(got.body+s.api.logs.String(), "sk_test_till") {
		t.Errorf("%+v", got)
	}
	s.till.failing(0)
	s.session(refused, token)
}

// The order's total changes while Stripe makes its session: both customers' tabs
// are led to the one session of the new amount, and the old one can't be paid.
func TestTheTotalChangesWhileASessionIsMade(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{noWorker: true})
	id, token := s.order()
	held := s.till.holding()
	first := make(chan answer, 1)
	go func() {
		first <- s.call("POST", s.root+"/api/v1/orders/"+id+"/checkout", "", "Authorization: Bearer "+token)
	}()
	goOn := <-held
	s.exec(`UPDATE "Order" SET "totalAmount" = 3000 WHERE id = $1`, id)
	second := s.session(id, token)
	close(goOn)
	if got := <-first; got.status != 200 || !strings.Contains(got.body, `"sessionId":"`+second+`"`) {
		t.Errorf("the first tab: %+v, want %s", got, second)
	}
	if diff := cmp.Diff(map[string]string{second: "3000"}, s.till.open()); diff != "" {
		t.Error("sessions that can be paid (-want +got)\n", diff)
	}
}

// Stripe has made a session, its answer was lost, and nobody comes back: the
// order ends all the same, and an audit finds nothing. Money would still count.
func TestAnOrderWhoseSessionNobodyKnowsEnds(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{})
	id, token := s.order()
	s.till.losing(9)
	if got := s.call("POST", s.root+"/api/v1/orders/"+id+"/checkout", "", "Authorization: Bearer "+token); got.status != 503 {
		t.Fatalf("%+v", got)
	}
	for table, column := range map[string]string{"Order": "createdAt", "Payment": "createdAt", "Checkout": "requestedAt"} {
		s.exec(`UPDATE "` + table + `" SET "` + column + `" = now() - interval '25 hours'`)
	}
	if n, err := s.db.EndAbandoned(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
	if got := s.call("GET", s.root+"/api/v1/orders/"+id, "", "Authorization: Bearer "+token); statusIn(got.body) != "EXPIRED" {
		t.Errorf("%+v", got)
	}
	s.auditIsClean()
	pay := s.factory.Payment("a", id, s.scalar(`SELECT id FROM "Payment"`), 2500, "eur")
	s.deliver(pay, s.factory.CheckoutCompleted(pay))
	s.eventually("it is paid", func() bool { return s.scalar(`SELECT status FROM "Order" WHERE id = $1`, id) == "PAID" })
	s.auditIsClean()
}

// Told to stop, the api sends away whoever waits and ends in time.
func TestTheStorefrontEndsWithSIGTERM(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{noWorker: true})
	id, token := s.order()
	told := s.follow(id, token)
	<-told
	etag := s.call("GET", s.root+"/api/v1/orders/"+id, "", "Authorization: Bearer "+token).header.Get("ETag")
	polled := make(chan answer, 1)
	go func() {
		polled <- s.call("GET", s.root+"/api/v1/orders/"+id+"?wait=15s", "", "Authorization: Bearer "+token, "If-None-Match: "+etag)
	}()
	began := time.Now()
	s.api.terminate(t)
	if got := <-polled; got.status != 304 && got.status != 0 { // 0: it had not arrived yet
		t.Errorf("%+v", got)
	}
	var words []string
	for w := range told {
		words = append(words, w)
	}
	if diff := cmp.Diff(1, len(words)); diff != "" || time.Since(began) > 8*time.Second {
		t.Errorf("after %s: %q", time.Since(began), words)
	}
	if !strings.Contains(s.api.logs.String(), `"route":"/api/v1/orders/:order/events"`) {
		t.Error("no line of the stream in the log")
	}
}
