package dev

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path"
	"strings"
	"time"

	"tillhook/pkg/order"
)

// orderAndPay is a customer without a browser, but with a form's fields and a
// browser's cookies: orders at the shop, pays on the stand-in's page, comes back
// to the shop's, and waits to see PAID. It says how long that took.
func (w *world) orderAndPay(ctx context.Context, timeout time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("it took too long"))
	defer cancel()
	started := time.Now()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return 0, err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	browser := &http.Client{Jar: jar, Transport: transport}
	defer w.shop.storefront.client.CloseIdleConnections()

	checkout, err := submit(ctx, browser, w.cfg.FrontendURL+"/"+w.restaurants[0].slug, url.Values{"dish0": {"2"}, "dish3": {"1"}, "once": {randomHex(16)}})
	if err != nil {
		return 0, fmt.Errorf("ordering at the shop: %w", err)
	}
	if !strings.HasPrefix(checkout, w.cfg.StripeAPIBase+"/") {
		return 0, fmt.Errorf("the shop leads to %s, want the stand-in for Stripe", checkout)
	}
	back, err := submit(ctx, browser, checkout, url.Values{"do": {"pay"}})
	if err != nil {
		return 0, fmt.Errorf("paying: %w", err)
	}
	u, err := url.Parse(back)
	if err != nil || !strings.HasPrefix(back, w.cfg.FrontendURL+"/orders/") {
		return 0, fmt.Errorf("the stand-in leads to %s, want the shop's page of the order", back)
	}
	id := path.Base(u.Path)
	cookies := jar.Cookies(u)
	if len(cookies) != 1 || cookies[0].Name != id {
		return 0, fmt.Errorf("the shop has left %d cookies, want the order's token", len(cookies))
	}
	if err := w.shop.storefront.await(ctx, id, cookies[0].Value, string(order.Paid)); err != nil {
		return 0, fmt.Errorf("waiting for the payment: %w", err)
	}
	return time.Since(started), nil
}

// submit sends a form, and answers where it leads to.
func submit(ctx context.Context, browser *http.Client, to string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var next *url.URL
	stay := *browser
	stay.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		next = req.URL
		return http.ErrUseLastResponse
	}
	resp, err := stay.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if next == nil {
		return "", fmt.Errorf("answered with %d, want to be led on", resp.StatusCode)
	}
	return next.String(), nil
}
