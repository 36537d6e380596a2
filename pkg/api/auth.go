package api

import (
	"context"
	"errors"
	"strings"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
	"tillhook/pkg/web"
)

// maxCredential bounds a token or key, in bytes.
const maxCredential = 200

// bearer is what the client shows in its header, "" if it shows nothing.
func bearer(c echo.Context) string {
	scheme, credential, _ := strings.Cut(c.Request().Header.Get("Authorization"), " ")
	credential = strings.TrimSpace(credential)
	if !strings.EqualFold(scheme, "Bearer") || len(credential) > maxCredential {
		return ""
	}
	return credential
}

// shopKey finds whose key the client shows.
func (s *Server) shopKey(ctx context.Context, c echo.Context) (event.ShopKey, error) {
	credential := bearer(c)
	if !s.keyForm.Is(credential) { // nobody has to look it up
		return event.ShopKey{}, s.failed(c, unauthorized())
	}
	k, err := s.keys.FindShopKey(ctx, s.keyForm.Hash(credential))
	if errors.Is(err, event.ErrNoShopKey) {
		return k, s.failed(c, unauthorized())
	}
	if err != nil {
		return k, unavailable(err)
	}
	s.uses.Note(k.ID, s.now())
	note(c, "restaurant", k.RestaurantID)
	return k, nil
}

// customer checks the token of the order in the path. It takes no look into the
// database: whoever guesses costs nothing else.
func (s *Server) customer(c echo.Context) (orderID string, err error) {
	orderID = orderIn(c)
	token := bearer(c)
	if token == "" { // an EventSource can't set headers
		token = c.QueryParam("token")
	}
	if orderID == "" || len(token) > maxCredential || !s.tokens.Check(orderID, token) {
		return "", s.failed(c, notFound())
	}
	note(c, "order", orderID)
	return orderID, nil
}

// orderIn is the order in the path, "" for what can be the id of none.
func orderIn(c echo.Context) string {
	if id := c.Param("order"); len(id) <= maxID && web.IsText(id) {
		return id
	}
	return ""
}

// failed counts a wrong token or key against its address, which is told to wait
// if it has given too many.
func (s *Server) failed(c echo.Context, p *problem) error {
	if wait := s.failures.take(web.Place(c.RealIP()), s.now()); wait > 0 {
		return tooMany("Too many wrong tokens or keys from your address.", wait)
	}
	return p
}
