// Package stripe is the only place that knows what Stripe's bytes mean:
// verify.go says whether a delivery is signed, scan.go (with json.go) reads
// the few fields that ingest needs, and decode.go turns an event into what it
// contributes to an order, with one file for each kind of object: session.go,
// intent.go, charge.go, refund.go, dispute.go. api.go asks Stripe, one request
// at a turn (turnstile.go): for events (list.go), for a payment (lookup.go), for
// what a thin event is about (thin.go).
//
// The first two run on what anyone on the internet may send and use no
// reflection; the third runs in the worker, on verified bodies, and reads the
// fields that decide. No type of stripe-go leaves the package.
package stripe
