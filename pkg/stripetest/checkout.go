package stripetest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"time"
)

// maxForm bounds a request's form, in bytes.
const maxForm = 1 << 20

// Stripe's bounds for how long a session can be open.
const (
	minOpen = 30 * time.Minute
	maxOpen = 24 * time.Hour
)

// checkout is a session and what its customer has done so far.
type checkout struct {
	account  *apiAccount
	payment  Payment
	lines    []line
	status   string // open, complete or expired
	declined bool   // the card that was tried last
}

// line is one of the things that are paid for.
type line struct {
	Name     string
	Quantity int64
	Unit     int64 // what one costs, in minor units
	Currency string
}

// apiDone is what a request with an idempotency key has led to.
type apiDone struct {
	asked  string
	answer json.RawMessage
}

// apiFault is why the double refuses a change. The texts are ours; the rest is
// as Stripe has it.
type apiFault struct {
	status                     int
	kind, code, param, message string
}

func invalid(code, param, message string) *apiFault {
	return &apiFault{http.StatusBadRequest, "invalid_request_error", code, param, message}
}

// once does a change, and answers the same to whoever asks for it again with
// the same key. What was refused may be asked for again.
func (acc *apiAccount) once(w http.ResponseWriter, r *http.Request, do func() (json.RawMessage, *apiFault)) {
	key, asked := r.Header.Get("Idempotency-Key"), r.URL.Path+"?"+r.PostForm.Encode()
	known, again := acc.done[key]
	answer, fault := known.answer, (*apiFault)(nil)
	switch {
	case again && known.asked != asked:
		fault = &apiFault{http.StatusBadRequest, "idempotency_error", "", "", "The key was used for another request before"}
	case again:
		w.Header().Set("Idempotent-Replayed", "true")
	default:
		answer, fault = do()
	}
	if key != "" {
		w.Header().Set("Idempotency-Key", key)
	}
	if fault != nil {
		w.WriteHeader(fault.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{
			"type": fault.kind, "code": fault.code, "param": fault.param, "message": fault.message}})
		return
	}
	if key != "" {
		acc.done[key] = apiDone{asked, answer}
	}
	_, _ = w.Write(answer)
}

const sessionsPath = "/v1/checkout/sessions"

// change makes a session, or expires one.
func (a *API) change(acc *apiAccount, r *http.Request) (json.RawMessage, *apiFault) {
	if r.URL.Path == sessionsPath {
		return a.create(acc, r)
	}
	id, ok := strings.CutSuffix(r.URL.Path, "/expire")
	c := a.checkouts[path.Base(id)]
	if !ok || c == nil || c.account != acc || id != sessionsPath+"/"+c.payment.Session {
		return nil, &apiFault{http.StatusNotFound, "invalid_request_error", "resource_missing", "", "No such object"}
	}
	if a.expireWhatIsDue(time.Now()); c.status != "open" {
		return nil, invalid("", "", "Only a session that is open can be expired")
	}
	a.expire(c, false)
	return acc.objects[id], nil
}

func (a *API) create(acc *apiAccount, r *http.Request) (json.RawMessage, *apiFault) {
	now := time.Now().UTC()
	c, fault := readCheckout(r.PostForm, now)
	if fault != nil {
		return nil, fault
	}
	a.factory.now = now
	ids := a.factory.Payment("", "", "", 0, "")
	c.account, c.status = acc, "open"
	p := &c.payment
	p.Session, p.Intent, p.Charge, p.Account = ids.Session, ids.Intent, ids.Charge, r.Header.Get("Stripe-Account")
	if acc.livemode {
		*p = p.Live()
	}
	p.Asked.URL = "http://" + r.Host + hostedPath + p.Session
	a.checkouts[p.Session] = c
	object := a.factory.CheckoutOpen(*p).object()
	acc.put(object)
	return object, nil
}

// expireWhatIsDue lets sessions end whose time is over.
func (a *API) expireWhatIsDue(now time.Time) {
	for _, c := range a.checkouts {
		if c.status == "open" && !now.Before(c.payment.Asked.Expires) {
			a.expire(c, false)
		}
	}
}

func (a *API) expire(c *checkout, lost bool) {
	c.status = "expired"
	a.step(c, told((*Factory).CheckoutExpired), lost)
}

// step tells what one step of the customer or the bank leads to. What is lost
// is not delivered, but known to whoever asks.
func (a *API) step(c *checkout, story func(*Factory, Payment) []Event, lost bool) {
	a.factory.now = time.Now().UTC()
	events := story(a.factory, c.payment)
	c.account.happen(events)
	for _, e := range events {
		c.account.put(e.object())
	}
	if !lost {
		a.courier.deliver(c.account.Webhook, events)
	}
}

// settle lets a bank transfer arrive, or not, after its time.
func (a *API) settle(c *checkout, story func(*Factory, Payment) []Event, lost bool) {
	a.courier.later(c.account.Settle, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.step(c, story, lost)
	})
}

func (c *checkout) name() string { return cmp.Or(c.account.Name, "A restaurant") }
