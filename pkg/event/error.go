package event

import (
	"errors"
	"time"
)

// Permanent marks err as one that no further attempt can mend: the event
// becomes FAILED at once. Anything else is retried. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether err, or an error it wraps, was marked by
// Permanent.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}

// ErrContended says that another transaction was in the way: alone, or a moment
// later, the same may succeed.
var ErrContended = errors.New("another transaction is in the way")

// Unavailable marks err as the fault of a service and not of the event: it is
// tried again without using up an attempt. Unavailable(nil) is nil.
func Unavailable(err error) error {
	if err == nil {
		return nil
	}
	return unavailable{err}
}

// IsUnavailable reports whether err, or an error it wraps, was marked by
// Unavailable.
func IsUnavailable(err error) bool {
	var u unavailable
	return errors.As(err, &u)
}

// Later marks err as one that only puts the event off, for want of room or
// because Stripe is asked too much: it is tried again after about wait, without
// using up an attempt.
func Later(err error, wait time.Duration) error { return later{Unavailable(err), wait} }

// Wait is the wait that err, or an error it wraps, was marked with by Later.
func Wait(err error) (wait time.Duration, ok bool) {
	var l later
	ok = errors.As(err, &l)
	return l.wait, ok
}

type later struct {
	error
	wait time.Duration
}

func (l later) Unwrap() error { return l.error }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

type unavailable struct{ error }

func (u unavailable) Unwrap() error { return u.error }

// ErrUnstorable says that a statement failed for what it tried to store, not
// for the state of the server: among several rows only those at fault would
// fail again.
var ErrUnstorable = errors.New("the database refuses this row")

// ErrTrigger says that a function in the database has failed, such as a trigger of
// the ordering application: for all rows, or for some only, which would fail again
// alone. That is no event's end, since whoever mends the function mends it.
var ErrTrigger = errors.New("a function in the database fails")
