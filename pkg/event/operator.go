package event

import (
	"errors"
	"time"
)

// Access is what an operator may do in the panel.
type Access string

// The roles. A viewer reads, and sees no customer's data.
const (
	Viewer   Access = "viewer"
	Operates Access = "operator"
)

// Operator is somebody who may sign in to the panel.
type Operator struct {
	ID           string     `db:"id" json:"id"`
	Email        string     `db:"email" json:"email"`
	Role         Access     `db:"role" json:"role"`
	PasswordHash string     `db:"passwordHash" json:"-"`
	CreatedAt    time.Time  `db:"createdAt" json:"createdAt"`
	DisabledAt   *time.Time `db:"disabledAt" json:"disabledAt,omitempty"`
	LastSeenAt   *time.Time `db:"lastSeenAt" json:"lastSeenAt,omitempty"`
}

// ErrNoOperator says that there is no such operator, or no such session.
var ErrNoOperator = errors.New("there is no such operator")

// SignInTries is how often it was tried to sign in under a key, and in how many
// seconds the count begins anew.
type SignInTries struct {
	Tries int `db:"tries"`
	Wait  int `db:"wait"`
}

// AuditLine is one line of the audit.
type AuditLine struct {
	ID           int64     `db:"id"`
	Actor        string    `db:"actor"`
	Action       string    `db:"action"`
	RestaurantID string    `db:"restaurantId"`
	Target       string    `db:"target"`
	Detail       string    `db:"detail"`
	CreatedAt    time.Time `db:"createdAt"`
}

// Minute is what arrived in one minute.
type Minute struct {
	At       time.Time `db:"minute"`
	Stored   int       `db:"stored"`
	Refused  int       `db:"refused"`  // of those: not verified, or for nobody
	NoConfig int       `db:"noConfig"` // of those in turn: for nobody
	Failed   int       `db:"failed"`   // in that minute, whenever stored: a human must look
	Median   float64   `db:"median"`   // milliseconds until worked off
	P95      float64   `db:"p95"`
}

// Backlog is what is unfinished.
type Backlog struct {
	Events        int       `db:"backlog"`
	OldestSeconds float64   `db:"oldestSeconds"`
	Undecided     int       `db:"undecided"` // payments on which a human must decide
	ReadAt        time.Time `db:"readAt"`    // by the database's clock
}
