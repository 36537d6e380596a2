// Package reference holds what the product is measured against: a receiver and
// a worker written the usual way, the bare check of a signature, and asynq with
// nothing to do. Where "usual" leaves a choice, the faster one was taken.
package reference

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	_ "embed" // for the schema

	"github.com/hibiken/asynq"
	"github.com/jmoiron/sqlx"
	"github.com/labstack/echo/v4"
	"github.com/lib/pq"
	"github.com/stripe/stripe-go/v76/webhook"
)

// Path is where the handlers take deliveries.
const Path = "/api/v1/webhooks/stripe/:restaurant"

const (
	taskType = "webhook"

	// maxConns are as many as gain anything on a few cores; the default of two
	// idle ones would make the usual handler dial all the time.
	maxConns = 32
	maxBody  = 1 << 20
)

//go:embed schema.sql
var schema string

// Migrate makes the usual receiver's tables.
func Migrate(ctx context.Context, databaseURL string) error {
	db, err := open(databaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("making the reference's tables: %w", err)
	}
	return nil
}

func open(databaseURL string) (*sqlx.DB, error) {
	db, err := sqlx.Open("postgres", databaseURL)
	if err != nil {
		return nil, fmt.Errorf("opening the reference's database: %w", err)
	}
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	return db, nil
}

// VerifyOnly serves a handler that checks the signature and stores nothing: no
// receiver in Go and Echo can be faster.
func VerifyOnly(ctx context.Context, l net.Listener, secret string) error {
	return serve(ctx, l, func(c echo.Context) error {
		body, err := readBody(c)
		if err != nil {
			return err
		}
		if err := webhook.ValidatePayload(body, c.Request().Header.Get("Stripe-Signature"), secret); err != nil {
			return c.JSON(http.StatusBadRequest, map[string]string{"error": "Invalid signature"})
		}
		return c.JSON(http.StatusOK, map[string]bool{"received": true})
	})
}

// Usual serves a handler as most are written: the SDK's full decode, one INSERT,
// and the task put into the queue before the answer.
func Usual(ctx context.Context, l net.Listener, databaseURL, redisURL, secret string) error {
	db, err := open(databaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	redis, err := asynq.ParseRedisURI(redisURL)
	if err != nil {
		return fmt.Errorf("reading the reference's Redis URL: %w", err)
	}
	tasks := asynq.NewClient(redis)
	defer tasks.Close()
	return serve(ctx, l, func(c echo.Context) error {
		body, err := readBody(c)
		if err != nil {
			return err
		}
		event, err := webhook.ConstructEventWithOptions(body, c.Request().Header.Get("Stripe-Signature"), secret,
			webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
		if err != nil {
			return c.JSON(http.StatusBadRequest, map[string]string{"error": "Invalid signature"})
		}
		ctx := c.Request().Context()
		result, err := db.ExecContext(ctx,
			`INSERT INTO webhook_events (event_id, type, payload) VALUES ($1, $2, $3) ON CONFLICT (event_id) DO NOTHING`,
			event.ID, string(event.Type), string(body))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, c.JSON(http.StatusOK, map[string]any{"received": true, "duplicate": true}))
		}
		if _, err := tasks.EnqueueContext(ctx, asynq.NewTask(taskType, []byte(event.ID)), asynq.TaskID(event.ID)); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]bool{"received": true})
	})
}

func readBody(c echo.Context) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxBody))
}

// serve runs until ctx ends.
func serve(ctx context.Context, l net.Listener, handle echo.HandlerFunc) error {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.POST(Path, handle)
	e.GET("/health", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	server := &http.Server{Handler: e, ReadHeaderTimeout: 5 * time.Second}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the reference: %w", err)
	}
	return nil
}

// Delivery is an event that Fill stores, with the order that it pays.
type Delivery struct {
	EventID, Type, OrderID, PaymentID, Session string
	Amount                                     int64
	Body                                       []byte
}

// Orders makes the orders and payments that the deliveries pay.
func Orders(ctx context.Context, databaseURL string, deliveries []Delivery) error {
	n := len(deliveries)
	orders, payments, sessions, amounts := make(pq.StringArray, n), make(pq.StringArray, n), make(pq.StringArray, n), make(pq.Int64Array, n)
	for i, d := range deliveries {
		orders[i], payments[i], sessions[i], amounts[i] = d.OrderID, d.PaymentID, d.Session, d.Amount
	}
	return run(ctx, databaseURL, func(db *sqlx.DB) error {
		_, err := db.ExecContext(ctx, `INSERT INTO orders (id, amount) SELECT * FROM unnest($1::text[], $2::bigint[])`, orders, amounts)
		if err == nil {
			_, err = db.ExecContext(ctx, `INSERT INTO payments (id, order_id, provider_payment_id, amount)
				SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])`, payments, orders, sessions, amounts)
		}
		return err
	})
}

// Fill stores deliveries as Usual would have, without their tasks.
func Fill(ctx context.Context, databaseURL string, deliveries []Delivery) error {
	n := len(deliveries)
	ids, types, bodies := make(pq.StringArray, n), make(pq.StringArray, n), make(pq.StringArray, n)
	for i, d := range deliveries {
		ids[i], types[i], bodies[i] = d.EventID, d.Type, string(d.Body)
	}
	return run(ctx, databaseURL, func(db *sqlx.DB) error {
		_, err := db.ExecContext(ctx, `INSERT INTO webhook_events (event_id, type, payload)
			SELECT * FROM unnest($1::text[], $2::text[], $3::jsonb[])`, ids, types, bodies)
		return err
	})
}

func run(ctx context.Context, databaseURL string, f func(*sqlx.DB) error) error {
	db, err := open(databaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := f(db); err != nil {
		return fmt.Errorf("filling the reference's tables: %w", err)
	}
	return nil
}
