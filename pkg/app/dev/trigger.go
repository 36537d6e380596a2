package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tillhook/pkg/app"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripetest"
)

type trigger struct {
	app.Process
	dir, restaurant, order string
	currency               string
	amount, paid           int64
	twice, shuffle, forged bool
	timeout                time.Duration
}

func triggerCommand(p app.Process, dir *string) *cobra.Command {
	t := trigger{Process: p}
	c := &cobra.Command{
		Use: "trigger [STORY|TYPE]", Short: "Send the signed events of a story, or one event, to what runs here", Args: cobra.MaximumNArgs(1),
		Long: "Makes an order, or takes the one of --order, sends the product that cmd/dev runs\n" +
			"what Stripe would say of it, signed with the restaurant's secret, and tells what\n" +
			"becomes of it. A story ends where it must, or the exit code is 1. Without an\n" +
			"argument it lists the stories and the types. DATABASE_URL, INGEST_URL and\n" +
			"PAYMENT_CONFIG_ENC_KEY name another product, but none in production.",
		Example: "  go run ./cmd/dev trigger paid\n" +
			"  go run ./cmd/dev trigger paid --amount 900 --currency jpy\n" +
			"  go run ./cmd/dev trigger checkout.session.completed --paid 100\n" +
			"  go run ./cmd/dev trigger 'declined, then paid' --shuffle --twice\n" +
			"  go run ./cmd/dev trigger charge.refunded --order order-1",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listStories(c.OutOrStdout())
			}
			for _, ofNew := range []string{"restaurant", "amount", "currency"} {
				if t.order != "" && c.Flags().Changed(ofNew) {
					return fmt.Errorf("--%s: leave it out, order %s has its own", ofNew, t.order)
				}
			}
			t.dir = *dir
			return t.run(c.Context(), c.OutOrStdout(), args[0])
		},
	}
	flags := c.Flags()
	flags.StringVar(&t.restaurant, "restaurant", "", "whose order is made, by slug or id (default the first one)")
	flags.StringVar(&t.order, "order", "", "the `id` of an order that is there, whose newest payment it is about")
	flags.Int64Var(&t.amount, "amount", 2500, "what a new order asks for, in minor units")
	flags.StringVar(&t.currency, "currency", "eur", "what it asks for it in, as an ISO 4217 `code`; yen have no minor units")
	flags.Int64Var(&t.paid, "paid", 0, "what the events say was paid, in minor units (default what was asked for)")
	flags.BoolVar(&t.twice, "twice", false, "deliver each event twice")
	flags.BoolVar(&t.shuffle, "shuffle", false, "deliver them in any order")
	flags.BoolVar(&t.forged, "forged", false, "sign them with a secret that is nobody's")
	flags.DurationVar(&t.timeout, "timeout", 10*time.Second, "how long to wait for what becomes of them")
	return c
}

func (t trigger) run(ctx context.Context, w io.Writer, name string) error {
	story, err := storyNamed(name)
	if err != nil {
		return err
	}
	t.currency = strings.ToLower(t.currency)
	if !order.IsCurrency(t.currency) {
		return fmt.Errorf("--currency %q: want an ISO 4217 code such as eur", t.currency)
	}
	cfg, err := t.config()
	if err != nil {
		return err
	}
	ring, err := secret.ParseRing(cfg.EncKeys.Reveal())
	if err != nil {
		return fmt.Errorf("PAYMENT_CONFIG_ENC_KEY: %w", err)
	}
	db, err := postgres.Open(cfg.DatabaseURL.Reveal(), postgres.Options{Name: "tillhook dev"})
	if err != nil {
		return err
	}
	defer db.Close()
	f := stripetest.NewFactory(uint64(time.Now().UnixNano()), time.Now())
	p, signingSecret, err := t.payment(ctx, db, ring, f)
	if err != nil {
		return err
	}
	if t.order != "" || t.paid != 0 || t.forged {
		story.Order = "" // it may end elsewhere
	}
	asked := order.Money{Amount: p.Amount, Currency: p.Currency}
	p.Amount = cmp.Or(t.paid, p.Amount)
	events := story.Events(f, p)
	if t.twice {
		events = append(events, events...)
	}
	if t.shuffle {
		events = f.Shuffle(events)
	}
	if t.forged {
		signingSecret = "whsec_of_nobody"
	}
	fmt.Fprintf(w, "  order %s of %s, %s\n", p.OrderID, p.RestaurantID, asked)
	if err := post(ctx, w, cfg.IngestURL, signingSecret, events); err != nil {
		return err
	}
	return t.await(ctx, w, db, p, story, events)
}

