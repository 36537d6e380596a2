package app

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows how far a long command is: a bar on a terminal, a line now
// and then elsewhere.
type progress struct {
	mu     sync.Mutex
	out    io.Writer
	noun   string
	total  int
	done   int
	bar    bool
	shown  time.Time
	begun  time.Time
	silent bool // nothing was shown yet
}

const (
	barWidth = 30
	barEvery = 100 * time.Millisecond
	lineMin  = 10 * time.Second // a log wants fewer lines than an eye
)

// newProgress counts to total of noun, which is in the plural.
func newProgress(out io.Writer, total int, noun string) *progress {
	f, ok := out.(*os.File)
	now := time.Now()
	return &progress{
		out: out, noun: noun, total: total, begun: now, shown: now, silent: true,
		bar: ok && term.IsTerminal(int(f.Fd())),
	}
}

// add counts n more.
func (p *progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	every := lineMin
	if p.bar {
		every = barEvery
	}
	if time.Since(p.shown) >= every {
		p.show()
	}
}

// end takes the bar away: what follows says how it went.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar && !p.silent {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) show() {
	p.shown, p.silent = time.Now(), false
	total := max(p.total, p.done, 1) // more may come while we count
	left := time.Duration(float64(time.Since(p.begun)) / float64(max(p.done, 1)) * float64(total-p.done)).Round(time.Second)
	text := fmt.Sprintf("%3d%%  %d of %d %s, about %s left", 100*p.done/total, p.done, total, p.noun, left)
	if !p.bar {
		fmt.Fprintln(p.out, text)
		return
	}
	full := barWidth * p.done / total
	fmt.Fprint(p.out, "\r\x1b[K", cut("["+strings.Repeat("█", full)+strings.Repeat("·", barWidth-full)+"] "+text, lineWidth))
}
