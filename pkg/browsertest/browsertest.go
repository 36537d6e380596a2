// Package browsertest opens pages in a real browser, for tests.
package browsertest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"tillhook/pkg/devstack"
)

var shots = flag.String("shots", "", "a folder for pictures of the pages that tests open in a browser")

// within bounds what one test does in its browser.
const within = 5 * time.Minute

// patience is how long something may take to become true.
const patience = time.Minute

// Browser is one that ends with the test that has opened it.
type Browser struct {
	t   testing.TB
	ctx context.Context
	*record
}

// record is what has happened in a browser.
type record struct {
	mu         sync.Mutex
	complaints []string
	requests   []string
}

// Open starts a browser. Without chromium the test is skipped, where it may be.
func Open(t testing.TB) *Browser {
	t.Helper()
	path := devstack.Tool(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	allocator, stopAll := chromedp.NewExecAllocator(context.Background(), options...)
	// It is newer than chromedp, which complains about each event that it doesn't know.
	ctx, stop := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	ctx, cancel := context.WithTimeout(ctx, within)
	t.Cleanup(func() {
		cancel()
		stop()
		stopAll()
	})
	b := &Browser{t, ctx, &record{}}
	chromedp.ListenTarget(ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			b.complain(e.ExceptionDetails.Error())
		case *network.EventRequestWillBeSent:
			b.mu.Lock()
			b.requests = append(b.requests, e.Request.URL)
			b.mu.Unlock()
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.LevelError {
				b.complain(e.Entry.Text + " " + e.Entry.URL)
			}
		}
	})
	if err := chromedp.Run(ctx); err != nil { // it lives as long as the first context that runs something
		t.Fatal(err)
	}
	return b
}

// Context is for actions beside those here.
func (b *Browser) Context() context.Context { return b.ctx }

func (r *record) complain(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, text)
}

// Complaints are what its console has had since the last time: what a policy
// has forbidden, what has thrown, what could not be loaded.
func (r *record) Complaints() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.complaints
	r.complaints = nil
	return all
}

// Requests are the addresses that it has asked for since the last time.
func (r *record) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.requests
	r.requests = nil
	return all
}

// Do does something with the page, or ends the test.
func (b *Browser) Do(what string, actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v\nthe page was:\n%s", what, err, b.page())
	}
}

// Until waits until an expression is true of the page, which may become another
// page meanwhile.
func (b *Browser) Until(what, js string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var yes bool
		// An error is a page that has just gone, or that isn't there yet.
		err := chromedp.Run(ctx, chromedp.Evaluate("Boolean("+js+")", &yes))
		if err == nil && yes {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("%s: not within %s (%v)\nthe page is:\n%s", what, patience, err, b.page())
		}
	}
}

// page is what there is to see, for who wonders why a test has failed.
func (b *Browser) page() (text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), 5*time.Second)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Evaluate(`location.pathname + "\n" + document.body.innerText`, &text)) // then there is nothing to see
	return text
}

// Looks are the screens on which a page has to do.
var looks = []struct {
	width  int64
	scheme string
}{{1280, "light"}, {1280, "dark"}, {400, "light"}, {400, "dark"}}

// Shoot is the function of that name, for this browser's page.
func (b *Browser) Shoot(name string) {
	b.t.Helper()
	Shoot(b.ctx, b.t, name)
}

// Shoot looks at the page wide and narrow, by day and by night: it may never be
// wider than its screen.
func Shoot(ctx context.Context, t testing.TB, name string) {
	t.Helper()
	do := func(actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatalf("looking at %s: %v", name, err)
		}
	}
	for _, look := range looks {
		var wide int64
		do(
			emulation.SetDeviceMetricsOverride(look.width, 800, 1, false),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}),
			chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide))
		if wide > look.width {
			t.Errorf("%s: %d wide on a screen of %d", name, wide, look.width)
		}
		Picture(ctx, t, fmt.Sprintf("%s-%d-%s", name, look.width, look.scheme))
	}
	do(emulation.SetDeviceMetricsOverride(1280, 800, 1, false))
}

// Picture keeps a picture of the page as it is, if pictures are wanted.
func Picture(ctx context.Context, t testing.TB, name string) {
	t.Helper()
	if *shots == "" {
		return
	}
	var png []byte
	if err := chromedp.Run(ctx, chromedp.FullScreenshot(&png, 100)); err != nil {
		t.Fatalf("taking a picture of %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}

// For is the same browser for a part of its test.
func (b *Browser) For(t testing.TB) *Browser { return &Browser{t, b.ctx, b.record} }

// Media makes the page believe that its reader prefers something, such as
// prefers-color-scheme: dark.
func (b *Browser) Media(feature, value string) {
	b.t.Helper()
	b.Do(feature, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: feature, Value: value}}))
}
