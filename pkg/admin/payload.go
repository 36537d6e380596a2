package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
)

// covered stands where something about a customer was.
const covered = "•••"

// personal are the members whose values say who a customer is or how they pay,
// with all that is below them. What is not named here is shown unless it looks
// like an address of mail.
var personal = []string{"email", "name", "phone", "address", "line1", "line2", "city", "postal_code", "state_province",
	"customer_details", "billing_details", "shipping", "shipping_details", "shipping_address_collection", "receipt_email", "customer_email",
	"receipt_url", "receipt_number", "ip", "ip_address", "last4", "fingerprint", "exp_month", "exp_year", "iin", "issuer",
	"card", "card_present", "sepa_debit", "us_bank_account", "bacs_debit", "wallet", "dynamic_last4", "network_transaction_id",
	"description", "statement_descriptor", "custom_fields", "custom_text", "client_secret", "url", "success_url", "cancel_url",
	"individual_name", "business_name", "tax_ids", "evidence", "collected_information", "hosted_verification_url", "authorization_code", "network_token",
	"account_number", "routing_number", "iban", "bic", "verified_name", "verified_email", "payer_email", "payer_name", "payer_id", "cardholder_name"}

// ours are the members of metadata that we put there; the rest may say anything.
var ours = []string{"restaurantId", "orderId", "paymentId"}

// maxDepth is far beyond any of Stripe's objects; a forged body could be deeper
// than the stack.
const maxDepth = 100

var mailAddress = regexp.MustCompile(`[^\s@]+@[^\s@]+\.[^\s@]+`)

// showPayload writes a payload for people, with what is personal covered unless
// uncover. A body that is no JSON was never verified, and can hold anything.
func showPayload(body []byte, uncover bool) string {
	var out bytes.Buffer
	if uncover {
		if err := json.Indent(&out, body, "", "  "); err != nil {
			return strings.ToValidUTF8(string(body), "\uFFFD")
		}
		return out.String()
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	p := coverer{in: d, out: &out}
	err := p.value("", 0, false)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is more")
		}
	}
	if err != nil {
		return "This is no JSON, so nobody can tell what in it is a customer's. An operator may show it."
	}
	return out.String()
}

// coverer copies JSON in its order, indented, and covers some of it.
type coverer struct {
	in  *json.Decoder
	out *bytes.Buffer
}

// value copies one value that stands under a name.
func (p coverer) value(name string, depth int, hide bool) error {
	t, err := p.in.Token()
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return errors.New("too deep")
	}
	open, compound := t.(json.Delim)
	if !compound {
		p.scalar(t, hide)
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
		member := ""
		if open == '{' {
			t, err := p.in.Token()
			if err != nil {
				return err
			}
			member, _ = t.(string)
			p.write(member)
			p.out.WriteString(": ")
		}
		if err := p.value(member, depth+1, hide || slices.Contains(personal, strings.ToLower(member)) ||
			name == "metadata" && !slices.Contains(ours, member)); err != nil {
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

func (p coverer) scalar(t json.Token, hide bool) {
	text, isText := t.(string)
	switch {
	case t == nil:
		p.out.WriteString("null") // which says nothing
	case hide, isText && mailAddress.MatchString(text):
		p.write(covered)
	default:
		p.write(t)
	}
}

func (p coverer) write(v any) {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)                 // a token always can be
	p.out.Truncate(p.out.Len() - 1) // the line's end that Encode adds
}

func (p coverer) newline(depth int) { p.out.WriteString("\n" + strings.Repeat("  ", depth)) }
