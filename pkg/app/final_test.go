package app_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/queue"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

// trapped panics over events of one type.
type trapped struct{ *postgres.DB }

func (l trapped) Settle(ctx context.Context, work []order.Work) ([]order.Result, error) {
	for _, w := range work {
		if w.Entry.Type == "checkout.panics_in_fold" {
			panic("no such status")
		}
	}
	return l.DB.Settle(ctx, work)
}

// However an event fails for good, Postgres says so as well as Redis: FAILED,
// why, and after how many attempts. A human looks there, not into a queue that
// may be wiped.
func TestAFinalFailureIsInBothPlaces(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	decode := func(eventType string, _ []byte) (order.Contribution, error) {
		switch eventType {
		case "checkout.permanent":
			return order.Contribution{}, event.Permanent(errors.New("wrong amount"))
		case "checkout.exhausted":
			return order.Contribution{}, errors.New("not yet")
		case "checkout.panics":
			panic("at the till")
		case "checkout.unknown_payment":
			return order.Contribution{OrderID: "nobody's", Facts: order.Facts{Intent: "pi_unknown", Evidence: []order.Money{{Amount: 1, Currency: "eur"}}}}, nil
		}
		return order.Contribution{}, nil
	}
	maxRetry := map[string]int{ // how often it is tried after the first time
		"checkout.permanent": 25, "checkout.exhausted": 0, "checkout.panics": 25, "checkout.panics_in_fold": 25, "checkout.unknown_payment": 0,
	}
	redis, err := asynq.ParseRedisURI(p.cfg.RedisURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	client, inspector := asynq.NewClient(redis), asynq.NewInspector(redis)
	defer client.Close()
	defer inspector.Close()
	now := time.Now().Truncate(time.Second)
	for eventType, retries := range maxRetry {
		if _, err := p.db.InsertEvents(t.Context(), []event.Record{{ID: eventType, ProviderEventID: "evt_" + eventType, Type: eventType,
			Status: event.Processing, RestaurantID: "a", OccurredAt: now}}); err != nil {
			t.Fatal(err)
		}
		task := asynq.NewTask(queue.TaskType, []byte(`{"id":"`+eventType+`","occurredAt":`+strconv.FormatInt(now.Unix(), 10)+`}`))
		if _, err := client.Enqueue(task, asynq.TaskID(eventType), asynq.Queue(queue.Critical), asynq.MaxRetry(retries)); err != nil {
			t.Fatal(err)
		}
	}
	defer p.fleet(trapped{p.db}, decode)()

	want, got := map[string]string{}, map[string]string{}
	for eventType, why := range map[string]string{
		"checkout.permanent": "wrong amount", "checkout.exhausted": "not yet", "checkout.panics": "decoding checkout.panics panicked: at the till",
		"checkout.panics_in_fold": "settling panicked: no such status", "checkout.unknown_payment": order.ErrUnknownPayment.Error() + " (objects [pi_unknown], order nobody's)",
	} {
		want[eventType] = "FAILED after 1: " + why + "; archived"
		p.eventually(eventType+" is archived", func() bool {
			info, err := inspector.GetTaskInfo(queue.Critical, eventType)
			return err == nil && info.State == asynq.TaskStateArchived && strings.Contains(info.LastErr, why)
		})
		got[eventType] = p.scalar(`SELECT status || ' after ' || attempts || ': ' || coalesce("lastError", '') || '; archived' FROM "WebhookEvent" WHERE id = $1`, eventType)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if n := p.rows(`outcome IS NOT NULL OR "processedAt" IS NULL`); n != "0" {
		t.Errorf("%s events have an outcome, or no end", n)
	}
	if n := p.scalar(`SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`); n != "0" {
		t.Errorf("%s transactions are left open", n)
	}
}

// fleet runs a worker that is wired by hand; the answer stops it.
func (p *product) fleet(ledger worker.Ledger, decode worker.Decode) (stop func()) {
	p.Helper()
	tasks, err := queue.Open(p.cfg.RedisURL.Reveal())
	if err != nil {
		p.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	processor := worker.NewProcessor(ledger, decode, nil, telemetry.NewMetrics(), log)
	ctx, cancel := context.WithCancel(context.Background())
	applied, worked := make(chan struct{}), make(chan error, 1)
	go func() { defer close(applied); processor.Run(context.Background()) }()
	go func() { worked <- tasks.Work(ctx, queue.FleetConfig{Log: log}, processor.Process) }()
	return func() {
		cancel()
		if err := <-worked; err != nil {
			p.Error(err)
		}
		processor.Close()
		<-applied
		if err := tasks.Close(); err != nil {
			p.Error(err)
		}
	}
}
