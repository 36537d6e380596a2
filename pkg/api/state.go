package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"tillhook/pkg/order"
)

// status is an order as it is told to its customer.
type status struct {
	ID          string       `json:"id"`
	Status      order.Status `json:"status"`
	TotalAmount int64        `json:"totalAmount"`
	Currency    string       `json:"currency"`
	CreatedAt   time.Time    `json:"createdAt"`
	UpdatedAt   time.Time    `json:"updatedAt"`
	PaidAt      *time.Time   `json:"paidAt"`
	Final       bool         `json:"final"`
}

// state is the same, rendered once for all who wait for it.
type state struct {
	body  []byte
	tag   string // names the body; the ETag without its quotes
	final bool
}

func newState(v order.View) *state {
	s := status{
		ID: v.ID, Status: v.Status, TotalAmount: v.TotalAmount, Currency: v.Currency,
		CreatedAt: v.CreatedAt.UTC(), UpdatedAt: v.UpdatedAt.UTC(), Final: v.Status.Final(),
	}
	if v.PaidAt != nil {
		at := v.PaidAt.UTC()
		s.PaidAt = &at
	}
	body, _ := json.Marshal(s) // it has nothing that could fail
	sum := sha256.Sum256(body)
	return &state{body: body, tag: base64.RawURLEncoding.EncodeToString(sum[:])[:20], final: s.Final}
}

func (s *state) etag() string { return `"` + s.tag + `"` }

// known reports whether a client that says what it has, as If-None-Match or as
// Last-Event-ID does, has this.
func (s *state) known(has string) bool {
	for tag := range strings.SplitSeq(has, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || strings.Trim(tag, `"`) == s.tag {
			return true
		}
	}
	return false
}
