package dev

import (
	"fmt"
	"io"
)

func (w *world) printGuide(out io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "  %-11s%s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(out, "\n  Running. Ctrl-C stops it and keeps the data.\n\n")
	line("Shop:", "%s/", w.cfg.FrontendURL)
	line("", "order a meal, pay it or don't, and watch what becomes of it\n")
	line("endpoint", "%s%s", w.cfg.IngestURL, webhooks)
	line("health", "%s/health", w.cfg.IngestURL)
	line("", "%s/api/health/webhooks", w.cfg.IngestURL)
	line("storefront", "%s/api/v1/openapi.json", address(w.doors.api))
	line("Stripe", "%s, a stand-in", w.cfg.StripeAPIBase)
	line("panel", "%s", w.panel.url())
	line("", "sign in as %s with the password %s", w.panel.email, w.panel.password)
	line("ops", ". %s", w.settings)
	line("", "go run ./cmd/ops doctor, in the same shell")
	line("events", "go run ./cmd/dev trigger lists what Stripe can be made to say")
	fmt.Fprintf(out, "\n  signing secrets, for a test-mode endpoint or the Stripe CLI:\n")
	for _, r := range w.restaurants {
		fmt.Fprintf(out, "  %-20s %s\n", r.slug, r.secret)
	}
}
