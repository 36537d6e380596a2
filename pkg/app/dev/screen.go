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
	sc := &screen{w: w, show: s, started: time.Now(), last: map[*scene]string{}}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		width, height, err := term.GetSize(int(f.Fd()))
		// A table that scrolls can't be drawn over.
		sc.live = err == nil && width >= 78 && height >= orderCount+8
	}
	fmt.Fprintln(w)
	if !sc.live {
		fmt.Fprintln(w, "  "+heading())
	}
	return sc
}

// finish shows what had no reason to move, where only moves were shown.
func (sc *screen) finish() {
	for _, o := range sc.show.orders {
		if !sc.live && !o.moved() {
			fmt.Fprintln(sc.w, "  "+sc.line(o))
		}
	}
}

// row is 78 columns with its indent, whatever the states.
const row = "%-9s %-20s %-18s %-15s %s"

func heading() string {
	return fmt.Sprintf(row, "ORDER", "STORY", "RESTAURANT", "STATUS", "PAYMENT")
}

func (sc *screen) draw() {
	var b strings.Builder
	if sc.live && sc.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", sc.lines)
	}
	if sc.live {
		b.WriteString("  " + heading() + "\n")
	}
	done := 0
	for _, o := range sc.show.orders {
		line := sc.line(o)
		if o.done() {
			done++
		}
		switch {
		case sc.live:
			b.WriteString("  " + paint(o, line) + "\n")
		case o.moved() && sc.last[o] != line:
			b.WriteString("  " + line + "\n")
			sc.last[o] = line
		}
	}
	if sc.live {
		fmt.Fprintf(&b, "\n  %d of %d orders where they must be, %d deliveries, %s\n", done, len(sc.show.orders),
			sc.show.deliveries.Load(), time.Since(sc.started).Round(100*time.Millisecond))
	}
	sc.lines = len(sc.show.orders) + 3
	io.WriteString(sc.w, b.String())
}

func (sc *screen) line(o *scene) string {
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
