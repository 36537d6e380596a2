package dev

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"tillhook/pkg/stripetest"
)

//go:embed shop
var shopFiles embed.FS

var shopPages = template.Must(template.New("").Funcs(template.FuncMap{"price": stripetest.Price}).ParseFS(shopFiles, "shop/*.html"))

// shop is a restaurant's shop, as small as it can be: its pages, and the server
// behind them, which alone has the restaurants' keys. What it knows of an order
// is in the customer's browser.
type shop struct {
	restaurants []*restaurant
	storefront  *storefront
	api, stripe string // where they are, for the pages' policy
}

const (
	maxOfOne    = 20
	maxShopForm = 16 << 10 // bytes
	rememberFor = 24 * time.Hour
)

func newShop(restaurants []*restaurant, api, stripe string) *shop {
	return &shop{restaurants: restaurants, storefront: newStorefront(api), api: api, stripe: stripe}
}

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/"+s.restaurants[0].slug, http.StatusSeeOther)
	})
	mux.HandleFunc("GET /{restaurant}", s.menu)
	mux.HandleFunc("POST /{restaurant}", s.order)
	mux.HandleFunc("GET /orders/{order}", s.status)
	mux.HandleFunc("POST /orders/{order}", s.pay)
	for _, name := range []string{"shop.css", "shop.js"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, shopFiles, "shop/"+name) })
	}
	// Widgets load from the API, and the order's form ends on Stripe's page.
	policy := "default-src 'none'; style-src 'self'; script-src 'self' " + s.api + "; connect-src " + s.api +
		"; img-src data:; form-action 'self' " + s.stripe + "; base-uri 'none'; frame-ancestors 'none'"
	protected := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxShopForm)
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		protected.ServeHTTP(w, r)
	})
}

// menuPage is what there is to order.
type menuPage struct {
	Restaurants []menuLink
	Name, Slug  string
	Currency    string
	Menu        []dish
	Most        int
	Once        string // a second click orders nothing more
	Fault       string
}

type menuLink struct {
	Name, Slug string
	Here       bool
}

func (s *shop) find(slug string) *restaurant {
	for _, r := range s.restaurants {
		if r.slug == slug {
			return r
		}
	}
	return nil
}

func (s *shop) menu(w http.ResponseWriter, r *http.Request) {
	if here := s.find(r.PathValue("restaurant")); here != nil {
		s.showMenu(w, here, http.StatusOK, "")
		return
	}
	http.NotFound(w, r)
}

func (s *shop) showMenu(w http.ResponseWriter, here *restaurant, status int, fault string) {
	p := menuPage{Name: here.name, Slug: here.slug, Currency: here.currency, Menu: here.menu, Most: maxOfOne, Once: randomHex(16), Fault: fault}
	for _, r := range s.restaurants {
		p.Restaurants = append(p.Restaurants, menuLink{r.name, r.slug, r == here})
	}
	render(w, status, "menu.html", p)
}

// order creates the order, starts its checkout, and sends the customer there.
func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	here := s.find(r.PathValue("restaurant"))
	if here == nil {
		http.NotFound(w, r)
		return
	}
	o := newOrder{Currency: here.currency}
	for i, d := range here.menu {
		if n, err := strconv.ParseInt(r.FormValue("dish"+strconv.Itoa(i)), 10, 64); err == nil && n > 0 && n <= maxOfOne {
			o.Lines = append(o.Lines, newLine{d.Name, n, d.Price})
		}
	}
	if len(o.Lines) == 0 {
		s.showMenu(w, here, http.StatusUnprocessableEntity, "Choose something first.")
		return
	}
	made, err := s.storefront.order(r.Context(), here.shopKey, r.FormValue("once"), o)
	if err != nil {
		s.showMenu(w, here, http.StatusBadGateway, why(err))
		return
	}
	http.SetCookie(w, &http.Cookie{Name: made.ID, Value: made.Token, Path: "/orders/" + made.ID, MaxAge: int(rememberFor.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
	to, err := s.storefront.checkout(r.Context(), made.ID, here.shopKey)
	if err != nil {
		s.showMenu(w, here, http.StatusBadGateway, why(err))
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// statusPage is where Stripe leads customers back to.
type statusPage struct {
	API, Order, Token string
	Left              bool // without paying
	Fault             string
}

func (s *shop) status(w http.ResponseWriter, r *http.Request) {
	s.showStatus(w, r, http.StatusOK, "")
}

func (s *shop) showStatus(w http.ResponseWriter, r *http.Request, status int, fault string) {
	p := statusPage{API: s.api, Order: r.PathValue("order"), Left: r.FormValue("checkout") == "cancelled", Fault: fault}
	if c, err := r.Cookie(p.Order); err == nil {
		p.Token = c.Value
	}
	render(w, status, "order.html", p)
}

// pay leads to the order's session, or to another one if that has ended.
func (s *shop) pay(w http.ResponseWriter, r *http.Request) {
	token := ""
	if c, err := r.Cookie(r.PathValue("order")); err == nil {
		token = c.Value
	}
	to, err := s.storefront.checkout(r.Context(), r.PathValue("order"), token)
	if err != nil {
		s.showStatus(w, r, http.StatusBadGateway, why(err))
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func render(w http.ResponseWriter, status int, name string, content any) {
	var page bytes.Buffer
	if err := shopPages.ExecuteTemplate(&page, name, content); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}

// why is what a customer is told.
func why(err error) string {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p.Title + ": " + p.Detail
	case errors.Is(err, context.DeadlineExceeded):
		return "That took too long. Please try again."
	}
	return "The storefront API can't be reached."
}