// config is that of the product: by the environment, else by what cmd/dev has left.
func (t trigger) config() (app.Config, error) {
	environ := t.Env
	if lookup(environ, "DATABASE_URL") == "" && lookup(environ, "DATABASE_URL_FILE") == "" {
		home, err := ownFolder(t.dir)
		if err != nil {
			return app.Config{}, err
		}
		kept, err := readSettings(home)
		if err != nil {
			return app.Config{}, fmt.Errorf("nothing runs here: go run ./cmd/dev, in another terminal (%w)", err)
		}
		environ = append(kept, environ...)
	}
	cfg, err := app.ReadConfig(environ, app.RoleIngest)
	if err == nil && cfg.AppEnv == "production" {
		err = errors.New("APP_ENV is production: an order of nobody's has no place there")
	}
	return cfg, err
}

// payment is the one that it is about, with the secret that its events are signed with.
func (t trigger) payment(ctx context.Context, db *postgres.DB, ring *secret.Ring, f *stripetest.Factory) (p stripetest.Payment, signingSecret string, err error) {
	var story postgres.OrderStory
	if t.order != "" {
		if story, err = db.OrderStory(ctx, t.order); err != nil {
			return p, "", err
		}
		if len(story.Payments) == 0 {
			return p, "", fmt.Errorf("order %s has no payment yet", t.order)
		}
		t.restaurant = story.RestaurantID
	}
	found, err := db.FindRestaurants(ctx, t.restaurant)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("there is no restaurant %s", t.restaurant)
	}
	if err != nil {
		return p, "", err
	}
	r := found[0]
	if signingSecret, err = ring.Open(string(r.Secret), r.ConfigID); err != nil {
		return p, "", fmt.Errorf("opening the signing secret of %s: %w", r.Slug, err)
	}
	if t.order != "" {
		p, err = paymentOf(f, story)
		return p, signingSecret, err
	}
	id := randomHex(4)
	p = f.Payment(r.ID, "order-"+id, "pay-"+id, t.amount, t.currency)
	if r.Livemode != nil && *r.Livemode {
		p = p.Live()
	}
	return p, signingSecret, db.CreateOrders(ctx, []postgres.NewOrder{{
		OrderID: p.OrderID, PaymentID: p.PaymentID, RestaurantID: r.ID, Session: p.Session,
		Total: order.Money{Amount: p.Amount, Currency: p.Currency},
	}})
}

// post delivers the events, one after the other, as Stripe would.
func post(ctx context.Context, w io.Writer, base, signingSecret string, events []stripetest.Event) error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, e := range events {
		status, body, err := stripetest.Post(ctx, client, base+webhooks, signingSecret, e, time.Now())
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %d  %s\n       %s\n", status, e.Type, strings.TrimSpace(string(body)))
	}
	return nil
}

// await tells what has become of the events, and of the order.
func (t trigger) await(ctx context.Context, w io.Writer, db *postgres.DB, p stripetest.Payment, story stripetest.Lifecycle, events []stripetest.Event) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		stored, err := db.Events(ctx, postgres.EventFilter{IDs: ids, Limit: len(ids)})
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && workedOff(stored) {
			return report(ctx, w, db, p, story, stored)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("after %s not all of the events are worked off: does a worker run?", t.timeout)
		}
	}
}

// workedOff reports whether nothing more will become of the events. One that was
// sent alone may wait for a payment that no other leads it to.
func workedOff(stored []postgres.Event) bool {
	for _, e := range stored {
		if e.Status == string(event.Processing) && (len(stored) > 1 || e.WaitsFor == "") {
			return false
		}
	}
	return true
}

// report says where everything has ended, and whether a story has ended there.
func report(ctx context.Context, w io.Writer, db *postgres.DB, p stripetest.Payment, story stripetest.Lifecycle, stored []postgres.Event) error {
	for _, e := range stored {
		if e.LastError != "" {
			fmt.Fprintf(w, "  %s:\n%s", e.Type, indented(e.LastError))
		}
		if e.WaitsFor != "" {
			fmt.Fprintf(w, "  %s waits for a payment, which\n  one of these would lead to:\n%s", e.Type, indented(e.WaitsFor))
		}
	}
	states, err := db.OrderStates(ctx, []string{p.OrderID})
	if err != nil {
		return err
	}
	for _, s := range states {
		if s.PaymentID != p.PaymentID {
			continue
		}
		fmt.Fprintf(w, "  order %s, payment %s\n", s.Order, s.Payment)
		if story.Order != "" && (s.Order != story.Order || s.Payment != story.Payment) {
			return fmt.Errorf("the story ends with order %s, payment %s", story.Order, story.Payment)
		}
	}
	return nil
}

// indented is text under a line of the report, broken where a terminal ends.
func indented(text string) string {
	const indent, columns = "    ", 80
	line, lines := indent, ""
	for word := range strings.FieldsSeq(text) {
		if line != indent && utf8.RuneCountInString(line+" "+word) > columns {
			lines, line = lines+line+"\n", indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return lines + line + "\n"
}
