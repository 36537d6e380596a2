package app

import (
	"fmt"
	"io"
	"strings"
)

func (a checked) table(w io.Writer) error {
	if a.single {
		a.Restaurants[0].write(w, a.Clock)
	} else if err := a.writeLines(w); err != nil {
		return err
	}
	if a.Faults == 0 {
		_, err := fmt.Fprintln(w, "\nNo faults.")
		return err
	}
	fmt.Fprintf(w, "\n%s:\n", plural(a.Faults, "fault"))
	a.writeFaults(w)
	return nil
}

// writeFaults writes each fault once, with those that have it: after a change
// of the key, every restaurant has the same.
func (a checked) writeFaults(w io.Writer) {
	who := map[fault][]string{}
	var order []fault
	for _, r := range a.Restaurants {
		for _, f := range r.Faults {
			if who[f] == nil {
				order = append(order, f)
			}
			who[f] = append(who[f], r.Slug)
		}
	}
	for _, f := range a.Clock.Faults {
		writeFault(w, "", f)
	}
	for _, f := range order {
		names := who[f]
		if n := len(names) - maxNames; n > 0 {
			names = append(names[:maxNames:maxNames], fmt.Sprintf("and %d more", n))
		}
		if a.single {
			names = nil
		}
		writeFault(w, strings.Join(names, ", "), f)
	}
}

// maxNames is how many restaurants a fault is listed with; the table above has
// them all.
const maxNames = 5

func writeFault(w io.Writer, who string, f fault) {
	if who != "" {
		who += ": "
	}
	writeHanging(w, "  ", who+f.Problem)
	writeHanging(w, "    > ", f.Remedy)
}

// writeLines is all restaurants, one a line. No slug is cut: it is what the
// next command wants.
func (a checked) writeLines(w io.Writer) error {
	t := table{columns: []string{"RESTAURANT", "MODE", "SECRET", "AGE", "OVERLAP", "ACCEPTED", "REFUSED", "FAULTS"}, elastic: -1}
	for _, r := range a.Restaurants {
		t.add(r.line()...)
	}
	if len(t.rows) == 0 {
		_, err := fmt.Fprintln(w, "There are no restaurants.")
		return err
	}
	if err := t.write(w); err != nil {
		return err
	}
	for _, r := range a.Restaurants {
		if r.Previous != nil && r.Previous.Accepted {
			writeHanging(w, "  ", r.Slug+", the previous secret: "+r.Previous.Advice)
		}
	}
	fmt.Fprintln(w)
	writeHanging(w, "", fmt.Sprintf("clock: %s; keys: %s", a.Clock, dash(strings.Join(a.Keys, ", "))))
	return nil
}

func (c checkedRestaurant) line() []string {
	now := c.row.ReadAt
	age, overlap, faults, accepted, refused := "-", "-", "-", "-", "-"
	if c.row.SetAt != nil {
		age = span(now.Sub(*c.row.SetAt))
	}
	if c.Previous != nil && c.Previous.Accepted {
		overlap = left(c.row.PreviousExpiresAt.Sub(now))
	}
	if c.use.AcceptedAt != nil {
		accepted = span(now.Sub(*c.use.AcceptedAt))
		if c.LastMatched == "previous" {
			accepted += " *"
		}
	}
	if c.use.RefusedAt != nil {
		refused = span(now.Sub(*c.use.RefusedAt))
	}
	if n := len(c.Faults); n > 0 {
		faults = fmt.Sprint(n)
	}
	mode := dash(c.Mode)
	if c.Mode != "" && !c.Active {
		mode = "off"
	}
	return []string{c.Slug, mode, c.Secret.Stored, age, overlap, accepted, refused, faults}
}

// write is one restaurant, with all that is known.
func (c checkedRestaurant) write(w io.Writer, clock clockCheck) {
	state := "no configuration"
	if c.Mode != "" {
		state = "mode " + c.Mode
		if !c.Active {
			state += ", not active: deliveries are refused"
		}
	}
	writeHanging(w, "", fmt.Sprintf("%s (%s), %s", c.Slug, c.RestaurantID, state))
	facts := []fact{{"secret", c.Secret.describe()}}
	if c.row.SetAt != nil {
		facts = append(facts, fact{"set", fmt.Sprintf("%s, %s", ago(c.row.ReadAt, c.row.SetAt), clockTime(*c.row.SetAt))})
	}
	if c.Secret.Opens {
		facts = append(facts, fact{"probe", c.Secret.verified()})
	}
	if p := c.Previous; p != nil {
		facts = append(facts, fact{"previous", p.describe()})
		if p.Accepted {
			facts = append(facts, fact{"overlap", left(c.row.PreviousExpiresAt.Sub(c.row.ReadAt)) + " left, until " + clockTime(*p.ExpiresAt)},
				fact{"advice", p.Advice})
		} else {
			facts = append(facts, fact{"overlap", "over: the previous secret is refused"})
		}
	}
	accepted := ago(c.row.ReadAt, c.use.AcceptedAt)
	if c.LastMatched != "" {
		accepted += ", signed with the " + c.LastMatched + " secret"
	}
	refused := ago(c.row.ReadAt, c.use.RefusedAt)
	if c.LastRefusedWhy != "" {
		refused += ": " + c.LastRefusedWhy
	}
	facts = append(facts, fact{"accepted", accepted}, fact{"refused", refused})
	if c.APIKey != nil {
		facts = append(facts, fact{"API key", c.APIKey.describe()})
	}
	writeFacts(w, append(facts, fact{"clock", clock.String()}))
}

func (c checkedSecret) describe() string {
	text := c.Stored
	switch {
	case c.FirstKey:
		text = "sealed"
	case c.Stored == "sealed" && c.Opens:
		text = "sealed under an older key"
	case c.Stored == "sealed":
		text = "sealed, and can't be opened here"
	case c.Stored == "plaintext":
		text = "in the clear"
	}
	if !c.Opens {
		return text
	}
	return fmt.Sprintf("%s, %d characters, fingerprint %s", text, c.Length, c.Fingerprint)
}

func (c checkedSecret) verified() string {
	if c.Verifies {
		return "signed with it, and verified"
	}
	return "not done"
}

func (c clockCheck) String() string {
	switch {
	case c.Difference >= 0.1:
		return fmt.Sprintf("%.1f s ahead of the database's", c.Difference)
	case c.Difference <= -0.1:
		return fmt.Sprintf("%.1f s behind the database's", -c.Difference)
	}
	return "agrees with the database's"
}
