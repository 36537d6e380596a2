package event

import "time"

// Failure is one reason why deliveries were refused or events FAILED.
type Failure struct {
	Status string    `db:"status" json:"status"`
	Why    string    `db:"why" json:"why"`
	Events int       `db:"events" json:"events"`
	Last   time.Time `db:"last" json:"last"`
}

// RestaurantHealth is how the deliveries of one restaurant fare. Times are nil
// for "never".
type RestaurantHealth struct {
	Restaurant   string     `json:"restaurant"` // its slug
	ReadAt       time.Time  `json:"readAt"`     // by the database's clock
	LastDelivery *time.Time `json:"lastDelivery"`
	LastMatched  string     `json:"lastMatched"` // which secret signed it: current or previous
	LastSuccess  *time.Time `json:"lastSuccess"` // when the newest one came that is worked off
	Unfinished   int        `json:"unfinished"`
	BacklogAge   float64    `json:"backlogAgeSeconds"` // of the oldest unfinished event that waits for no payment
	Failures     []Failure  `json:"failures"`          // of a day, most frequent first
	LongestGap   float64    `json:"longestGapSeconds"` // within two weeks
	Patience     float64    `json:"patienceSeconds"`   // from when on it counts as silent; 0 if there is no telling
	Silent       bool       `json:"silent"`
}

// Rhythm fills in what a rhythm tells.
func (h *RestaurantHealth) Rhythm(r Rhythm) {
	h.LongestGap, h.Patience, h.Silent = r.Longest.Seconds(), r.Patience().Seconds(), r.Silent(h.ReadAt)
}
