package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
)

// Server is what of a server's settings keeps what was committed, and whether its
// indexes still find it. SortedBy and SortsBy are versions of the operating system's
// or ICU's sorting, when the database was made and now; nil where it has none.
type Server struct {
	Version           string  `db:"version"`
	Fsync             bool    `db:"fsync"`
	SynchronousCommit bool    `db:"synchronousCommit"`
	FullPageWrites    bool    `db:"fullPageWrites"`
	Database          string  `db:"database"` // quoted as SQL needs it
	SortedBy          *string `db:"sortedBy"`
	SortsBy           *string `db:"sortsBy"`
}

// Resorts reports whether texts may sort otherwise than when the indexes were made:
// then a unique key may not find what is there, and let it in once more.
func (s Server) Resorts() bool {
	return s.SortedBy != nil && (s.SortsBy == nil || *s.SortsBy != *s.SortedBy)
}

// Server reads them.
func (d *DB) Server(ctx context.Context) (Server, error) {
	var s Server
	if err := d.GetContext(ctx, &s, db.Query("server_read")); err != nil {
		return Server{}, fmt.Errorf("reading the server's settings: %w", err)
	}
	return s, nil
}

// Failures lists those of one restaurant within a day.
func (d *DB) Failures(ctx context.Context, restaurantID string) ([]event.Failure, error) {
	all := []event.Failure{}
	if err := d.SelectContext(ctx, &all, db.Query("failure_list"), restaurantID); err != nil {
		return nil, fmt.Errorf("reading the failures of restaurant %s: %w", restaurantID, err)
	}
	return all, nil
}

// Progress is how far the work on a restaurant's events is.
type Progress struct {
	ReadAt     time.Time  `db:"readAt"`
	Unfinished int        `db:"unfinished"`
	Oldest     *time.Time `db:"oldest"`  // of those that wait for no payment; nil if there is none
	Success    *time.Time `db:"success"` // when the newest one came that is worked off
}

// Progress reads that of one restaurant.
func (d *DB) Progress(ctx context.Context, restaurantID string) (Progress, error) {
	var p Progress
	if err := d.GetContext(ctx, &p, db.Query("restaurant_backlog"), restaurantID); err != nil {
		return Progress{}, fmt.Errorf("reading the backlog of restaurant %s: %w", restaurantID, err)
	}
	return p, nil
}

// RestaurantHealth reads how the deliveries of one restaurant fare, and how its
// secrets are used, within some tens of milliseconds however many it has had:
// its rhythm is half of the work, and read beside the rest.
func (d *DB) RestaurantHealth(ctx context.Context, r Restaurant) (event.RestaurantHealth, Use, error) {
	h := event.RestaurantHealth{Restaurant: r.Slug}
	var rhythm event.Rhythm
	var uses map[string]Use
	var faults [3]error
	var reading sync.WaitGroup
	reading.Go(func() { rhythm, _, faults[0] = d.Rhythm(ctx, r.ID) })
	reading.Go(func() { uses, faults[1] = d.WebhookUse(ctx, r.ID) })
	faults[2] = func() (err error) {
		progress, err := d.Progress(ctx, r.ID)
		if err != nil {
			return err
		}
		h.ReadAt, h.LastSuccess, h.Unfinished = progress.ReadAt.UTC(), utcOrNil(progress.Success), progress.Unfinished
		h.BacklogAge = event.State{At: progress.ReadAt, Oldest: progress.Oldest}.BacklogAge().Seconds()
		h.Failures, err = d.Failures(ctx, r.ID)
		return err
	}()
	reading.Wait()
	use := uses[r.ID]
	h.LastDelivery, h.LastMatched = utcOrNil(use.AcceptedAt), use.SignedWith
	h.Rhythm(rhythm)
	return h, use, errors.Join(faults[:]...)
}

func utcOrNil(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.UTC()
	return &at
}

// OldestUnfinished reads the events that are PROCESSING for longer than age,
// oldest first, at most limit of them. Unlike ClaimUnfinished it claims none.
func (d *DB) OldestUnfinished(ctx context.Context, age time.Duration, limit int) ([]event.Unfinished, error) {
	var rows []claimedRow
	err := d.readInOrder(ctx, true, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &rows, db.Query("event_oldest"), age.Seconds(), limit)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the oldest unfinished events: %w", err)
	}
	all := make([]event.Unfinished, len(rows))
	for i, r := range rows {
		all[i] = event.Unfinished{Ref: event.Ref{ID: r.ID, OccurredAt: time.Unix(r.OccurredAt, 0)}, Type: r.Type, CreatedAt: r.CreatedAt}
	}
	return all, nil
}

// AbsentEvents answers which of these ids are of no event.
func (d *DB) AbsentEvents(ctx context.Context, ids []string) ([]string, error) {
	var absent []string
	if err := d.SelectContext(ctx, &absent, db.Query("event_absent"), pq.StringArray(ids)); err != nil {
		return nil, fmt.Errorf("looking for the events of %d tasks: %w", len(ids), err)
	}
	return absent, nil
}
