package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

//go:embed templates/*.html static/*
var files embed.FS

// page is what the layout shows.
type page struct {
	Title   string
	Me      *visitor
	Path    string
	Content any
}

// pages are the templates, each with the layout around it.
type pages map[string]*template.Template

func readPages() (pages, error) {
	entries, err := files.ReadDir("templates")
	if err != nil {
		return nil, fmt.Errorf("reading the templates: %w", err)
	}
	all := pages{}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".html")
		if name == "layout" {
			continue
		}
		t, err := template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("reading template %s: %w", name, err)
		}
		all[name] = t
	}
	return all, nil
}

// render writes a whole page or, when a template fails, none of it.
func (s *Server) render(c echo.Context, status int, name string, p page) error {
	p.Me, p.Path = signedIn(c), c.Request().URL.Path
	var out bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&out, "layout.html", p); err != nil {
		return fmt.Errorf("rendering %s: %w", name, err)
	}
	return c.HTMLBlob(status, out.Bytes())
}

// version changes with the files, so that browsers may keep them for ever.
var version = func() string {
	sum := sha256.New()
	entries, err := files.ReadDir("static")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	for _, e := range entries {
		text, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}()

func (s *Server) static(c echo.Context) error {
	text, err := files.ReadFile("static/" + c.Param("file"))
	if err != nil {
		return ErrNotFound
	}
	kind := map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
	c.Response().Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	return c.Blob(http.StatusOK, kind[c.Param("file")[strings.LastIndexByte(c.Param("file"), '.')+1:]], text)
}

var functions = template.FuncMap{
	"version": func() string { return version },
	"money":   money, "ago": ago, "clock": clock, "plural": plural, "millis": millis, "short": short, "tone": tone,
	"within":  func(d time.Duration) string { return millis(float64(d.Microseconds()) / 1000) },
	"replays": func(status string) bool { return event.Status(status).Replayable() },
	"seconds": func(s float64) string { return since(time.Duration(s * float64(time.Second))) },
	// Rounded to the nearest minute: a day that has just begun is a day.
	"left": func(from time.Time, to *time.Time) string { return since(to.Sub(from).Round(time.Minute)) },
	"under": func(path, section string) bool {
		return path == section || section != root && strings.HasPrefix(path, section+"/")
	},
}

// tone is the colour of a status; the text says the same.
func tone(status string) string {
	switch status {
	case "COMPLETED", "PAID", "applied", "active":
		return "good"
	case "FAILED", "VERIFICATION_FAILED", "NO_CONFIG", "PAYMENT_FAILED", "DISPUTED", "DISPUTE_LOST", "REVIEW":
		return "bad"
	case "PROCESSING", "PAYMENT_PENDING", "PENDING":
		return "open"
	}
	return "plain"
}

func money(amount int64, currency string) string {
	return order.Money{Amount: amount, Currency: currency}.String()
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// ago is how long ago a time was; nil was never.
func ago(v any) string {
	var t time.Time
	switch v := v.(type) {
	case time.Time:
		t = v
	case *time.Time:
		if v == nil {
			return "never"
		}
		t = *v
	}
	return since(time.Since(t)) + " ago"
}

func since(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 4*24*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// millis is a time that was measured in milliseconds.
func millis(ms float64) string {
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 120_000:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
	return since(time.Duration(ms) * time.Millisecond)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// short is an id that fits into a table; the whole of it is in the link.
func short(id string) string {
	if len(id) > 20 {
		return id[:12] + "…" + id[len(id)-6:]
	}
	return id
}
