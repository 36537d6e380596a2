package app

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
)

// writing is the flags of a command that writes.
type writing struct {
	commit bool
	as     string
}

func (w *writing) flags(c *cobra.Command) {
	c.Flags().BoolVar(&w.commit, "commit", false, "do it; otherwise only say what would be done")
	c.Flags().StringVar(&w.as, "as", "", "`name` for the audit (default you@this-machine)")
}

// maxActor bounds an actor's name in the audit, in characters.
const maxActor = 100

// begin is what such a command answers with.
func (o *ops) begin(c *cobra.Command, w writing) (written, error) {
	actor := w.as
	if actor == "" {
		actor = o.user()
	}
	if blank(actor) || utf8.RuneCountInString(actor) > maxActor || printable(actor) != actor {
		return written{}, misuse("--as: want a name of up to %d printable characters", maxActor)
	}
	_, action, _ := strings.Cut(c.CommandPath(), " ")
	return written{Action: action, Committed: w.commit, Actor: actor}, nil
}

// written is how every command that writes, or would, begins its answer.
type written struct {
	Action    string   `json:"action"`
	Committed bool     `json:"committed"` // false: nothing was changed
	Actor     string   `json:"actor"`
	Warnings  []string `json:"warnings,omitempty"`
	warned    bool     // they were read before the answer
}

func (w written) by() postgres.Operator { return postgres.Operator{Actor: w.Actor, Action: w.Action} }

func (w *written) warn(format string, args ...any) {
	w.Warnings = append(w.Warnings, fmt.Sprintf(format, args...))
}

// verb is how a sentence begins: "Would store", or what was done.
func (w written) verb(would, done string) string {
	if w.Committed {
		return done
	}
	return "Would " + would
}

// end says what there is to mind, and how to do it in earnest.
func (w written) end(out io.Writer) error {
	if !w.warned {
		w.writeWarnings(out)
	}
	if !w.Committed {
		fmt.Fprintln(out, "\nNothing was changed. To do it, add --commit.")
	}
	return nil
}

// endOf is end for a command that may have found nothing to do: --commit would do
// nothing, either.
func (w written) endOf(n int, out io.Writer) error {
	if n == 0 {
		w.Committed = true
	}
	return w.end(out)
}

func (w written) writeWarnings(out io.Writer) {
	for _, warning := range w.Warnings {
		writeHanging(out, "! ", warning)
	}
}

// user is who runs this: the one behind sudo, if there is one.
func (o *ops) user() string {
	env := make(map[string]string, len(o.process.Env))
	for _, line := range o.process.Env {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	name := cmp.Or(env["SUDO_USER"], env["USER"])
	if name == "" {
		name = "unknown"
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

// newID is an id for a row of ours: 80 random bits, short enough for a table.
func newID(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()[:16]) }

func blank(text string) bool { return strings.TrimFunc(text, unicode.IsSpace) == "" }
