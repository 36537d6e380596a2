package stripe

import "testing"

// Stripe takes 20 types, and one without a reader would be asked for in vain.
func TestListedTypes(t *testing.T) {
	t.Parallel()
	if len(listed) > 20 {
		t.Errorf("%d types are asked for, Stripe takes 20", len(listed))
	}
	seen := map[string]bool{}
	for _, name := range listed {
		if readers[name] == nil || seen[name] {
			t.Errorf("%s has no reader, or is there twice", name)
		}
		seen[name] = true
	}
	for _, name := range []string{"charge.updated", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"} {
		seen[name] = true // see listed
	}
	for name := range readers {
		if !seen[name] {
			t.Errorf("%s is read, but never asked for", name)
		}
	}
}
