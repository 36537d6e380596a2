package dev

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// screen shows the orders: as a table that is redrawn on a terminal, elsewhere
// as one line for each change.
type screen struct {
	w       io.Writer
	show    *show
	live    bool
	started time.Time
	lines   int               // drawn last time
	last    map[*scene]string // what each order's line was
}

func newScreen(w io.Writer, s *show) *screen {
	scr := &screen{w: w, show: s, started: time.Now(), last: map[*scene]string{}}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		width, height, err := term.GetSize(int(f.Fd()))
		// A table that scrolls can't be drawn over.
		scr.live = err == nil && width >= 78 && height >= orderCount+8
	}
	fmt.Fprintln(w)
	if !scr.live {
		fmt.Fprintln(w, "  "+heading())
	}
	return scr
}

// finish shows what had no reason to move, where only moves were shown.
func (scr *screen) finish() {
	for _, o := range scr.show.orders {
		if !scr.live && !o.moved() {
			fmt.Fprintln(scr.w, "  "+scr.line(o))
		}
	}
}

// row is 78 columns with its indent, whatever the states.
const row = "%-9s %-20s %-18s %-15s %s"

func heading() string {
	return fmt.Sprintf(row, "ORDER", "STORY", "RESTAURANT", "STATUS", "PAYMENT")
}

func (scr *screen) draw() {
	var b strings.Builder
	if scr.live && scr.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", scr.lines)
	}
	if scr.live {
		b.WriteString("  " + heading() + "\n")
	}
	done := 0
	for _, o := range scr.show.orders {
		line := scr.line(o)
		if o.done() {
			done++
		}
		switch {
		case scr.live:
			b.WriteString("  " + paint(o, line) + "\n")
		case o.moved() && scr.last[o] != line:
			b.WriteString("  " + line + "\n")
			scr.last[o] = line
		}
	}
	if scr.live {
		fmt.Fprintf(&b, "\n  %d of %d orders where they must be, %d deliveries, %s\n", done, len(scr.show.orders),
			scr.show.deliveries.Load(), time.Since(scr.started).Round(100*time.Millisecond))
	}
	scr.lines = len(scr.show.orders) + 3
	io.WriteString(scr.w, b.String())
}

func (scr *screen) line(o *scene) string {
	return fmt.Sprintf(row, strings.TrimPrefix(o.payment.OrderID, "order-"), o.story, o.restaurant.slug, o.order, o.payState)
}

// paint colours by what the customer would feel.
func paint(o *scene, line string) string {
	colour := "0"
	switch {
	case o.forged:
		colour = "2" // dim: nothing may ever happen here
	case o.order == "PAID":
		colour = "32" // green
	case o.order == "EXPIRED":
		colour = "33" // yellow
	case o.payState == "FAILED":
		colour = "31" // red
	case o.payState == "PROCESSING":
		colour = "36" // cyan
	}
	return "\x1b[" + colour + "m" + line + "\x1b[0m"
}
