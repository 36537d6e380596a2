package stripetest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// API is a double of Stripe's API, as much of it as is used here, and of its
// hosted payment page. It is an http.Handler; put it behind an httptest.Server.
// Answers are as Stripe documents them, and what it doesn't know of an account
// is a 404.
type API struct {
	courier *courier

	mu        sync.Mutex
	accounts  map[string]*apiAccount // by API key
	checkouts map[string]*checkout   // by session
	factory   *Factory
	requests  []APIRequest
	answers   []apiAnswer
	hold      chan struct{}
}

// APIRequest is a request that has reached the double.
type APIRequest struct {
	Path    string // with its query
	Key     string
	Account string // Stripe-Account
	At      time.Time
}

// Account is one at Stripe, as its owner has set it up.
type Account struct {
	Name    string // on the hosted page
	Webhook Webhook
	Settle  time.Duration // how long a bank transfer takes
}

type apiAccount struct {
	Account
	livemode  bool
	events    []Event
	objects   map[string]json.RawMessage // by path
	done      map[string]apiDone         // by idempotency key
	forbidden string                     // paths that begin so are for a key with more rights
}

// apiAnswer is one that is given instead of the true one.
type apiAnswer struct {
	status     int
	retryAfter string
}

// NewAPI makes a double that knows nobody.
func NewAPI() *API {
	return &API{
		courier: newCourier(), accounts: map[string]*apiAccount{}, checkouts: map[string]*checkout{},
		factory: NewFactory(uint64(time.Now().UnixNano()), time.Now()),
	}
}

// Close ends what is still to happen: deliveries, and transfers that settle.
func (a *API) Close() { a.courier.close() }

// Key makes an account known by its API key.
func (a *API) Key(key string) { a.Open(key, Account{}) }

// Open makes an account known by its API key; sk_live_… and rk_live_… are for
// live mode. Close has to be called if it has a webhook or settles.
func (a *API) Open(key string, as Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accounts[key] = &apiAccount{
		Account: as, livemode: strings.Contains(key, "k_live_"), objects: map[string]json.RawMessage{}, done: map[string]apiDone{},
	}
}

// Happen puts events into an account's list, whether or not they are delivered.
func (a *API) Happen(key string, events ...Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accounts[key].happen(events)
}

func (acc *apiAccount) happen(events []Event) {
	acc.events = append(acc.events, events...)
	slices.SortStableFunc(acc.events, func(x, y Event) int { return y.Created.Compare(x.Created) })
}

// Put makes the object of an event the state of that object in the account.
func (a *API) Put(key string, e Event) { a.PutObject(key, e.object()) }

