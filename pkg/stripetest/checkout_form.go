package stripetest

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ignored are parameters of Stripe's that change nothing here.
var ignored = []string{
	"adaptive_pricing", "allow_promotion_codes", "automatic_tax", "billing_address_collection", "custom_text", "customer_creation", "customer_email", "expand",
	"locale", "payment_method_types", "phone_number_collection", "submit_type",
}

// readCheckout reads what a session is to be, as Stripe's libraries send it.
func readCheckout(form url.Values, now time.Time) (*checkout, *apiFault) {
	asked := &Asked{Created: now.Truncate(time.Second), Metadata: map[string]string{}, IntentMetadata: map[string]string{}}
	asked.Expires = asked.Created.Add(maxOpen)
	lines := map[string]*line{}
	for name, values := range form {
		// line_items[0][price_data][currency]
		parts, value := strings.FieldsFunc(name, func(r rune) bool { return r == '[' || r == ']' }), values[0]
		if fault := asked.read(parts, value, lines); fault != nil {
			return nil, fault
		}
	}
	c := &checkout{payment: Payment{Asked: asked}}
	for _, place := range slices.SortedFunc(maps.Keys(lines), byNumber) {
		c.lines = append(c.lines, *lines[place])
	}
	return c, c.check(form.Get("mode"), now)
}

// read takes in one parameter.
func (k *Asked) read(parts []string, value string, lines map[string]*line) *apiFault {
	name := strings.Join(parts, ".")
	switch {
	case name == "success_url":
		k.SuccessURL = value
	case name == "cancel_url":
		k.CancelURL = value
	case name == "client_reference_id":
		k.Reference = value
	case name == "mode" || slices.Contains(ignored, parts[0]):
	case name == "expires_at":
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return invalid("parameter_invalid_integer", name, "Not a whole number")
		}
		k.Expires = time.Unix(seconds, 0).UTC()
	case parts[0] == "metadata" && len(parts) == 2:
		k.Metadata[parts[1]] = value
	case strings.HasPrefix(name, "payment_intent_data.metadata.") && len(parts) == 3:
		k.IntentMetadata[parts[2]] = value
	case parts[0] == "payment_intent_data" && len(parts) == 2:
	case parts[0] == "line_items" && len(parts) > 2:
		if lines[parts[1]] == nil {
			lines[parts[1]] = &line{Quantity: 1}
		}
		return lines[parts[1]].read(strings.Join(parts[2:], "."), value)
	default:
		return invalid("parameter_unknown", name, "Unknown parameter")
	}
	return nil
}

func (l *line) read(name, value string) (fault *apiFault) {
	number := func() int64 {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			fault = invalid("parameter_invalid_integer", "line_items."+name, "Not a whole number, or less than nothing")
		}
		return n
	}
	switch name {
	case "quantity":
		l.Quantity = number()
	case "price_data.unit_amount":
		l.Unit = number()
	case "price_data.currency":
		l.Currency = strings.ToLower(value)
	case "price_data.product_data.name":
		l.Name = value
	case "price_data.product_data.description":
	default:
		return invalid("parameter_unknown", "line_items."+name, "Unknown parameter")
	}
	return fault
}

// check adds the lines up, and refuses what Stripe would.
func (c *checkout) check(mode string, now time.Time) *apiFault {
	asked := c.payment.Asked
	for _, l := range c.lines {
		c.payment.Amount += l.Quantity * l.Unit
		c.payment.Currency = cmp.Or(c.payment.Currency, l.Currency)
		switch {
		case l.Name == "" || l.Currency == "" || l.Quantity == 0:
			return invalid("parameter_missing", "line_items", "A line needs a name, a currency and a quantity")
		case l.Currency != c.payment.Currency:
			return invalid("", "line_items", "All lines have to be in one currency")
		}
	}
	open := asked.Expires.Sub(now)
	switch {
	case mode != "payment":
		return invalid("", "mode", "Only payments are played here")
	case len(c.lines) == 0:
		return invalid("parameter_missing", "line_items", "Nothing to pay for")
	case !isWeb(asked.SuccessURL):
		return invalid("url_invalid", "success_url", "Not a URL")
	case asked.CancelURL != "" && !isWeb(asked.CancelURL):
		return invalid("url_invalid", "cancel_url", "Not a URL")
	case open < minOpen || open > maxOpen:
		return invalid("", "expires_at", "Not between 30 minutes and 24 hours from now")
	}
	return nil
}

func isWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func byNumber(x, y string) int {
	m, _ := strconv.Atoi(x)
	n, _ := strconv.Atoi(y)
	return cmp.Compare(m, n)
}
