package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/order"
)

const shopKey = "Authorization: Bearer thk_r"

func TestAnOrderIsCreatedOnce(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	const body = `{"lines":[{"name":"Margherita","quantity":2,"unitAmount":950},{"name":"Acqua","quantity":1,"unitAmount":250}],"currency":"EUR"}`
	create := func(body string, headers ...string) reply {
		return sh.call("POST", "/api/v1/orders", body, append(headers, shopKey)...)
	}
	first := create(body, "Idempotency-Key: k1")
	var got createdOrder
	if err := json.Unmarshal([]byte(first.body), &got); err != nil || first.status != 201 || first.header.Get("Location") != "/api/v1/orders/"+got.ID {
		t.Fatalf("%+v, %v", first, err)
	}
	want := createdOrder{ID: got.ID, Status: order.PaymentPending, TotalAmount: 2150, Currency: "eur", CreatedAt: epoch, Token: sh.world.Token(got.ID)}
	if diff := cmp.Diff(want, got); diff != "" || !strings.HasPrefix(got.ID, "ord_") {
		t.Error("(-want +got)\n", diff)
	}
	if v := sh.world.has(got.ID); v.RestaurantID != "r" {
		t.Errorf("it is of restaurant %q", v.RestaurantID)
	}
	again := create(strings.ReplaceAll(body, ",", ", "), "Idempotency-Key: k1")
	if again.status != 200 || again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %+v", again)
	}
	if other := create(`{"amount":2150,"currency":"eur"}`, "Idempotency-Key: k1"); other.status != 422 || !strings.Contains(other.body, "idempotency-key-used") {
		t.Errorf("another body: %+v", other)
	}
	if other := create(body); other.status != 201 || other.body == first.body {
		t.Errorf("without the key: %+v", other)
	}
}

func TestWhatIsNoOrder(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	line := func(name string, quantity, amount int64) string {
		return fmt.Sprintf(`{"lines":[{"name":%q,"quantity":%d,"unitAmount":%d}],"currency":"eur"}`, name, quantity, amount)
	}
	for _, c := range []struct {
		name, body string
		status     int
		fields     []string
	}{
		{"nothing", `{}`, 422, []string{"currency", "amount"}},
		{"free", `{"amount":0,"currency":"eur"}`, 422, []string{"amount"}},
		{"negative", `{"amount":-1,"currency":"eur"}`, 422, []string{"amount"}},
		{"too much", `{"amount":100000000,"currency":"eur"}`, 422, []string{"amount"}},
		{"the most", `{"amount":99999999,"currency":"eur"}`, 201, nil},
		{"a fraction", `{"amount":1.5,"currency":"eur"}`, 422, []string{"amount"}},
		{"text", `{"amount":"1","currency":"eur"}`, 422, []string{"amount"}},
		{"both", `{"amount":1,"lines":[{"name":"a","quantity":1,"unitAmount":1}],"currency":"eur"}`, 422, []string{"amount"}},
		{"no currency", `{"amount":1,"currency":"euro"}`, 422, []string{"currency"}},
		{"three bytes, but no letters", `{"amount":1,"currency":"€"}`, 422, []string{"currency"}},
		{"blank name", line(" ", 1, 1), 422, []string{"lines[0].name"}},
		{"long name", line(strings.Repeat("ä", 251), 1, 1), 422, []string{"lines[0].name"}},
		{"none of it", line("a", 0, 1), 422, []string{"lines[0].quantity"}},
		{"too many of it", line("a", 10001, 1), 422, []string{"lines[0].quantity"}},
		{"dear", line("a", 10000, 99999999), 422, []string{"lines"}},
		{"gift only", line("a", 1, 0), 422, []string{"lines"}},
		{"all that is wrong", `{"lines":[{"name":"","quantity":0,"unitAmount":-1}],"currency":"x"}`, 422,
			[]string{"currency", "lines[0].name", "lines[0].quantity", "lines[0].unitAmount"}},
		{"too many lines", `{"lines":[` + strings.Repeat(`{"name":"a","quantity":1,"unitAmount":1},`, 100) + `{"name":"a","quantity":1,"unitAmount":1}],"currency":"eur"}`, 422, []string{"lines"}},
		{"an unknown field", `{"amount":1,"currency":"eur","status":"PAID"}`, 400, nil},
		{"no JSON", `{`, 400, nil},
		{"a list", `[]`, 400, nil},
		{"two values", `{"amount":1,"currency":"eur"}{}`, 400, nil},
		{"large", `{"amount":1,"currency":"` + strings.Repeat("x", maxBody) + `"}`, 413, nil},
	} {
		got := sh.call("POST", "/api/v1/orders", c.body, shopKey)
		var p problem
		if got.status != 201 {
			if err := json.Unmarshal([]byte(got.body), &p); err != nil || p.Status != c.status || p.Instance != got.header.Get("X-Request-Id") ||
				got.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
		}
		var fields []string
		for _, f := range p.Errors {
			fields = append(fields, f.Field)
		}
		if diff := cmp.Diff(c.fields, fields); diff != "" || got.status != c.status {
			t.Errorf("%s: %d %s (-want +got)\n%s", c.name, got.status, got.body, diff)
		}
	}
	if got := sh.call("POST", "/api/v1/orders", `{"amount":1,"currency":"eur"}`, shopKey, "Content-Type: text/plain"); got.status != 415 {
		t.Errorf("as text: %+v", got)
	}
	if got := sh.call("POST", "/api/v1/orders", `{"amount":1,"currency":"eur"}`, shopKey, "Idempotency-Key: "+strings.Repeat("x", 256)); got.status != 422 {
		t.Errorf("a long idempotency key: %+v", got)
	}
}