// object is what the event is about.
func (e Event) object() json.RawMessage {
	var body struct {
		Data struct {
			Object json.RawMessage `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(e.Body, &body); err != nil {
		panic(err) // our own bodies are JSON
	}
	return body.Data.Object
}

// collections are where objects are, by their kind.
var collections = map[string]string{
	"checkout.session": "/v1/checkout/sessions/", "payment_intent": "/v1/payment_intents/", "charge": "/v1/charges/",
	"refund": "/v1/refunds/", "dispute": "/v1/disputes/", "v2.core.event": "/v2/core/events/",
}

// PutObject is Put for an object alone.
func (a *API) PutObject(key string, object json.RawMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accounts[key].put(object)
}

func (acc *apiAccount) put(object json.RawMessage) {
	var head struct{ ID, Object string }
	if err := json.Unmarshal(object, &head); err != nil || collections[head.Object] == "" {
		panic("not an object that there is a place for: " + head.Object)
	}
	acc.objects[collections[head.Object]+head.ID] = object
}

// Forbid takes from a key the right to read what is below a path.
func (a *API) Forbid(key, path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accounts[key].forbidden = path
}

// Fail makes the next n requests end with a status, and with a Retry-After
// unless that is "".
func (a *API) Fail(n, status int, retryAfter string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range n {
		a.answers = append(a.answers, apiAnswer{status, retryAfter})
	}
}

// Calm takes back what Fail has left.
func (a *API) Calm() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers = nil
}

// Hold makes every request wait, before it is answered, until the channel can
// be received from; nil ends that.
func (a *API) Hold(c chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hold = c
}

// Requests are those whose path begins with prefix, in the order in which they
// came.
func (a *API) Requests(prefix string) (all []APIRequest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.requests {
		if strings.HasPrefix(r.Path, prefix) {
			all = append(all, r)
		}
	}
	return all
}

// ServeHTTP answers as Stripe would.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request_error", "Unreadable form")
		return
	}
	if strings.HasPrefix(r.URL.Path, hostedPath) {
		a.serveHosted(w, r)
		return
	}
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	a.mu.Lock()
	a.requests = append(a.requests, APIRequest{r.URL.RequestURI(), key, r.Header.Get("Stripe-Account"), time.Now()})
	hold := a.hold
	a.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", "req_"+strconv.Itoa(len(a.requests)))
	if len(a.answers) > 0 {
		answer := a.answers[0]
		a.answers = a.answers[1:]
		if answer.retryAfter != "" {
			w.Header().Set("Retry-After", answer.retryAfter)
		}
		refuse(w, answer.status, "api_error", "")
		return
	}
	a.answer(w, r, a.accounts[key], key)
}

func (a *API) answer(w http.ResponseWriter, r *http.Request, acc *apiAccount, key string) {
	switch {
	case acc == nil:
		refuse(w, http.StatusUnauthorized, "invalid_request_error", "Invalid API Key provided: "+key)
	case acc.forbidden != "" && strings.HasPrefix(r.URL.Path, acc.forbidden):
		refuse(w, http.StatusForbidden, "invalid_request_error", "The provided key "+key+" does not have the required permissions.")
	case r.URL.Path == "/v1/events":
		acc.list(w, r)
	case r.Method == http.MethodPost:
		acc.once(w, r, func() (json.RawMessage, *apiFault) { return a.change(acc, r) })
	default:
		a.expireWhatIsDue(time.Now())
		object := acc.objects[r.URL.Path]
		if object == nil {
			refuse(w, http.StatusNotFound, "invalid_request_error", "No such object")
			return
		}
		_, _ = w.Write(acc.expanded(object, r.URL.Query()["expand[]"]))
	}
}

// list is a page of the account's events, newest first.
func (acc *apiAccount) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	types := q["types[]"]
	from, _ := strconv.ParseInt(q.Get("created[gte]"), 10, 64)
	to, _ := strconv.ParseInt(cmp.Or(q.Get("created[lt]"), "253402300799"), 10, 64)
	limit, _ := strconv.Atoi(cmp.Or(q.Get("limit"), "10"))
	if len(types) > 20 || limit < 1 || limit > 100 {
		refuse(w, http.StatusBadRequest, "invalid_request_error", "Invalid parameter")
		return
	}
	matching := make([]Event, 0, len(acc.events))
	skip := q.Get("starting_after") != ""
	for _, e := range acc.events {
		if !skip && e.Created.Unix() >= from && e.Created.Unix() < to && (len(types) == 0 || slices.Contains(types, e.Type)) {
			matching = append(matching, e)
		}
		if e.ID == q.Get("starting_after") {
			skip = false
		}
	}
	page := matching[:min(limit, len(matching))]
	_, _ = w.Write([]byte(`{"object": "list", "url": "/v1/events", "has_more": ` + strconv.FormatBool(len(page) < len(matching)) + `, "data": [`))
	for i, e := range page {
		if i > 0 {
			_, _ = w.Write([]byte(","))
		}
		_, _ = w.Write(e.Body)
	}
	_, _ = w.Write([]byte("]}"))
}

// expanded puts a charge in the place of its id, if that was asked for.
func (acc *apiAccount) expanded(object json.RawMessage, names []string) json.RawMessage {
	if !slices.Contains(names, "latest_charge") {
		return object
	}
	var fields map[string]json.RawMessage
	var id string
	if json.Unmarshal(object, &fields) != nil || json.Unmarshal(fields["latest_charge"], &id) != nil {
		return object
	}
	if charge := acc.objects[collections["charge"]+id]; charge != nil {
		fields["latest_charge"] = charge
	}
	whole, err := json.Marshal(fields)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return whole
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"type": kind, "message": message}})
}
