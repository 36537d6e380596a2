package app_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"tillhook/pkg/postgres"
)

// live opens the overview's stream, and answers what is closed when it ends.
func (b *browser) live(ctx context.Context) (status int, over <-chan struct{}) {
	b.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/admin/live", nil)
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Jar: b.client.Jar} // without its time limit
	resp, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // its end is what is asked for
	}()
	b.Cleanup(client.CloseIdleConnections)
	return resp.StatusCode, ended
}

// Who signs out or is disabled sees no more of what arrives, also on the pages
// that are open; nobody opens more than some of these.
func TestPanelLivePagesEndWithTheSession(t *testing.T) {
	t.Parallel()
	p := panelAlone(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ends := func(what string, over <-chan struct{}) {
		t.Helper()
		select {
		case <-over:
		case <-ctx.Done():
			t.Fatalf("%s: the live page goes on", what)
		}
	}
	vito, anna := p.signedIn("vito@example.com"), p.signedIn("anna@example.com")
	var his []<-chan struct{}
	for range 5 {
		status, over := vito.live(ctx)
		if status != http.StatusOK {
			t.Fatal(status)
		}
		his = append(his, over)
	}
	if status, over := vito.live(ctx); status != http.StatusServiceUnavailable {
		t.Errorf("a sixth live page: %d", status)
	} else {
		ends("refused", over)
	}
	status, hers := anna.live(ctx)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	vito.open("/admin")
	vito.send("/admin/signout", url.Values{})
	for _, over := range his {
		ends("signed out", over)
	}
	select {
	case <-hers:
		t.Error("somebody else's live page has ended")
	default:
	}
	if err := p.db.DisableOperator(ctx, postgres.Operator{Actor: "test", Action: "disable"}, "anna@example.com"); err != nil {
		t.Fatal(err)
	}
	ends("disabled", hers)
}
