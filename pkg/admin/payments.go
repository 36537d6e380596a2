package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// maxRestaurants is how many a list shows; who looks for another one searches.
const maxRestaurants = 100

type restaurantsView struct {
	Search string
	All    []Restaurant
	More   int
}

func (s *Server) restaurantList(c echo.Context) error {
	all, err := s.Settings.Restaurants(c.Request().Context())
	if err != nil {
		return err
	}
	view := restaurantsView{Search: strings.TrimSpace(c.QueryParam("q"))}
	wanted := strings.ToLower(view.Search)
	for _, r := range all {
		if wanted != "" && !strings.Contains(strings.ToLower(r.Slug+" "+r.Name+" "+r.ID), wanted) {
			continue
		}
		if len(view.All) == maxRestaurants {
			view.More++
			continue
		}
		view.All = append(view.All, r)
	}
	return s.render(c, http.StatusOK, "restaurants", page{Title: "Restaurants", Content: view})
}

type restaurantView struct {
	Restaurant
	Fault    string
	Set      *SecretSet
	Test     *testRun
	Endpoint string // the path that Stripe delivers to
}

func (s *Server) restaurantDetail(c echo.Context) error {
	return s.showRestaurant(c, http.StatusOK, restaurantView{})
}

// showRestaurant reads the restaurant as it is now, after whatever was done.
func (s *Server) showRestaurant(c echo.Context, status int, view restaurantView) error {
	r, err := s.Settings.Restaurant(c.Request().Context(), c.Param("restaurant"))
	if err != nil {
		return err
	}
	view.Restaurant, view.Endpoint = r, webhooks+url.PathEscape(r.Slug)
	return s.render(c, status, "restaurant", page{Title: r.Name, Content: view})
}

// overlaps are how long the secret before may be accepted beside a new one.
var overlaps = map[string]time.Duration{"0": 0, "24h": 24 * time.Hour, "168h": 7 * 24 * time.Hour}

// setSecret stores a secret, which is never shown again.
func (s *Server) setSecret(c echo.Context) error {
	ctx := c.Request().Context()
	r, err := s.Settings.Restaurant(ctx, c.Param("restaurant"))
	if err != nil {
		return err
	}
	change := NewSecret{RestaurantID: r.ID, Secret: strings.TrimSpace(c.FormValue("secret"))}
	if d, ok := overlaps[c.FormValue("overlap")]; ok {
		change.Overlap = &d
	}
	set, err := s.Settings.SetSecret(ctx, signedIn(c).Email, change)
	var refusal Refusal
	if errors.As(err, &refusal) {
		return s.showRestaurant(c, http.StatusUnprocessableEntity, restaurantView{Fault: refusal.Error()})
	}
	if err != nil {
		return err
	}
	return s.showRestaurant(c, http.StatusOK, restaurantView{Set: &set})
}
