package widget_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"tillhook/pkg/api/widget"
)

const (
	orderID = "order 1/ü" // an id that needs care in an address
	token   = "ot_of-the_order"
)

// world is a shop's page and, at another origin, the storefront API behind it,
// which can be told to misbehave.
type world struct {
	shop, api *httptest.Server

	mu      sync.Mutex
	status  string
	changed chan struct{} // closed at the next change
	log     []string      // of requests: stream, wait, ask
	stream  string        // "", "500", "cut" after the first event, "mute"
	wait    string        // "", "500", "early"
	away    bool          // no request is answered
}

func newWorld(t *testing.T, markup string) *world {
	t.Helper()
	w := &world{status: "PAYMENT_PENDING", changed: make(chan struct{})}
	w.api = httptest.NewServer(http.HandlerFunc(w.serveAPI))
	w.shop = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/probe.js":
			rw.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(rw, probe)
		case "/":
			rw.Header().Set("Content-Type", "text/html; charset=utf-8")
			// Nothing inline, and nothing from anywhere else.
			rw.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; img-src data:; require-trusted-types-for 'script'; "+
				"script-src 'self' "+w.api.URL+"; connect-src "+w.api.URL)
			fmt.Fprint(rw, `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">`+
				`<script src="/probe.js"></script><script src="`+w.api.URL+`/widget.js" defer></script>`+markup)
		default:
			http.NotFound(rw, r)
		}
	}))
	t.Cleanup(func() {
		w.set(func() { w.away = true })
		w.api.CloseClientConnections()
		w.api.Close()
		w.shop.Close()
	})
	return w
}

// probe knows what the widget still waits for, and what the page was told.
const probe = `
const probe = { timers: new Set(), streams: new Set(), told: [] };
const { setTimeout: set, clearTimeout: clear, EventSource: Source } = window;
window.setTimeout = (do_, ms, ...args) => {
  const id = set(() => { probe.timers.delete(id); do_(...args); }, ms);
  probe.timers.add(id);
  return id;
};
window.clearTimeout = id => { probe.timers.delete(id); clear(id); };
window.EventSource = class extends Source {
  constructor(...args) { super(...args); probe.streams.add(this); }
  close() { probe.streams.delete(this); super.close(); }
};
document.addEventListener("tillhook:change", e => probe.told.push(e.detail.status));
`

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) become(status string) { w.set(func() { w.status = status }) }

// requests are the kinds of those so far.
func (w *world) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.log...)
}

func (w *world) count(kind string) (n int) {
	for _, k := range w.requests() {
		if k == kind {
			n++
		}
	}
	return n
}

// state is the order now, its tag, and what tells of the next change.
func (w *world) state() (body, tag string, changed chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, err := json.Marshal(map[string]any{"id": orderID, "status": w.status, "final": w.status != "PAYMENT_PENDING"})
	if err != nil {
		panic(err)
	}
	return string(text), w.status, w.changed
}

func (w *world) serveAPI(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/widget.js" {
		rw.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = rw.Write(widget.Script)
		return
	}
	kind := "ask"
	switch {
	case strings.HasSuffix(r.URL.Path, "/events"):
		kind = "stream"
	case r.URL.Query().Get("wait") != "":
		kind = "wait"
	}
	w.mu.Lock()
	away, misbehaves := w.away, map[string]string{"stream": w.stream, "wait": w.wait}[kind]
	if r.Method != http.MethodOptions {
		w.log = append(w.log, kind)
	}
	w.mu.Unlock()
	if away {
		panic(http.ErrAbortHandler) // the connection ends without a word
	}
	header := rw.Header()
	if r.Header.Get("Origin") == w.shop.URL {
		header.Set("Access-Control-Allow-Origin", w.shop.URL)
		header.Set("Access-Control-Expose-Headers", "ETag, Retry-After")
		header.Set("Access-Control-Allow-Headers", "Authorization, If-None-Match")
	}
	credential := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if kind == "stream" {
		credential = r.URL.Query().Get("token")
	}
	switch {
	case r.Method == http.MethodOptions:
		rw.WriteHeader(http.StatusNoContent)
	case misbehaves == "500":
		header.Set("Retry-After", "1")
		rw.WriteHeader(http.StatusInternalServerError)
	case credential != token || r.URL.Path != "/api/v1/orders/"+orderID && kind != "stream":
		rw.WriteHeader(http.StatusNotFound)
	case kind == "stream":
		w.serveStream(rw, r, misbehaves)
	default:
		w.serveState(rw, r, kind == "wait" && misbehaves != "early")
	}
}

func (w *world) serveState(rw http.ResponseWriter, r *http.Request, wait bool) {
	body, tag, changed := w.state()
	for wait && r.Header.Get("If-None-Match") == `"`+tag+`"` {
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		body, tag, changed = w.state()
	}
	rw.Header().Set("ETag", `"`+tag+`"`)
	if r.Header.Get("If-None-Match") == `"`+tag+`"` {
		rw.WriteHeader(http.StatusNotModified)
		return
	}
	fmt.Fprint(rw, body)
}

func (w *world) serveStream(rw http.ResponseWriter, r *http.Request, misbehaves string) {
	rw.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(rw, "retry: 100\n\n")
	for told := ""; ; {
		body, tag, changed := w.state()
		w.mu.Lock()
		away := w.away
		w.mu.Unlock()
		if away {
			return
		}
		if told != tag && misbehaves != "mute" {
			fmt.Fprintf(rw, "event: order\nid: %s\ndata: %s\n\n", tag, body)
		}
		told = tag
		rw.(http.Flusher).Flush()
		if misbehaves == "cut" || misbehaves == "" && tag != "PAYMENT_PENDING" {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}
