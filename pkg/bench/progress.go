package bench

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress is one line that says how far we are: redrawn on a terminal, and
// printed for every step elsewhere.
type progress struct {
	out         io.Writer
	bar         bool
	begun       time.Time
	total, done int
}

func newProgress(out io.Writer, total int) *progress {
	f, ok := out.(*os.File)
	return &progress{out: out, total: total, begun: time.Now(), bar: ok && term.IsTerminal(int(f.Fd()))}
}

// step says what comes next.
func (p *progress) step(what string) {
	const width = 20
	full := width * p.done / max(p.total, 1)
	if p.bar {
		fmt.Fprintf(p.out, "\r\x1b[K  [%s%s] %3d%%  %s", strings.Repeat("█", full), strings.Repeat("·", width-full), 100*p.done/max(p.total, 1), what)
	} else {
		fmt.Fprintf(p.out, "  %5.1f s  %2d/%d  %s\n", time.Since(p.begun).Seconds(), p.done+1, p.total, what)
	}
	p.done++
}

// end takes the line away. There may have been none.
func (p *progress) end() {
	if p != nil && p.bar {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
