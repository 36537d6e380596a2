package app

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// lineWidth is the terminal that output is made for.
const lineWidth = 80

// table is columns of text, two blanks apart. If it is wider than a terminal,
// the column elastic gives way, if it is a column; its whole text is in the JSON.
type table struct {
	columns []string
	right   []int // numbers of columns that are aligned to the right
	elastic int
	ends    bool // the elastic column's cells differ at their ends: cut in the middle
	rows    [][]string
	below   []string // by row, a text under it; fewer are none for the others
}

// minElastic is what is left of the elastic column at the least.
const minElastic = 10

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(w io.Writer) error {
	widths, total := make([]int, len(t.columns)), -2
	for _, row := range append([][]string{t.columns}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, n := range widths {
		total += n + 2
	}
	if excess := total - lineWidth; excess > 0 && t.elastic >= 0 {
		widths[t.elastic] = min(widths[t.elastic], max(minElastic, widths[t.elastic]-excess))
	}
	for n, row := range append([][]string{t.columns}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			if i == t.elastic && t.ends {
				cell = cutMiddle(cell, widths[i])
			}
			cell = cut(cell, widths[i])
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if slices.Contains(t.right, i) {
				cell, pad = pad+cell, ""
			}
			line.WriteString(cell + pad + "  ")
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
		if n > 0 && n <= len(t.below) && t.below[n-1] != "" {
			writeHanging(w, "    ", t.below[n-1])
		}
	}
	return nil
}

// fact is a labelled line; a long text goes on under itself.
type fact struct{ label, text string }

func writeFacts(w io.Writer, facts []fact) {
	wide := 0
	for _, f := range facts {
		wide = max(wide, len(f.label))
	}
	for _, f := range facts {
		writeHanging(w, fmt.Sprintf("  %-*s  ", wide, f.label), f.text)
	}
}

// writeHanging writes text after start, broken at blanks where the terminal
// ends, each line as far in as the first.
func writeHanging(w io.Writer, start, text string) {
	indent := utf8.RuneCountInString(start)
	line := start
	used := indent
	for word := range strings.FieldsSeq(whole(printable(text), lineWidth-indent)) {
		n := utf8.RuneCountInString(word)
		if used > indent && used+1+n > lineWidth {
			fmt.Fprintln(w, line)
			line, used = strings.Repeat(" ", indent), indent
		}
		if used > indent {
			line, used = line+" ", used+1
		}
		line, used = line+strings.ReplaceAll(word, glue, " "), used+n
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// glue is a blank at which no line is broken. No printable text has it.
const glue = "\x00"

// commandAtHand is a command of ours that a sentence comes to, after a colon.
var commandAtHand = regexp.MustCompile(`: ops [^;,()]+`)

// whole keeps the commands in a text on one line each, if it has room for them:
// who is to run one wants to copy it.
func whole(text string, room int) string {
	return commandAtHand.ReplaceAllStringFunc(text, func(found string) string {
		command := strings.TrimSpace(strings.TrimPrefix(found, ": "))
		if utf8.RuneCountInString(command) > room {
			return found
		}
		return ": " + strings.ReplaceAll(command, " ", glue) + found[len(": ")+len(command):]
	})
}

// TellError writes the error with which ops ends as a terminal shows it: no line
// is wider than that, and what belongs together, as an id or a URL, is in one piece.
// A message's own lines stay lines.
func TellError(w io.Writer, err error) {
	const name = "ops: "
	start := name
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		text := strings.TrimLeft(line, " ")
		writeHanging(w, start+line[:len(line)-len(text)], text)
		start = strings.Repeat(" ", len(name))
	}
}

// printable is text that can't command a terminal: names come from people.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

func cut(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return strings.TrimRight(string(runes[:width-1]), " ") + "…"
	}
	return text
}

// cutMiddle leaves a third of what there is room for to the beginning.
func cutMiddle(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	first := (width - 1) / 3
	return string(runes[:first]) + "…" + string(runes[len(runes)-(width-1-first):])
}

// span is a time with one unit, rounded down, so that it says what has passed.
func span(d time.Duration) string {
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
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}

// left is a time with one unit, rounded up, so that a fresh overlap of 72 h
// has 72 h left.
func left(d time.Duration) string {
	unit := time.Second
	switch {
	case d > 4*24*time.Hour:
		unit = 24 * time.Hour
	case d > 2*time.Hour:
		unit = time.Hour
	case d > 2*time.Minute:
		unit = time.Minute
	}
	return span((d + unit - 1).Truncate(unit))
}

// ago is how long before now t was.
func ago(now time.Time, t *time.Time) string {
	if t == nil {
		return "never"
	}
	return span(now.Sub(*t)) + " ago"
}

// clockTime is a time to the second, in UTC.
func clockTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// utc is a time for JSON: RFC 3339 in UTC, to the second.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC().Truncate(time.Second)
	return &u
}

// ofRestaurant names an order with its restaurant, if that is known.
func ofRestaurant(id, slug string) string {
	if slug == "" {
		return id
	}
	return id + " of " + slug
}

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
