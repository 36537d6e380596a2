package admin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"tillhook/pkg/event"
)

const (
	// The last minutes are read again and again, and the day before them an hour
	// at a time: what arrived an hour ago may be worked off now.
	pulseEvery = 2 * time.Second
	pulseFresh = 2 * time.Minute
	pulseChunk = time.Hour
	pulseDay   = 24 * time.Hour
	chunkEvery = 5 // rounds

	// pulseRest is how many times as long as a round took the database is left
	// alone after it.
	pulseRest = 10

	// maxBacklog is how many unfinished events are counted: with this many, the
	// overview says that there are more than 10,000.
	maxBacklog = 10_001
)

// pulse knows what arrived within the last day, minute by minute, so that no
// page has to count it: a busy day has more events than can be counted while
// somebody waits.
type pulse struct {
	watch Watch
	log   *slog.Logger

	mu      sync.Mutex
	minutes map[int64]event.Minute // by unix minute
	backlog event.Backlog
	whole   bool // the whole day was read once
	err     error
	changed chan struct{} // closed at the next change
}

func newPulse(w Watch, log *slog.Logger) *pulse {
	return &pulse{watch: w, log: log, minutes: map[int64]event.Minute{}, changed: make(chan struct{})}
}

// Run reads until ctx ends.
func (p *pulse) Run(ctx context.Context) {
	hour := 0 // which one of the day is next, counted backwards
	for round := 0; ctx.Err() == nil; round++ {
		started := time.Now()
		err := p.refresh(ctx, pulseFresh, 0)
		// At first one after the other, without a pause for each.
		if err == nil && (!p.isWhole() || round%chunkEvery == 0) {
			err = p.refresh(ctx, time.Duration(hour+1)*pulseChunk, time.Duration(hour)*pulseChunk)
			if err == nil {
				hour = (hour + 1) % int(pulseDay/pulseChunk)
			}
		}
		p.done(err, err == nil && hour == 0)
		wait := max(pulseEvery, pulseRest*time.Since(started))
		if err == nil && !p.isWhole() {
			wait = time.Since(started)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// refresh reads the backlog, and the minutes from one age until another.
func (p *pulse) refresh(ctx context.Context, oldest, youngest time.Duration) error {
	backlog, err := p.watch.Backlog(ctx, maxBacklog)
	if err != nil {
		return err
	}
	// By the database's clock, and in whole minutes.
	now := backlog.ReadAt.Truncate(time.Minute)
	since, until := now.Add(-oldest), now.Add(-youngest)
	if youngest == 0 {
		until = until.Add(2 * time.Minute)
	}
	read, err := p.watch.Minutes(ctx, since, until)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backlog = backlog
	for m := since.Unix() / 60; m < until.Unix()/60; m++ {
		delete(p.minutes, m)
	}
	for _, m := range read {
		p.minutes[m.At.Unix()/60] = m
	}
	for m := range p.minutes {
		if m < now.Add(-pulseDay-time.Hour).Unix()/60 {
			delete(p.minutes, m)
		}
	}
	return nil
}

func (p *pulse) isWhole() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whole
}

// done tells who waits, and the log when something has changed.
func (p *pulse) done(err error, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.err == nil {
		p.log.Warn("the overview stands still", "error", err)
	}
	p.err, p.whole = err, p.whole || whole
	close(p.changed)
	p.changed = make(chan struct{})
}

// next is closed when there is something new.
func (p *pulse) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// glance is what the overview shows.
type glance struct {
	At        time.Time
	Stale     bool // the database doesn't answer
	Partial   bool // the day is still being read
	Backlog   event.Backlog
	Most      bool // there is more than anybody counts
	Hour, Day span
}

// span is a stretch of time in steps.
type span struct {
	Name, Step, From         string
	Since                    string // when it begins, as a search for events takes it
	Stored, Refused, Failed  int
	Verified                 int     // what is Stored and not Refused
	Unverified, NoConfig     int     // which together are Refused
	Median, P95              float64 // of the worst step
	Steps                    []event.Minute
	Arrivals, Latency        plot
	ArrivalsText, LatentText string
}

// look answers the last day.
func (p *pulse) look() glance {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := glance{At: p.backlog.ReadAt, Stale: p.err != nil, Partial: !p.whole, Backlog: p.backlog, Most: p.backlog.Events >= maxBacklog}
	g.Hour = p.span("Last hour", "minute", "60 minutes ago", time.Hour, time.Minute)
	g.Day = p.span("Last day", "quarter of an hour", "24 hours ago", pulseDay, 15*time.Minute)
	return g
}

func (p *pulse) span(name, step, from string, length, each time.Duration) span {
	s := span{Name: name, Step: step, From: from}
	end := p.backlog.ReadAt.Truncate(time.Minute).Add(time.Minute)
	s.Since = end.Add(-length).UTC().Format(timeField)
	for at := end.Add(-length); at.Before(end); at = at.Add(each) {
		one := event.Minute{At: at}
		for m := at.Unix() / 60; m < at.Add(each).Unix()/60; m++ {
			minute := p.minutes[m]
			one.Stored, one.Refused, one.Failed = one.Stored+minute.Stored, one.Refused+minute.Refused, one.Failed+minute.Failed
			one.NoConfig += minute.NoConfig
			one.Median, one.P95 = max(one.Median, minute.Median), max(one.P95, minute.P95)
		}
		s.Stored, s.Refused, s.Failed = s.Stored+one.Stored, s.Refused+one.Refused, s.Failed+one.Failed
		s.NoConfig, s.Unverified = s.NoConfig+one.NoConfig, s.Unverified+one.Refused-one.NoConfig
		s.Median, s.P95 = max(s.Median, one.Median), max(s.P95, one.P95)
		s.Steps = append(s.Steps, one)
	}
	s.Verified = s.Stored - s.Refused
	s.draw()
	return s
}
