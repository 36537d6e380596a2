package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/order"
	"tillhook/pkg/web"
)

// What an order may be. Stripe takes eight digits and a hundred lines.
const (
	maxBody           = 64 << 10 // bytes
	maxAmount         = 99_999_999
	maxLines          = 100
	maxQuantity       = 10_000
	maxName           = 250 // characters
	maxIdempotencyKey = 255 // bytes
	maxID             = 255 // bytes
)

// newOrder is the body of a request for an order: an amount or lines.
type newOrder struct {
	Amount   *int64       `json:"amount,omitempty"` // minor units
	Lines    []order.Line `json:"lines,omitempty"`
	Currency string       `json:"currency"`
}

// createdOrder is the answer. Only here the shop is told the order's token.
type createdOrder struct {
	ID          string       `json:"id"`
	Status      order.Status `json:"status"`
	TotalAmount int64        `json:"totalAmount"`
	Currency    string       `json:"currency"`
	CreatedAt   time.Time    `json:"createdAt"`
	Token       string       `json:"token"`
}

// createOrder makes an order of the restaurant whose key it is.
func (s *Server) createOrder(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), lookTimeout)
	defer cancel()
	key, err := s.shopKey(ctx, c)
	if err != nil {
		return err
	}
	if wait := s.creations.take(key.ID, s.now()); wait > 0 {
		return tooMany("This key creates too many orders.", wait)
	}
	p, err := s.placing(c)
	if err != nil {
		return err
	}
	p.OrderID, p.RestaurantID = newID("ord"), key.RestaurantID
	v, replayed, err := s.orders.PlaceOrder(ctx, p)
	switch {
	case errors.Is(err, order.ErrReplayed):
		return newProblem(http.StatusUnprocessableEntity, "idempotency-key-used", "The idempotency key was used before",
			"An order was made with this Idempotency-Key from another body.")
	case err != nil:
		return unavailable(err)
	}
	note(c, "order", v.ID)
	status, header := http.StatusCreated, c.Response().Header()
	header.Set("Location", ordersPath+"/"+v.ID)
	if replayed {
		status = http.StatusOK
		header.Set("Idempotent-Replayed", "true")
	}
	return c.JSON(status, createdOrder{
		ID: v.ID, Status: v.Status, TotalAmount: v.TotalAmount, Currency: v.Currency,
		CreatedAt: v.CreatedAt.UTC(), Token: s.tokens.Token(v.ID),
	})
}

// placing reads and checks the request.
func (s *Server) placing(c echo.Context) (p order.Placing, err error) {
	var n newOrder
	if err := readJSON(c, &n); err != nil {
		return p, err
	}
	n.Currency = strings.ToLower(n.Currency)
	if faults := n.check(); len(faults) > 0 {
		return p, invalid(faults...)
	}
	p.IdempotencyKey = c.Request().Header.Get("Idempotency-Key")
	if len(p.IdempotencyKey) > maxIdempotencyKey || !web.IsText(p.IdempotencyKey) {
		return p, invalid(fault{"Idempotency-Key", fmt.Sprintf("want %d bytes of UTF-8 at the most", maxIdempotencyKey)})
	}
	p.Lines, p.Total = n.Lines, order.Money{Amount: n.total(), Currency: n.Currency}
	// What was asked for, however its JSON was spaced.
	asked, _ := json.Marshal(n) // it was read from JSON
	sum := sha256.Sum256(asked)
	p.RequestHash = sum[:]
	return p, nil
}

// check finds everything that is wrong.
func (n newOrder) check() (faults []fault) {
	want := func(ok bool, field, format string, args ...any) {
		if !ok {
			faults = append(faults, fault{field, fmt.Sprintf(format, args...)})
		}
	}
	want(order.IsCurrency(n.Currency), "currency", "want an ISO 4217 code such as eur")
	want((n.Amount == nil) != (len(n.Lines) == 0), "amount", "want either amount or lines")
	want(len(n.Lines) <= maxLines, "lines", "want %d at the most", maxLines)
	if n.Amount != nil {
		want(*n.Amount >= 1 && *n.Amount <= maxAmount, "amount", "want 1 to %d minor units", maxAmount)
	}
	if len(n.Lines) > maxLines {
		return faults
	}
	for i, l := range n.Lines {
		at := func(field string) string { return fmt.Sprintf("lines[%d].%s", i, field) }
		named := strings.TrimSpace(l.Name) != "" && utf8.RuneCountInString(l.Name) <= maxName && !strings.Contains(l.Name, "\x00")
		want(named, at("name"), "want 1 to %d characters", maxName)
		want(l.Quantity >= 1 && l.Quantity <= maxQuantity, at("quantity"), "want 1 to %d", maxQuantity)
		want(l.UnitAmount >= 0 && l.UnitAmount <= maxAmount, at("unitAmount"), "want 0 to %d minor units", maxAmount)
	}
	if len(faults) == 0 && len(n.Lines) > 0 {
		want(n.total() >= 1 && n.total() <= maxAmount, "lines", "want a sum of 1 to %d minor units", maxAmount)
	}
	return faults
}

// total can't overflow: each line was checked.
func (n newOrder) total() (sum int64) {
	if n.Amount != nil {
		return *n.Amount
	}
	for _, l := range n.Lines {
		sum += l.Quantity * l.UnitAmount
	}
	return sum
}

// readJSON reads one value, and nothing that it doesn't know.
func readJSON(c echo.Context, v any) error {
	req := c.Request()
	if kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return newProblem(http.StatusUnsupportedMediaType, "unsupported-media-type", "Unsupported media type", "Want Content-Type: application/json.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), req.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		c.Response().Header().Set("Connection", "close") // the rest is not read
		return newProblem(http.StatusRequestEntityTooLarge, "too-large", "Request body too large", fmt.Sprintf("Want %d bytes at the most.", maxBody))
	}
	if err != nil {
		return malformed("The body broke off.")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return invalid(fault{indexed(wrong.Field, body, wrong.Offset), "want " + kindOf(wrong.Type)})
		}
		return malformed("The body is not the JSON that it should be.")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return malformed("The body goes on after its JSON.")
	}
	return nil
}

// indexed is the field of the value that ends, or begins as an object or list does,
// before an offset, with its place in its list, which encoding/json leaves out:
// lines.name becomes lines[2].name. A request has lists of objects and no deeper
// ones.
func indexed(field string, body []byte, end int64) string {
	decoder := json.NewDecoder(bytes.NewReader(body))
	depth, inList, index := 0, false, -1
	for decoder.InputOffset() < end {
		token, err := decoder.Token()
		if err != nil {
			break // it was read before: up to here there is none
		}
		delim, _ := token.(json.Delim)
		if delim == '}' || delim == ']' {
			if depth--; depth == 1 {
				inList, index = false, -1
			}
			continue
		}
		if inList && depth == 2 {
			index++
		}
		if delim != 0 {
			inList = inList || depth == 1 && delim == '['
			depth++
		}
	}
	if index < 0 {
		return field
	}
	list, inner, _ := strings.Cut(field+".", ".")
	return strings.TrimSuffix(fmt.Sprintf("%s[%d].%s", list, index, inner), ".")
}

// kindOf is what JSON calls a value of a type that a request has.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int64:
		return "a whole number"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// newID is an id that nobody guesses, though nothing depends on that.
func newID(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()) }
