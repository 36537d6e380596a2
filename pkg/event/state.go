package event

import "time"

// State is how everything stands at one moment, as the tables have it.
type State struct {
	At            time.Time  `db:"at" json:"at"`                       // by the database's clock
	Unfinished    int        `db:"unfinished" json:"unfinished"`       // events that are PROCESSING, at most MaxCounted
	Oldest        *time.Time `db:"oldest" json:"oldest"`               // when the oldest of those was stored that wait for no payment
	Waiting       int        `db:"waiting" json:"waiting"`             // events that wait for their payment to appear
	Failed        int        `db:"failed" json:"failedLastHour"`       // events that have become FAILED within the hour
	Refused       int        `db:"refused" json:"refusedLastHour"`     // rows VERIFICATION_FAILED of the hour
	NoConfig      int        `db:"noConfig" json:"noConfigLastHour"`   // rows NO_CONFIG of the hour
	Success       *time.Time `db:"success" json:"lastSuccess"`         // when the newest event that is COMPLETED was stored
	Pending       int        `db:"pending" json:"ordersPending"`       // orders, at most MaxCounted
	Stuck         int        `db:"stuck" json:"ordersStuck"`           // orders that are pending for longer than StuckAfter, and nobody knows why
	Undecided     int        `db:"undecided" json:"undecided"`         // payments on which a human must decide
	Unaskable     int        `db:"unaskable" json:"unaskable"`         // restaurants for whose events Stripe could not be asked the last time
	Orders        []OrdersOf `json:"orders,omitempty"`                 // by status
	OldestSecret  *time.Time `db:"oldestSecret" json:"oldestSecret"`   // when the oldest active signing secret was set
	MissingWeeks  int        `db:"missingWeeks" json:"missingWeeks"`   // of this week and the next that have no partition
	InDefaultWeek int        `db:"inDefault" json:"eventsWithoutWeek"` // in the default partition, at most MaxCounted
}

const (
	// MaxCounted bounds what is counted, so that looking costs the same whatever
	// has piled up.
	MaxCounted = 100_000

	// StuckAfter is from when on an order that waits for its payment is stuck: a
	// Checkout Session lives for a day, and after that Stripe says how it ended.
	StuckAfter = 25 * time.Hour

	// UnderWayFor is how long money may be under way, and its order pending without
	// being stuck: a bank debit takes up to 14 business days.
	UnderWayFor = 21 * 24 * time.Hour
)

// BacklogAge is how long the oldest event waits that should have been worked
// off; zero if there is none.
func (s State) BacklogAge() time.Duration {
	if s.Oldest == nil {
		return 0
	}
	return max(0, s.At.Sub(*s.Oldest))
}

// SecretAge is that of the oldest active signing secret; zero if there is none.
func (s State) SecretAge() time.Duration {
	if s.OldestSecret == nil {
		return 0
	}
	return max(0, s.At.Sub(*s.OldestSecret))
}

// OrdersOf is how many orders have a status.
type OrdersOf struct {
	Status string `db:"status" json:"status"`
	Orders int    `db:"orders" json:"orders"`
}

// QueueState is one queue of tasks.
type QueueState struct {
	Name      string        `json:"name"`
	Pending   int           `json:"pending"`
	Active    int           `json:"active"`
	Scheduled int           `json:"scheduled"`
	Retry     int           `json:"retry"`
	Archived  int           `json:"archived"`
	Latency   time.Duration `json:"latency"` // how long the oldest pending task waits
	Paused    bool          `json:"paused"`  // nobody takes tasks from it
}

// RedisState is what the queues live in.
type RedisState struct {
	Policy    string        `json:"maxmemoryPolicy"` // "" if the server doesn't tell
	Evicted   int           `json:"evictedKeys"`
	AOF       bool          `json:"appendOnly"`
	SavedFine bool          `json:"lastSaveOk"`
	Ping      time.Duration `json:"ping"`
}
