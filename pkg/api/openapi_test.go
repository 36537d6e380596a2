package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// described is the document, as its readers understand it.
func described(t *testing.T) (validator.Validator, map[string][]string) {
	t.Helper()
	doc, err := libopenapi.NewDocument(document)
	if err != nil {
		t.Fatal(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	routes := map[string][]string{} // "GET /path" to its statuses
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			var statuses []string
			for status := range op.Responses.Codes.KeysFromOldest() {
				statuses = append(statuses, status)
			}
			slices.Sort(statuses)
			routes[strings.ToUpper(method)+" "+path] = statuses
		}
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	t.Cleanup(v.Release)
	return v, routes
}

var parameter = regexp.MustCompile(`:(\w+)`)

// Every route that there is is described, and no other.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	v, routes := described(t)
	if ok, errs := v.ValidateDocument(); !ok {
		for _, e := range errs {
			t.Error(e.Message, e.Reason)
		}
	}
	var want, got []string
	for route := range routes {
		want = append(want, route)
	}
	for _, r := range newShop(t).echo.Routes() {
		if r.Method != http.MethodOptions {
			got = append(got, r.Method+" "+parameter.ReplaceAllString(r.Path, "{$1}"))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-described +there)\n", diff)
	}
}

// Each answer is as it is described, and each that is described is given.
func TestEveryAnswerIsAsDescribed(t *testing.T) {
	t.Parallel()
	v, routes := described(t)
	given := map[string][]string{}
	for _, c := range exchanges() {
		sh := newShop(t)
		if c.before != nil {
			c.before(sh)
		}
		req := httptest.NewRequestWithContext(ending(t, c.path), c.method, c.path, strings.NewReader(c.body))
		if c.body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		for _, h := range c.headers {
			name, value, _ := strings.Cut(strings.ReplaceAll(h, "TOKEN", sh.world.Token("o1")), ": ")
			req.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		sh.http.Handler.ServeHTTP(streaming{rec}, req)
		route := c.method + " " + strings.ReplaceAll(strings.ReplaceAll(req.URL.Path, "/o1", "/{order}"), "/ord_gone", "/{order}")
		given[route] = append(given[route], fmt.Sprint(rec.Code))
		if rec.Code != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, rec.Code, rec.Body, c.status)
		}
		body := rec.Body.Bytes()
		resp := rec.Result()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		req.Body = io.NopCloser(strings.NewReader(c.body))
		if ok, errs := v.ValidateHttpResponse(req, resp); !ok {
			for _, e := range errs {
				t.Errorf("%s %s, answer %d: %s: %s\n%s", c.method, c.path, rec.Code, e.Message, e.Reason, body)
				for _, s := range e.SchemaValidationErrors {
					t.Error("  ", s.Reason)
				}
			}
		}
		if c.status < 300 {
			if ok, errs := v.ValidateHttpRequest(req); !ok {
				t.Errorf("%s %s is taken, but not as described: %v", c.method, c.path, errs[0])
			}
		}
	}
	for route, statuses := range given {
		slices.Sort(statuses)
		given[route] = slices.Compact(statuses)
	}
	if diff := cmp.Diff(routes, given); diff != "" {
		t.Error("(-described +given)\n", diff)
	}
}

// ending ends streams, which would go on.
func ending(t *testing.T, path string) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	if strings.Contains(path, "/events") {
		cancel()
	}
	t.Cleanup(cancel)
	return ctx
}

// streaming is a recorder with the deadlines of a connection.
type streaming struct{ *httptest.ResponseRecorder }

func (streaming) SetReadDeadline(time.Time) error  { return nil }
func (streaming) SetWriteDeadline(time.Time) error { return nil }

type exchange struct {
	method, path, body string
	headers            []string
	before             func(*shop)
	status             int
}

