package app

import (
	"context"
	"fmt"
	"slices"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// restaurant looks at one.
func (p *patient) restaurant(ctx context.Context) error {
	if !p.postgres(ctx) {
		return nil
	}
	r, err := one(ctx, p.db, p.Restaurant)
	if err != nil {
		return err
	}
	p.Restaurant = r.Slug
	a, err := p.o.check(ctx, p.db, p.ring, []string{r.ID})
	if err != nil {
		return err
	}
	c := a.Restaurants[0]
	p.add("secret", c.Secret.describe(), append(c.Faults, tooOld(c)...)...)
	if c.Previous != nil && c.Previous.Accepted {
		p.add("overlap", left(c.row.PreviousExpiresAt.Sub(c.row.ReadAt))+" left; "+c.Previous.Advice)
	}
	accepted := ago(c.row.ReadAt, c.use.AcceptedAt)
	if c.LastMatched != "" {
		accepted += ", signed with the " + c.LastMatched + " secret"
	}
	p.add("last delivery", accepted)
	p.look("last success", func() (string, []fault, error) { return p.progress(ctx, r) })
	p.look("failures", func() (string, []fault, error) { return p.failures(ctx, r) })
	p.look("orders", func() (string, []fault, error) {
		stuck, err := p.db.StuckOrders(ctx, event.StuckAfter, r.ID, postgres.StuckOrder{}, 1000)
		stuck = slices.DeleteFunc(stuck, postgres.StuckOrder.Explained)
		var faults []fault
		if len(stuck) > 0 {
			faults = append(faults, fault{plural(len(stuck), "order") + " pending for more than a day",
				"ops orders stuck --older 25h --restaurant " + r.Slug + " says why; then: ops orders reconcile --stuck --older 25h --restaurant " + r.Slug + " --commit"})
		}
		return fmt.Sprintf("%d stuck", len(stuck)), faults, err
	})
	p.look("asking Stripe", func() (string, []fault, error) { return p.asking(ctx, r.ID) })
	p.look("rhythm", func() (string, []fault, error) {
		rhythm, now, err := p.db.Rhythm(ctx, r.ID)
		if rhythm.Patience() == 0 {
			return "too few deliveries in two weeks to tell", nil, err
		}
		says := fmt.Sprintf("longest gap %s in two weeks; silence begins after %s", span(rhythm.Longest), span(rhythm.Patience()))
		if rhythm.Silent(now) {
			return says, []fault{silent(r.Slug, rhythm, now)}, err
		}
		return says, nil, err
	})
	return nil
}

func (p *patient) progress(ctx context.Context, r postgres.Restaurant) (string, []fault, error) {
	got, err := p.db.Progress(ctx, r.ID)
	s := event.State{At: got.ReadAt, Oldest: got.Oldest, Unfinished: got.Unfinished}
	return ago(got.ReadAt, got.Success) + "; backlog: " + backlog(s), backlogFaults(s), err
}

// failures says why deliveries failed, by cause.
func (p *patient) failures(ctx context.Context, r postgres.Restaurant) (string, []fault, error) {
	all, err := p.db.Failures(ctx, r.ID)
	total := 0
	var faults []fault
	for _, f := range all {
		total += f.Events
		remedy := "ops secrets check " + r.Slug
		if f.Status == string(event.Failed) {
			remedy = "when the cause is mended: ops events replay --status FAILED --restaurant " + r.Slug + " --commit"
		}
		faults = append(faults, fault{fmt.Sprintf("%d %s: %s", f.Events, f.Status, dash(f.Why)), remedy})
	}
	return fmt.Sprintf("%d within a day", total), faults, err
}
