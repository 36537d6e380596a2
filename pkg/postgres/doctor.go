package postgres

import (
	"context"
	"fmt"
	"time"

	"tillhook/db"
)

// Server is what of a server's settings keeps what was committed.
type Server struct {
	Version           string `db:"version" json:"version"`
	Fsync             bool   `db:"fsync" json:"fsync"`
	SynchronousCommit bool   `db:"synchronousCommit" json:"synchronousCommit"`
	FullPageWrites    bool   `db:"fullPageWrites" json:"fullPageWrites"`
}

// Server reads them.
func (d *DB) Server(ctx context.Context) (Server, error) {
	var s Server
	if err := d.GetContext(ctx, &s, db.Query("server_read")); err != nil {
		return Server{}, fmt.Errorf("reading the server's settings: %w", err)
	}
	return s, nil
}

// Failure is one reason why deliveries were refused or events FAILED.
type Failure struct {
	Status string    `db:"status" json:"status"`
	Why    string    `db:"why" json:"why"`
	Events int       `db:"events" json:"events"`
	Last   time.Time `db:"last" json:"last"`
}

// Failures lists those of one restaurant within a day.
func (d *DB) Failures(ctx context.Context, restaurantID string) ([]Failure, error) {
	var all []Failure
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
