package stripetest

import (
	"bytes"
	_ "embed" // for the page
	html "html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tillhook/pkg/order"
)

// The hosted page has no script, so that whoever plays a customer needs only a
// form: do=pay, decline, transfer, bounce or expire; lost=on keeps the step's
// events from being delivered.
var (
	//go:embed hosted/page.html
	hostedLayout string
	//go:embed hosted/page.css
	hostedStyle []byte

	hostedPage = html.Must(html.New("page").Funcs(html.FuncMap{"price": Price}).Parse(hostedLayout))
)

const (
	hostedPath  = "/c/pay/"
	hostedSheet = "page.css"
)

// What a bank transfer ends with.
var (
	arrives = told((*Factory).AsyncSucceeded, (*Factory).ChargeSucceeded, (*Factory).IntentSucceeded)
	bounces = and(told((*Factory).AsyncFailed), (*Factory).DeclinedLate)
)

// serveHosted shows the page on which the customer pays, and does what they do
// there.
func (a *API) serveHosted(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, hostedPath)
	if name == hostedSheet {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(hostedStyle)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expireWhatIsDue(time.Now())
	c := a.checkouts[name]
	switch {
	case c == nil:
		http.Error(w, "There is no such session.", http.StatusNotFound)
	case r.Method == http.MethodGet:
		c.show(w)
	case r.Method == http.MethodPost:
		to := a.act(c, r.PostForm.Get("do"), r.PostForm.Get("lost") != "")
		w.Header().Set("Content-Security-Policy", c.policy())
		http.Redirect(w, r, to, http.StatusSeeOther)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// act is what a button leads to, and where the customer is sent then. A session
// that has ended takes no more, however often a button is pressed.
func (a *API) act(c *checkout, button string, lost bool) (to string) {
	page := hostedPath + c.payment.Session
	if c.status != "open" {
		return page
	}
	c.declined = false
	switch button {
	case "pay":
		a.step(c, paidInFull, lost)
	case "decline":
		c.declined = true
		a.step(c, (*Factory).Declined, lost)
		return page
	case "transfer":
		a.step(c, underWay, lost)
		a.settle(c, arrives, lost)
	case "bounce":
		a.step(c, underWay, lost)
		a.settle(c, bounces, lost)
	case "expire":
		a.expire(c, lost)
		return page
	default:
		return page
	}
	c.status = "complete"
	return c.successURL()
}

// successURL names the session, where that was asked for.
func (c *checkout) successURL() string {
	return strings.ReplaceAll(c.payment.Asked.SuccessURL, "{CHECKOUT_SESSION_ID}", c.payment.Session)
}

// policy lets the page's form lead to the storefront: browsers hold a redirect
// after a form to form-action, too.
func (c *checkout) policy() string {
	policy := "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
	for _, address := range []string{c.payment.Asked.SuccessURL, c.payment.Asked.CancelURL} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			policy += " " + u.Scheme + "://" + u.Host
		}
	}
	return policy
}

func (c *checkout) show(w http.ResponseWriter) {
	var page bytes.Buffer
	if err := hostedPage.Execute(&page, map[string]any{
		"Name": c.name(), "Lines": c.lines, "Amount": c.payment.Amount, "Currency": c.payment.Currency, "Status": c.status,
		"Declined": c.declined, "Sheet": hostedPath + hostedSheet, "Success": c.successURL(), "Cancel": c.payment.Asked.CancelURL,
	}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", c.policy())
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = page.WriteTo(w)
}

// Price is an amount of minor units as a customer reads it.
func Price(amount int64, currency string) string {
	text, _, _ := strings.Cut(order.Money{Amount: amount, Currency: currency}.String(), " ")
	whole, _, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	if sign := map[string]string{"eur": "€", "usd": "$", "gbp": "£", "jpy": "¥"}[currency]; sign != "" {
		return sign + text
	}
	return text + " " + strings.ToUpper(currency)
}
