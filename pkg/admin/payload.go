package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
)

// covered stands where something about a customer was.
const covered = "•••"

// shown are the members whose values may be seen by whoever may look: what
// Stripe's objects are, how they hang together, and the money. Anything else may
// say who a customer is or how they pay, today or with Stripe's next version.
var shown = names("id object type api_version created livemode pending_webhooks account context application " +
	"amount amount_authorized amount_cancelled amount_capturable amount_captured amount_due amount_discount amount_paid amount_received " +
	"amount_refunded amount_remaining amount_shipping amount_subtotal amount_tax amount_total application_fee application_fee_amount currency fee net " +
	"status payment_status mode reason code decline_code failure_code network_status risk_level cancellation_reason capture_method " +
	"confirmation_method payment_method_collection payment_method_types submit_type ui_mode billing_reason " +
	"balance_transaction balance_transactions charge customer destination dispute invoice latest_charge on_behalf_of payment_intent payment_link " +
	"payment_method refund review setup_intent source_transfer source_transfer_reversal subscription transfer transfer_reversal " +
	"canceled_at expires_at due_by available_on arrival_date submission_count total_count")

// ours are the members of metadata that we put there; the rest may say anything.
var ours = names("restaurantId orderId paymentId")

func names(list string) map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(list) {
		all[name] = true
	}
	return all
}

const (
	// maxDepth is far beyond any of Stripe's objects; a forged body could be
	// deeper than the stack.
	maxDepth = 100

	// maxShown bounds what is drawn of a payload, in bytes: indented, a body of
	// nothing but brackets is a hundred times as long.
	maxShown = 512 << 10
)

var (
	// word is what ids, types, codes and statuses look like, and no address of
	// mail, no name with a blank in it, and no link.
	word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]*$`)
	// member is what Stripe's members are called, and ours. In metadata it can
	// be anything.
	member = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

	errLong = errors.New("there is no room for all of it")
)

// showPayload writes a payload for people, with what may be personal covered
// unless uncover. A body that is no JSON was never verified, and can hold
// anything.
func showPayload(body []byte, uncover bool) string {
	var out bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	p := coverer{in: d, out: &out, all: uncover}
	err := p.value("", "", 0)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is more")
		}
	}
	switch {
	case errors.Is(err, errLong):
		return out.String() + "\n… It is too long to be shown here: ops events show --payload prints all of it."
	case err != nil && uncover:
		return strings.ToValidUTF8(string(body[:min(len(body), maxShown)]), "\uFFFD")
	case err != nil:
		return "This is no JSON, so nobody can tell what in it is a customer's. An operator may show it."
	}
	return out.String()
}

// coverer copies JSON in its order, indented, and covers some of it.
type coverer struct {
	in  *json.Decoder
	out *bytes.Buffer
	all bool // covers nothing
}

// value copies one value that stands under a name, in a member called parent.
func (p coverer) value(parent, name string, depth int) error {
	t, err := p.in.Token()
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return errors.New("too deep")
	}
	if p.out.Len() > maxShown {
		return errLong
	}
	open, compound := t.(json.Delim)
	if !compound {
		p.scalar(parent, name, t)
		return nil
	}
	end := "}"
	if open == '[' {
		end = "]"
	}
	p.out.WriteString(open.String())
	empty := true
	for ; p.in.More(); empty = false {
		if !empty {
			p.out.WriteByte(',')
		}
		p.newline(depth + 1)
		if open == '[' { // what a list is of, its name says
			err = p.value(parent, name, depth+1)
		} else {
			err = p.member(name, depth+1)
		}
		if err != nil {
			return err
		}
	}
	if _, err := p.in.Token(); err != nil {
		return err
	}
	if !empty {
		p.newline(depth)
	}
	p.out.WriteString(end)
	return nil
}

// member copies a name and its value, in the member called parent.
func (p coverer) member(parent string, depth int) error {
	t, err := p.in.Token()
	if err != nil {
		return err
	}
	name, _ := t.(string)
	if p.all || member.MatchString(name) {
		p.write(name)
	} else {
		p.write(covered)
	}
	p.out.WriteString(": ")
	return p.value(parent, name, depth)
}

func (p coverer) scalar(parent, name string, t json.Token) {
	known := shown
	if parent == "metadata" {
		known = ours
	}
	text, isText := t.(string)
	_, isBool := t.(bool)
	switch {
	case t == nil, isBool, p.all: // yes, no and nothing say nothing of anybody
		p.write(t)
	case known[name] && (!isText || word.MatchString(text) || text == ""):
		p.write(t)
	default:
		p.write(covered)
	}
}

func (p coverer) write(v any) {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)                 // a token always can be
	p.out.Truncate(p.out.Len() - 1) // the line's end that Encode adds
}

func (p coverer) newline(depth int) { p.out.WriteString("\n" + strings.Repeat("  ", depth)) }
