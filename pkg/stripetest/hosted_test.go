package stripetest_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/order"
	. "tillhook/pkg/stripetest"
)

// Each button leads to what Stripe tells of such a customer, to the state that
// it would show, and to where it would send them.
func TestTheHostedPage(t *testing.T) {
	t.Parallel()
	inFull := []string{"payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed", "charge.updated"}
	declined := []string{"charge.failed", "payment_intent.payment_failed"}
	underWay := []string{"checkout.session.completed", "payment_intent.processing", "charge.pending"}
	arrived := []string{"checkout.session.async_payment_succeeded", "charge.succeeded", "payment_intent.succeeded"}
	bounced := []string{"checkout.session.async_payment_failed", "charge.failed", "payment_intent.payment_failed"}
	for name, c := range map[string]struct {
		press  []string
		events []string // in any order: some are on their way at the same time
		state  string   // of the session
		back   bool     // to the shop
	}{
		"pays":                     {[]string{"pay"}, inFull, "complete paid", true},
		"pays twice":               {[]string{"pay", "pay"}, inFull, "complete paid", false},
		"is declined":              {[]string{"decline"}, declined, "open unpaid", false},
		"is declined, then pays":   {[]string{"decline", "pay"}, slices.Concat(declined, inFull), "complete paid", true},
		"lets it expire":           {[]string{"expire", "pay"}, []string{"checkout.session.expired"}, "expired unpaid", false},
		"transfers":                {[]string{"transfer"}, slices.Concat(underWay, arrived), "complete paid", true},
		"has no cover":             {[]string{"bounce"}, slices.Concat(underWay, bounced), "complete unpaid", true},
		"presses what isn't there": {[]string{"rob"}, nil, "open unpaid", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTill(t, 0)
			made, sentTo := s.open(), ""
			for _, button := range c.press {
				resp, _ := s.do("POST", "/c/pay/"+made.ID, url.Values{"do": {button}})
				sentTo = resp.Header.Get("Location")
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(c.events)), slices.Sorted(slices.Values(s.types(len(c.events))))); diff != "" {
				t.Errorf("delivered (-want +got)\n%s", diff)
			}
			want := "/c/pay/" + made.ID
			if c.back {
				want = strings.ReplaceAll(thanks, "{CHECKOUT_SESSION_ID}", made.ID)
			}
			if sentTo != want {
				t.Errorf("sent to %s, want %s", sentTo, want)
			}
			if now := s.look(made.ID); now.Status+" "+now.PaymentStatus != c.state {
				t.Errorf("the session is %s %s, want %s", now.Status, now.PaymentStatus, c.state)
			}
			for _, e := range s.delivered {
				if !strings.Contains(string(e.Body), `"orderId": "order-1"`) {
					t.Errorf("%s leads to no order", e.Type)
				}
			}
		})
	}
}

func TestWhatTheHostedPageShows(t *testing.T) {
	t.Parallel()
	s := newTill(t, 0)
	made := s.open()
	page := func(texts ...string) {
		t.Helper()
		resp, body := s.do("GET", "/c/pay/"+made.ID, nil)
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("%q is not on the page\n%s", text, body)
			}
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'") || !strings.Contains(policy, "form-action 'self' https://shop.example") {
			t.Errorf("policy: %s", policy)
		}
		if strings.Contains(body, "<script") || strings.Contains(body, " style=") {
			t.Error("something is inline")
		}
	}
	page("stand-in", "Trattoria", "€21.50", "2 × Margherita", "€9.50 each", "Caffè &lt;doppio&gt;", left)
	s.do("POST", "/c/pay/"+made.ID, url.Values{"do": {"decline"}})
	page("Your card was declined", "<form")
	s.do("POST", "/c/pay/"+made.ID, url.Values{"do": {"pay"}})
	page("All done here", strings.ReplaceAll(thanks, "{CHECKOUT_SESSION_ID}", made.ID))
	if resp, _ := s.do("GET", "/c/pay/page.css", nil); resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/css") {
		t.Errorf("the stylesheet: %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if resp, _ := s.do("GET", "/c/pay/cs_test_unknown", nil); resp.StatusCode != 404 {
		t.Errorf("an unknown session: %d", resp.StatusCode)
	}
}

// What is lost on its way is there for whoever asks, and only for them.
func TestLostWebhooksAreListed(t *testing.T) {
	t.Parallel()
	s := newTill(t, 0)
	lost, told := s.open(), s.open()
	s.do("POST", "/c/pay/"+lost.ID, url.Values{"do": {"pay"}, "lost": {"on"}})
	s.do("POST", "/c/pay/"+told.ID, url.Values{"do": {"expire"}})
	s.types(1)
	s.api.Close() // nothing more comes
	if got := len(s.delivered); got != 1 {
		t.Errorf("%d deliveries", got)
	}
	_, body := s.do("GET", "/v1/events?limit=100", nil)
	var list struct{ Data []struct{ Type string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range list.Data {
		count[e.Type]++
	}
	want := map[string]int{"payment_intent.created": 1, "charge.succeeded": 1, "payment_intent.succeeded": 1, "checkout.session.completed": 1,
		"charge.updated": 1, "checkout.session.expired": 1}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("listed (-want +got)\n%s", diff)
	}
}

// A bank that takes its time doesn't hold anybody up who closes the double.
func TestCloseDoesNotWaitForABank(t *testing.T) {
	t.Parallel()
	s := newTill(t, time.Hour)
	made := s.open()
	s.do("POST", "/c/pay/"+made.ID, url.Values{"do": {"transfer"}})
	s.types(3)
	s.api.Close()
	s.do("POST", "/c/pay/"+s.open().ID, url.Values{"do": {"transfer"}}) // afterwards nothing is begun
	if now := s.look(made.ID); now.Status+" "+now.PaymentStatus != "complete unpaid" {
		t.Errorf("%+v", now)
	}
}

func TestPrice(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]order.Money{
		"€0.05": {Amount: 5, Currency: "eur"}, "€21.50": {Amount: 2150, Currency: "eur"}, "$1,234,567.89": {Amount: 123456789, Currency: "usd"},
		"¥1,200": {Amount: 1200, Currency: "jpy"}, "¥5": {Amount: 5, Currency: "jpy"}, "12.00 CHF": {Amount: 1200, Currency: "chf"}, "£0.00": {Currency: "gbp"},
	} {
		if got := Price(p.Amount, p.Currency); got != want {
			t.Errorf("%+v is %s, want %s", p, got, want)
		}
	}
}