func exchanges() []exchange {
	const good = `{"amount":2450,"currency":"eur"}`
	token := "Authorization: Bearer TOKEN"
	away := func(sh *shop) { sh.world.fail = errors.New("away") }
	broken := func(sh *shop) { sh.tokens = nil }
	noKeys := func(sh *shop) { sh.keyForm.Is = nil }
	paid := func(sh *shop) { sh.world.put("o1", order.Paid) }
	guesser := func(sh *shop) {
		for range failuresBurst {
			sh.failures.take("192.0.2.1", sh.now())
		}
	}
	w := newWorld()
	pendingTag := newState(w.has("o1")).tag
	w.put("o1", order.Paid)
	paidTag := newState(w.has("o1")).tag
	fails := func(err error) func(*shop) {
		return func(sh *shop) {
			sh.world.create = func(order.CheckoutRequest) (order.Session, error) { return order.Session{}, err }
		}
	}
	made := func(sh *shop) {
		sh.call("POST", "/api/v1/orders", good, shopKey, "Idempotency-Key: k")
	}
	const orders, one, pay, stream = "/api/v1/orders", "/api/v1/orders/o1", "/api/v1/orders/o1/checkout", "/api/v1/orders/o1/events"
	return []exchange{
		{"POST", orders, good, []string{shopKey}, nil, 201},
		{"POST", orders, `{"lines":[{"name":"Margherita","quantity":2,"unitAmount":950}],"currency":"EUR"}`, []string{shopKey}, nil, 201},
		{"POST", orders, good, []string{shopKey, "Idempotency-Key: k"}, made, 200},
		{"POST", orders, `{"amount":1,"currency":"eur"}`, []string{shopKey, "Idempotency-Key: k"}, made, 422},
		{"POST", orders, `{`, []string{shopKey}, nil, 400},
		{"POST", orders, good, nil, nil, 401},
		{"POST", orders, `"` + strings.Repeat("x", maxBody) + `"`, []string{shopKey}, nil, 413},
		{"POST", orders, good, []string{shopKey, "Content-Type: text/plain"}, nil, 415},
		{"POST", orders, `{}`, []string{shopKey}, nil, 422},
		{"POST", orders, good, nil, guesser, 429},
		{"POST", orders, good, []string{shopKey}, noKeys, 500},
		{"POST", orders, good, []string{shopKey}, away, 503},
		{"POST", pay, "", []string{token}, nil, 200},
		{"POST", pay, "", []string{"Authorization: Bearer thk_wrong"}, nil, 401},
		{"POST", pay, "", nil, nil, 404},
		{"POST", pay, "", []string{token}, fails(order.ErrPaid), 409},
		{"POST", pay, "", nil, guesser, 429},
		{"POST", pay, "", []string{token}, broken, 500},
		{"POST", pay, "", []string{token}, fails(event.Permanent(event.ErrAPIKey)), 502},
		{"POST", pay, "", []string{token}, fails(event.ErrNoAnswer), 503},
		{"GET", one, "", []string{token}, nil, 200},
		{"GET", one, "", []string{token}, paid, 200},
		{"GET", one, "", []string{token, `If-None-Match: "` + pendingTag + `"`}, nil, 304},
		{"GET", one, "", nil, nil, 404},
		{"GET", one + "?wait=1h", "", []string{token}, nil, 422},
		{"GET", one, "", nil, guesser, 429},
		{"GET", one, "", []string{token}, broken, 500},
		{"GET", one, "", []string{token}, away, 503},
		{"GET", stream, "", []string{token}, nil, 200},
		{"GET", stream, "", []string{token, "Last-Event-ID: " + paidTag}, paid, 204},
		{"GET", stream, "", nil, nil, 404},
		{"GET", stream, "", nil, guesser, 429},
		{"GET", stream, "", []string{token}, broken, 500},
		{"GET", stream, "", []string{token}, away, 503},
		{"GET", "/api/v1/openapi.json", "", nil, nil, 200},
		{"GET", "/widget.js", "", nil, nil, 200},
		{"GET", "/widget.js", "", []string{"If-None-Match: " + widgetTag}, nil, 304},
		{"GET", "/health", "", nil, nil, 200},
		{"GET", "/health", "", nil, func(sh *shop) { sh.ready = func(context.Context) bool { return false } }, 503},
	}
}