// A shop's programmer reads what to write, in JSON's words and not in Go's.
func TestAValueOfAnotherKindIsToldInJSONsWords(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	for body, want := range map[string]string{
		`{"amount":"1","currency":"eur"}`: `{"field":"amount","detail":"want a whole number"}`,
		`{"amount":1.5,"currency":"eur"}`: `{"field":"amount","detail":"want a whole number"}`,
		`{"amount":1,"currency":978}`:     `{"field":"currency","detail":"want a string"}`,
		`{"lines":{},"currency":"eur"}`:   `{"field":"lines","detail":"want a list"}`,
		`{"lines":[1],"currency":"eur"}`:  `{"field":"lines[0]","detail":"want an object"}`,
	} {
		if got := sh.call("POST", "/api/v1/orders", body, shopKey); got.status != 422 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s, want %s", body, got.status, got.body, want)
		}
	}
}

// Of several lines the one is named in which the fault is, wherever it stands.
func TestAFaultOfALineNamesTheLine(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	const good = `{"name":"a, [1] {","quantity":1,"unitAmount":1}`
	for lines, want := range map[string]string{
		good + `,` + good + `, {"name":7 ,"quantity":1,"unitAmount":1},` + good: `{"field":"lines[2].name","detail":"want a string"}`,
		good + `,{"name":"b","unitAmount":1,"quantity": 1.5}`:                   `{"field":"lines[1].quantity","detail":"want a whole number"}`,
		`{"name":"b","quantity":1,"unitAmount":"1"}`:                            `{"field":"lines[0].unitAmount","detail":"want a whole number"}`,
		good + `,{"name":{"x":[1,2]},"quantity":1,"unitAmount":1}`:              `{"field":"lines[1].name","detail":"want a string"}`,
		good + `,{"NAME":["x"],"quantity":1,"unitAmount":1}`:                    `{"field":"lines[1].name","detail":"want a string"}`,
		good + `,` + good + `,[` + good + `]`:                                   `{"field":"lines[2]","detail":"want an object"}`,
		good + `,"b"`:                                                           `{"field":"lines[1]","detail":"want an object"}`,
		good + `,` + good + `],"amount":[1`:                                     `{"field":"amount","detail":"want a whole number"}`,
		good + `,{"name":"b","quantity":0,"unitAmount":1}`:                      `{"field":"lines[1].quantity","detail":"want 1 to 10000"}`,
	} {
		body := `{ "currency":"eur", "lines":[` + lines + `]}`
		if got := sh.call("POST", "/api/v1/orders", body, shopKey); got.status != 422 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s, want %s", body, got.status, got.body, want)
		}
	}
}

// Whoever guesses is told to wait; whoever has the right token or key is not.
func TestLimits(t *testing.T) {
	t.Parallel()
	sh := newShop(t, func(c *Config) { c.Now = func() time.Time { return epoch } })
	create := func(key string) reply {
		return sh.call("POST", "/api/v1/orders", `{"amount":1,"currency":"eur"}`, "Authorization: Bearer "+key)
	}
	for i := range failuresBurst {
		if i%2 == 0 {
			if got := create("thk_wrong"); got.status != 401 {
				t.Fatalf("wrong key, %d: %+v", i, got)
			}
			continue
		}
		if got := sh.call("GET", "/api/v1/orders/o1", ""); got.status != 404 {
			t.Fatalf("wrong token, %d: %+v", i, got)
		}
	}
	if got := create("thk_wrong"); got.status != 429 || got.header.Get("Retry-After") != "1" {
		t.Errorf("one too many: %+v", got)
	}
	if got := sh.call("GET", "/api/v1/orders/o1", "", sh.token("o1")); got.status != 200 {
		t.Errorf("the right token from the same address: %+v", got)
	}
	for i := range ordersBurst {
		if got := create("thk_r"); got.status != 201 {
			t.Fatalf("order %d: %+v", i, got)
		}
	}
	if got := create("thk_r"); got.status != 429 || got.header.Get("Retry-After") == "" {
		t.Errorf("one order too many: %+v", got)
	}
	if got := create("thk_s"); got.status != 201 {
		t.Errorf("another restaurant: %+v", got)
	}
	if err := sh.uses.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"key_r", "key_s"}, sh.world.uses); diff != "" {
		t.Error("keys in use (-want +got)\n", diff)
	}
}

