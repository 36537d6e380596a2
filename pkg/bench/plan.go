package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// stage is everything that takes part, and what is to be measured.
type stage struct {
	verify, usual, product *contender
	full                   *contender // the product with a table that has grown; nil without
}

// step is one measurement.
type step struct {
	kind    Kind
	measure func(ctx context.Context, k Kind) (Figure, error)
}

// measure runs all steps as often as there are rounds. Within a round the
// contenders take turns.
func (b *bench) measure(ctx context.Context, steps []step) error {
	b.progress = newProgress(b.out(), len(steps)*b.o.Rounds)
	for round := range b.o.Rounds {
		for _, step := range steps {
			b.progress.step(fmt.Sprintf("round %d of %d: %s", round+1, b.o.Rounds, step.kind))
			f, err := step.measure(ctx, step.kind)
			if err != nil {
				return fmt.Errorf("measuring %s: %w", step.kind, err)
			}
			f.Round = round + 1
			b.result.Figures = append(b.result.Figures, f)
		}
	}
	b.progress.end()
	return nil
}

// warmUp is how long each receiver runs before anything counts: pools fill, and
// its speed says how many deliveries to prepare.
const warmUp = time.Second

// prepare starts the receivers. They run all the time: an idle one costs nothing.
func (b *bench) prepare(ctx context.Context) (s stage, err error) {
	b.say("starting the receivers")
	site, err := b.productSite(ctx, "product")
	if err != nil {
		return s, err
	}
	if s.product, err = b.start(ctx, roleIngest, tillhook, site); err != nil {
		return s, err
	}
	if b.noopRedis, err = b.services.newRedis(ctx); err != nil {
		return s, err
	}
	if site, err = b.usualSite(ctx); err != nil {
		return s, err
	}
	if s.usual, err = b.start(ctx, roleUsual, usual, site); err != nil {
		return s, err
	}
	if s.verify, err = b.start(ctx, roleVerify, verifyOnly, site); err != nil {
		return s, err
	}
	if b.o.Stored > 0 {
		if s.full, err = b.prepareFull(ctx); err != nil {
			return s, err
		}
	}
	return s, b.warm(ctx, s)
}

func (b *bench) warm(ctx context.Context, s stage) error {
	for _, c := range []*contender{s.verify, s.usual, s.product, s.full} {
		for _, n := range b.o.Connections {
			if c == nil {
				continue
			}
			k := Kind{Measure: Closed, Contender: c.name, Connections: n}
			if _, err := b.alone(ctx, c, k, min(warmUp, b.o.Lasting)); err != nil {
				return fmt.Errorf("warming up %s: %w", c.name, err)
			}
		}
	}
	return nil
}

// What is measured at one size only.
const (
	usualConnections   = 64
	productConcurrency = 384 // tasks at a time of the product's worker
)

func pick(from []int, wanted int) int {
	if slices.Contains(from, wanted) {
		return wanted
	}
	return from[0]
}

func (b *bench) connections() int { return pick(b.o.Connections, usualConnections) }
func (b *bench) concurrency() int { return pick(b.o.Concurrency, productConcurrency) }

// steps are one round's.
func (b *bench) steps(s stage) (steps []step) {
	alone := func(measure string, c *contender, k Kind) {
		k.Measure, k.Contender = measure, c.name
		steps = append(steps, step{k, func(ctx context.Context, k Kind) (Figure, error) { return b.alone(ctx, c, k, b.o.Lasting) }})
	}
	for _, n := range b.o.Connections {
		for _, c := range []*contender{s.verify, s.usual, s.product} {
			alone(Closed, c, Kind{Connections: n})
		}
	}
	if b.o.Duplicates > 0 {
		alone(Closed, s.product, Kind{Connections: b.connections(), Duplicates: b.o.Duplicates})
	}
	if s.full != nil {
		alone(Closed, s.full, Kind{Connections: b.connections(), Stored: b.o.Stored})
		for _, q := range questions() {
			steps = append(steps, step{Kind{Measure: Query, Contender: q.name, Stored: b.o.Stored},
				func(ctx context.Context, k Kind) (Figure, error) { return b.query(ctx, s.full, q, k) }})
		}
	}
	for _, rate := range b.o.Rates {
		for _, c := range []*contender{s.verify, s.usual, s.product} {
			alone(Paced, c, Kind{Rate: rate, Connections: openConnections})
		}
	}
	steps = append(steps, step{Kind{Measure: Drain, Contender: noop, Concurrency: b.concurrency()}, b.drainNoop})
	drain := func(c *contender, concurrency int) {
		steps = append(steps, step{Kind{Measure: Drain, Contender: c.name, Concurrency: concurrency},
			func(ctx context.Context, k Kind) (Figure, error) { return b.drain(ctx, c, k) }})
	}
	drain(s.usual, usualConcurrency)
	for _, n := range b.o.Concurrency {
		drain(s.product, n)
	}
	both := func(k Kind) {
		for _, c := range []*contender{s.usual, s.product} {
			k.Contender = c.name
			steps = append(steps, step{k, func(ctx context.Context, k Kind) (Figure, error) { return b.both(ctx, c, k) }})
		}
	}
	both(Kind{Measure: Life, Connections: b.connections()})
	steps = append(steps, step{Kind{Measure: Commit, Contender: empty},
		func(ctx context.Context, k Kind) (Figure, error) { return b.emptyCommit(ctx, s.product, k) }})
	for _, rate := range b.o.Rates {
		both(Kind{Measure: Open, Rate: rate, Connections: openConnections})
	}
	return steps
}

// only are the steps that were asked for by a part of their name.
func only(steps []step, parts []string) ([]step, error) {
	if len(parts) == 0 {
		return steps, nil
	}
	var names []string
	wanted := slices.DeleteFunc(slices.Clone(steps), func(s step) bool {
		name := s.kind.String()
		names = append(names, name)
		return !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(name, part) })
	})
	if len(wanted) == 0 {
		return nil, fmt.Errorf("no measurement has %s in its name; there are:\n  %s", strings.Join(parts, " or "), strings.Join(names, "\n  "))
	}
	return wanted, nil
}

func (k Kind) String() string {
	text := k.Contender + ", " + k.Measure
	if k.Rate > 0 {
		text += fmt.Sprintf(", %g/s", k.Rate)
	} else if k.Connections > 0 {
		text += fmt.Sprintf(", %d connections", k.Connections)
	}
	if k.Concurrency > 0 {
		text += fmt.Sprintf(", %d at a time", k.Concurrency)
	}
	if k.Duplicates > 0 {
		text += fmt.Sprintf(", %d %% duplicates", k.Duplicates)
	}
	if k.Stored > 0 {
		text += fmt.Sprintf(", %d stored before", k.Stored)
	}
	return text
}
