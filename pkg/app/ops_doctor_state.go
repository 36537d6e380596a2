package app

import (
	"context"
	"fmt"
	"time"

	"tillhook/pkg/event"
)

const (
	// oldBacklog is from when on nobody can be working it off.
	oldBacklog = 5 * time.Minute

	maxSecretAge = 90 // days

	// failedRemedy looks back as far as an event that is FAILED only now, after
	// three days of attempts, may have been stored.
	failedRemedy = "ops events list --status FAILED --since 120h says why; when the cause is mended: " +
		"ops events replay --status FAILED --since 120h --commit; other money than was asked for is not mended so: ops orders review"
)

// whole looks at all restaurants.
func (p *patient) whole(ctx context.Context) {
	p.look("secrets", func() (string, []fault, error) { return p.secrets(ctx) })
	p.look("partitions", func() (string, []fault, error) { return p.partitions(ctx) })
	s, err := p.db.State(ctx)
	p.look("backlog", func() (string, []fault, error) { return backlog(s), backlogFaults(s), err })
	p.look("orders", func() (string, []fault, error) {
		var faults []fault
		if s.Stuck > 0 {
			faults = append(faults, fault{plural(s.Stuck, "order") + " pending for more than a day",
				"ops orders stuck --older 25h says why; then: ops orders reconcile --stuck --older 25h --commit"})
		}
		return fmt.Sprintf("%d pending, %d for more than a day", s.Pending, s.Stuck), faults, err
	})
	p.look("payments", func() (string, []fault, error) {
		var faults []fault
		if s.Undecided > 0 {
			faults = append(faults, fault{"a human must decide on " + plural(s.Undecided, "payment"), "ops orders review"})
		}
		return fmt.Sprintf("%d undecided", s.Undecided), faults, err
	})
	p.look("asking Stripe", func() (string, []fault, error) { return p.asking(ctx, "") })
	p.look("silence", func() (string, []fault, error) { return p.silence(ctx) })
}

// asking looks for restaurants whose missed events can't be asked for.
func (p *patient) asking(ctx context.Context, restaurantID string) (string, []fault, error) {
	all, err := p.db.AskFaults(ctx, restaurantID)
	if len(all) == 0 {
		return "no failure the last time", nil, err
	}
	faults := make([]fault, 0, maxNames)
	for _, f := range all[:min(len(all), maxNames)] {
		faults = append(faults, fault{fmt.Sprintf("%s, %s: %s", f.Slug, ago(f.ReadAt, &f.At), f.Why),
			"if the key is refused: ops secrets set-api-key " + f.Slug + " --commit; else see status.stripe.com"})
	}
	return "failed for " + plural(len(all), "restaurant"), faults, err
}

func backlog(s event.State) string {
	if s.Oldest == nil && s.Waiting == 0 {
		return "none"
	}
	says := plural(s.Unfinished, "unfinished event")
	if s.Oldest != nil {
		says += ", the oldest " + span(s.BacklogAge())
	}
	if s.Waiting > 0 {
		says += fmt.Sprintf("; waiting for their payment: %d", s.Waiting)
	}
	return says
}

func backlogFaults(s event.State) (faults []fault) {
	if age := s.BacklogAge(); age > oldBacklog {
		faults = append(faults, fault{"an event waits for " + span(age) + " to be worked off",
			"look whether workers run and are ready (/readyz at METRICS_ADDR), and whether a queue is paused; " +
				"one of type v1.… may wait for Stripe, which the worker's log says"})
	}
	if s.Failed > 0 {
		faults = append(faults, fault{plural(s.Failed, "event") + " FAILED within the hour",
			failedRemedy})
	}
	if s.NoConfig > 0 {
		faults = append(faults, fault{plural(s.NoConfig, "delivery row") + " NO_CONFIG within the hour",
			"ops events list --status NO_CONFIG --since 1h says why: mostly the URL in Stripe's Dashboard names no restaurant, or its secret is missing"})
	}
	if s.Refused > 0 {
		faults = append(faults, fault{plural(s.Refused, "delivery row") + " VERIFICATION_FAILED within the hour",
			"ops events list --status VERIFICATION_FAILED --since 1h says why"})
	}
	return faults
}

// secrets is "secrets check", and the age.
func (p *patient) secrets(ctx context.Context) (string, []fault, error) {
	a, err := p.o.check(ctx, p.db, p.ring, nil)
	var faults []fault
	overlaps := 0
	for _, r := range a.Restaurants {
		for _, f := range append(r.Faults, tooOld(r)...) {
			faults = append(faults, fault{r.Slug + ": " + f.Problem, f.Remedy})
		}
		if r.Previous != nil && r.Previous.Accepted {
			overlaps++
		}
	}
	return fmt.Sprintf("%s, %d in the overlap of a rotation", plural(len(a.Restaurants), "restaurant"), overlaps), faults, err
}

func tooOld(r checkedRestaurant) []fault {
	if !r.Active || r.AgeDays <= maxSecretAge {
		return nil
	}
	return []fault{{fmt.Sprintf("the secret is %d days old", r.AgeDays),
		"make a new endpoint in Stripe's Dashboard, then: ops secrets rotate " + r.Slug + " --commit"}}
}

func (p *patient) partitions(ctx context.Context) (string, []fault, error) {
	all, clocks, err := p.db.Partitions(ctx)
	if err != nil {
		return "", nil, err
	}
	s, err := p.db.State(ctx)
	var faults []fault
	if s.MissingWeeks > 0 {
		faults = append(faults, fault{"this week or the next has no partition", "the worker's janitor makes it: look at its log for what keeps it, and run a worker"})
	}
	held, horizon := []string{}, clocks.Horizon(p.o.now(), p.cfg.EventRetention)
	for _, w := range all {
		if w.Expired(horizon) && w.Unfinished > 0 {
			held = append(held, w.Name)
		}
	}
	if len(held) > 0 {
		faults = append(faults, fault{several(held) + " past retention, and kept for unfinished events",
			"ops events list --status PROCESSING says what they wait for: where workers run, each has its end within three days; then: ops partitions drop --commit"})
	}
	return fmt.Sprintf("%d, with %s of absurd times in the default one", len(all), plural(s.InDefaultWeek, "event")), faults, err
}

// silence looks for restaurants that are unlike themselves.
func (p *patient) silence(ctx context.Context) (string, []fault, error) {
	quiet, err := p.db.Quiet(ctx, 6*time.Hour)
	if err != nil || len(quiet) == 0 {
		return "none", nil, err
	}
	restaurants, err := p.db.FindRestaurants(ctx, "")
	if err != nil {
		return "", nil, err
	}
	var faults []fault
	for _, r := range restaurants {
		if _, is := quiet[r.ID]; !is {
			continue
		}
		rhythm, now, err := p.db.Rhythm(ctx, r.ID)
		if err != nil {
			return "", nil, err
		}
		if rhythm.Silent(now) {
			faults = append(faults, silent(r.Slug, rhythm, now))
		}
	}
	if len(faults) == 0 {
		return "none", nil, nil
	}
	return plural(len(faults), "restaurant"), faults, nil
}

func silent(slug string, r event.Rhythm, now time.Time) fault {
	return fault{
		fmt.Sprintf("%s has had no delivery for %s, and never for more than %s in two weeks", slug, span(now.Sub(r.Last)), span(r.Longest)),
		"look whether its endpoint is enabled in Stripe's Dashboard; what was missed: ops backfill --since 24h --restaurant " + slug,
	}
}