func TestOnlySoManyMayWait(t *testing.T) {
	t.Parallel()
	r := newRoom(3, 2)
	for i, c := range []struct {
		address string
		status  int
	}{{"a", 0}, {"a", 0}, {"a", 429}, {"b", 0}, {"b", 503}, {"c", 503}} {
		status := 0
		if p := r.enter(c.address); p != nil {
			status = p.Status
			if p.retryAfter == 0 {
				t.Errorf("%d: when may it come back?", i)
			}
		}
		if status != c.status {
			t.Errorf("%d: %d, want %d", i, status, c.status)
		}
	}
	r.leave("a")
	if p := r.enter("c"); p != nil {
		t.Errorf("after one has left: %v", p)
	}
	for _, a := range []string{"a", "b", "c"} {
		r.leave(a)
	}
	if r.here != 0 || len(r.byPlace) != 0 {
		t.Errorf("%d are left, %v", r.here, r.byPlace)
	}

	sh := newShop(t, func(c *Config) { c.MaxWaiting = 1 })
	if p := sh.room.enter("192.0.2.1"); p != nil {
		t.Fatal(p)
	}
	for _, path := range []string{"/api/v1/orders/o1/events", "/api/v1/orders/o1?wait=1s"} {
		if got := sh.call("GET", path, "", sh.token("o1"), `If-None-Match: "x"`); got.status != 503 || got.header.Get("Retry-After") != "2" {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got := sh.call("GET", "/api/v1/orders/o1", "", sh.token("o1")); got.status != 200 {
		t.Errorf("without waiting: %+v", got)
	}
}

func TestOnlyTheShopsPagesMayAsk(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	const origin = "Origin: https://shop.example"
	for path, method := range map[string]string{"/api/v1/orders/o1": "GET", "/api/v1/orders/o1/events": "GET", "/api/v1/orders/o1/checkout": "POST"} {
		got := sh.call("OPTIONS", path, "", origin, "Access-Control-Request-Method: "+method)
		if h := got.header; got.status != 204 || h.Get("Access-Control-Allow-Origin") != "https://shop.example" || h.Get("Access-Control-Allow-Methods") != method ||
			!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") || h.Get("Vary") != "Origin" {
			t.Errorf("%s: %+v", path, got)
		}
		for _, other := range []string{"Origin: https://evil.example", "Origin: https://shop.example.evil.example", "Origin: null", "Origin: http://shop.example"} {
			if got := sh.call("OPTIONS", path, "", other); got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s from %s: %+v", path, other, got)
			}
		}
	}
	if got := sh.call("GET", "/api/v1/orders/o1", "", sh.token("o1"), origin); got.header.Get("Access-Control-Allow-Origin") == "" || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), "ETag") {
		t.Errorf("%+v", got)
	}
	if got := sh.call("GET", "/api/v1/orders/o1", "", origin); got.status != 404 || got.header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("an error, which the page is to read: %+v", got)
	}
	if got := sh.call("POST", "/api/v1/orders", `{}`, shopKey, origin); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("an API key in a browser: %+v", got)
	}
}

// However the shop's address is written, a page's origin is what its browser
// makes of it.
func TestTheShopIsKnownByItsOrigin(t *testing.T) {
	t.Parallel()
	for address, origin := range map[string]string{
		"https://Shop.Example": "https://shop.example", "https://shop.example:443": "https://shop.example", "http://localhost:80/": "http://localhost",
		"https://shop.example:80/menu": "https://shop.example:80", "http://[::1]:8080": "http://[::1]:8080", "https://shop.example:": "https://shop.example",
	} {
		sh := newShop(t, func(c *Config) { c.Frontend, _ = url.Parse(address) })
		got := sh.call("GET", "/api/v1/orders/o1", "", sh.token("o1"), "Origin: "+origin)
		if allowed := got.header.Get("Access-Control-Allow-Origin"); got.status != 200 || allowed != origin {
			t.Errorf("%s, from %s: %d, and %q may read", address, origin, got.status, allowed)
		}
	}
}
