package worker

import (
	"context"
	"log/slog"
	"time"

	"tillhook/pkg/event"
)

// Waiting says which waiting events have a reason to be tried again.
type Waiting interface {
	// WatchWaiting calls wake for each, until ctx ends.
	WatchWaiting(ctx context.Context, wake func(event.Unfinished)) error
}

// Runner makes an event's task run at once. It reports false while the task is
// being worked on.
type Runner interface {
	RunNow(ctx context.Context, ref event.Ref, eventType string) (bool, error)
}

const (
	// What doesn't fit is not lost, but comes back by its own backoff.
	maxWoken = 1024

	// An attempt that is under way when its payment appears may have looked
	// too early. It is over within moments; then the event is tried again.
	wakeAgain    = 500 * time.Millisecond
	wakeAttempts = 4

	// While Redis is away nobody can be woken. It is asked again, by one event
	// after the other, and no event asks for ever.
	wakeRest, wakeFailures = 500 * time.Millisecond, 40

	// watchAgain is the pause before the next try to listen: Postgres may refuse
	// it, as when it has little time.
	watchAgain = 5 * time.Second
)

// Waker drives events on the moment that their payment is known: one that has
// overtaken its payment would otherwise sleep for hours after a long wait.
type Waker struct {
	waiting Waiting
	queue   Runner
	log     *slog.Logger
}

// NewWaker makes a waker.
func NewWaker(w Waiting, q Runner, log *slog.Logger) *Waker {
	return &Waker{waiting: w, queue: q, log: log}
}

// woken is an event on its way to be tried again.
type woken struct {
	event.Unfinished
	tries int
}

// Run wakes until ctx ends.
func (w *Waker) Run(ctx context.Context) {
	queue := make(chan woken, maxWoken)
	offer := func(e woken) {
		select {
		case queue <- e:
		default:
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.watch(ctx, func(e event.Unfinished) { offer(woken{Unfinished: e}) })
	}()
	defer func() { <-done }()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-queue:
			e.tries++
			started, err := w.queue.RunNow(ctx, e.Ref, e.Type)
			switch {
			case err != nil && e.tries < wakeFailures:
				offer(e)
				wait(ctx, wakeRest)
			case err != nil:
				w.log.Warn("a waiting event was not woken, it comes back by its backoff", "id", e.ID, "error", err)
			case !started && e.tries < wakeAttempts:
				time.AfterFunc(wakeAgain, func() { offer(e) })
			}
		}
	}
}

// watch hears of waiting events until ctx ends, and says once why it doesn't.
func (w *Waker) watch(ctx context.Context, wake func(event.Unfinished)) {
	for said := ""; ctx.Err() == nil; wait(ctx, watchAgain) {
		err := w.waiting.WatchWaiting(ctx, wake)
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			w.log.Warn("for now waiting events come back by their backoff only", "error", err)
		}
	}
}
