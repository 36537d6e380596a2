package dev_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What a shop's server has to stand: clicks that come twice, forms with nothing
// in them, other sites' forms, and whoever asks for others' orders.
func TestTheShop(t *testing.T) {
	t.Parallel()
	shop := running(t, t.TempDir())
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(method, path, form, origin string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, shop+path, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	for _, c := range []struct {
		method, path, form, origin string
		status                     int
		says                       string
	}{
		{"GET", "/", "", "", 303, ""},
		{"GET", "/trattoria-da-marco", "", "", 200, "Margherita"},
		{"GET", "/nobody", "", "", 404, ""},
		{"POST", "/nobody", "dish0=1", "", 404, ""},
		{"POST", "/trattoria-da-marco", "dish0=0&dish1=-1&dish2=21&dish3=x&dish9=1", "", 422, "Choose something first."},
		{"POST", "/trattoria-da-marco", "dish0=1", "https://evil.example", 403, ""},
		{"GET", "/orders/ord_x", "", "", 200, "has not placed this order"},
		{"POST", "/orders/ord_x", "", "", 502, "No such order"},
		{"GET", "/shop.js", "", "", 200, "tillhook:change"},
	} {
		resp, body := ask(c.method, c.path, c.form, c.origin)
		if resp.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s %s: %d, want %d with %q\n%s", c.method, c.path, c.form, resp.StatusCode, c.status, c.says, body)
		}
		if policy := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s %s: policy %q", c.method, c.path, policy)
		}
	}
	form := url.Values{"dish0": {"1"}, "once": {"a-click"}}.Encode()
	first, _ := ask("POST", "/sushi-kaito", form, shop)
	second, _ := ask("POST", "/sushi-kaito", form, shop)
	if to := first.Header.Get("Location"); to == "" || to != second.Header.Get("Location") {
		t.Errorf("two clicks lead to %s and %s", to, second.Header.Get("Location"))
	}
	if cookie := first.Cookies()[0]; !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(cookie.Path, "/orders/ord_") {
		t.Errorf("the token is in %+v", cookie)
	}
}
