package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tillhook/pkg/stripetest"
)

// Public bodies of ten API versions, 2016 to 2026, where they are at hand: each
// is signed, accepted, and worked off, or waits for a payment that nobody here
// has. None is FAILED for how it is written.
func TestPublicBodiesThroughHTTP(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../shared/stripe-events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, parts{})
	if len(files) == 0 { // elsewhere, our own bodies stand for them
		pay := p.newPayments("a", 1)[0]
		path := filepath.Join(t.TempDir(), "own.json")
		if err := os.WriteFile(path, p.factory.CheckoutCompleted(pay).Body, 0o600); err != nil {
			t.Fatal(err)
		}
		files = []string{path}
	}
	for i, file := range files {
		body := withEventID(t, file, fmt.Sprintf("evt_public_%03d", i))
		if got := p.post(endpoint+"/slug-a", stripetest.Sign(p.secrets["a"], body, time.Now()), body); got.status != 200 {
			t.Errorf("%s: %d %s", filepath.Base(file), got.status, got.body)
		}
	}
	if n := p.rows("true"); n != fmt.Sprint(len(files)) {
		t.Errorf("%s rows for %d bodies", n, len(files))
	}
	p.eventually("each is worked off or waits", func() bool {
		return p.rows(`status = 'PROCESSING' AND NOT EXISTS (SELECT FROM "WaitingEvent" w WHERE w."eventId" = id)`) == "0"
	})
	if n := p.rows("status = 'FAILED'"); n != "0" {
		t.Errorf("%s are FAILED: %s", n, p.scalar(`SELECT string_agg("eventType" || ': ' || "lastError", '; ') FROM "WebhookEvent" WHERE status = 'FAILED'`))
	}
	// Bound to one payment, all of them are applied to it, or refused by name:
	// they are of many amounts and of both modes.
	pay := p.newPayments("a", 1)[0]
	if _, err := p.db.Exec(`INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId")
		SELECT DISTINCT 'a', name, $1 FROM "WaitingEvent" ON CONFLICT DO NOTHING`, pay.PaymentID); err != nil {
		t.Fatal(err)
	}
	p.eventually("each is worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	if odd := p.scalar(`SELECT string_agg("eventType" || ': ' || "lastError", '; ') FROM "WebhookEvent" WHERE status = 'FAILED'
		AND "lastError" NOT LIKE 'amount or currency%' AND "lastError" NOT LIKE '%livemode%'`); odd != "" {
		t.Errorf("FAILED without one of the expected reasons: %s", odd)
	}
	t.Logf("%d bodies: %s", len(files), p.scalar(`SELECT string_agg(s, ', ') FROM (SELECT concat_ws(' ', count(*), status, outcome) AS s FROM "WebhookEvent" GROUP BY status, outcome ORDER BY 1) x`))
}

// withEventID is the body in file with another id, since fixtures share theirs.
// Everything else stays as it was written.
func withEventID(t *testing.T, file, id string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	fields["id"] = json.RawMessage(`"` + id + `"`)
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
