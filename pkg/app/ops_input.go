package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"tillhook/pkg/secret"
)

// The lengths of a signing secret, in characters. Stripe's have 38; the rest
// is room for what it may give out some day.
const (
	minSecret = 20
	maxSecret = 255
)

// readSecret reads what nobody else may see, such as "the password of a@b.c", from
// a hidden prompt, or from stdin, and checks it.
func (o *ops) readSecret(ctx context.Context, fromStdin bool, what string, check func(plain string) error) (secret.Text, error) {
	terminal := o.terminal()
	switch {
	case fromStdin && terminal != nil:
		return "", misuse("--stdin is for a pipe or a file: leave it out, and be asked")
	case !fromStdin && terminal == nil:
		return "", misuse("there is no terminal to ask for %s on; hand it over with --stdin", what)
	}
	var text []byte
	var err error
	if fromStdin {
		// Enough to notice that it is too long, blanks around it included.
		text, err = await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(o.process.Stdin, 4*maxSecret)) })
	} else {
		text, err = o.askHidden(ctx, terminal, what+" (hidden): ")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading %s: %w", what, err)
	}
	plain := strings.TrimSpace(string(text))
	return secret.Text(plain), check(plain)
}

// terminal is the terminal on stdin, nil if there is none.
func (o *ops) terminal() *os.File {
	if f, ok := o.process.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// askHidden prompts on stderr, as stdout may be a file.
func (o *ops) askHidden(ctx context.Context, terminal *os.File, prompt string) ([]byte, error) {
	fd := int(terminal.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(o.process.Stderr, prompt)
	text, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	if ctx.Err() != nil {
		err = errors.Join(err, term.Restore(fd, state)) // ReadPassword is still at it
	}
	fmt.Fprintln(o.process.Stderr)
	return text, err
}

// confirm asks a question, if there is a terminal, and reports whether the
// answer was yes.
func (o *ops) confirm(ctx context.Context, question string) (bool, error) {
	terminal := o.terminal()
	if terminal == nil {
		return true, nil // --commit and --stdin are clear enough
	}
	fmt.Fprint(o.process.Stderr, question+" [y/N] ")
	line, err := await(ctx, func() ([]byte, error) { return bufio.NewReader(terminal).ReadBytes('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(o.process.Stderr)
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(string(line)))
	return answer == "y" || answer == "yes", nil
}

// await is read, or the end of ctx: a read from a terminal or a pipe can't be
// cancelled, and Ctrl-C has to work while somebody or something is waited for.
// The program ends then, and the read with it.
func await(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, errors.New("interrupted; nothing was changed")
	}
}

// checkSigningSecret says what is wrong with a secret, and where the right one
// is, without repeating any of it.
func checkSigningSecret(plain string) error {
	const where = "It is in Stripe's Dashboard: Developers > Webhooks > the endpoint > Reveal"
	if plain == "" {
		return misuse("no secret was entered")
	}
	if kind := otherKind(plain); kind != "" {
		return misuse("this is %s, not a signing secret (whsec_…).\n%s", kind, where)
	}
	if !strings.HasPrefix(plain, "whsec_") {
		return misuse("this is no signing secret: it does not begin with whsec_.\n%s", where)
	}
	return checkCopied(plain, "secret")
}

// checkAPIKey is the same for an API key.
func checkAPIKey(plain string) error {
	const where = "It is in Stripe's Dashboard: Developers > API keys"
	if plain == "" {
		return misuse("no API key was entered")
	}
	if apiKeyPrefix(plain) != "" {
		return checkCopied(plain, "API key")
	}
	if strings.HasPrefix(plain, "whsec_") {
		return misuse("this is a signing secret (whsec_…), not an API key: ops secrets set stores it.\n%s", where)
	}
	if kind := otherKind(plain); kind != "" && !secret.IsPlain(plain) {
		return misuse("this is %s, not a secret or restricted API key.\n%s", kind, where)
	}
	return misuse("this is no API key: it does not begin with sk_live_, rk_live_, sk_test_ or rk_test_.\n%s", where)
}

// checkCopied finds what goes wrong between the Dashboard and here.
func checkCopied(plain, what string) error {
	for _, r := range plain {
		if r <= ' ' || r > '~' {
			return misuse("the %s has a blank, a line break or a letter with an accent in it: more was copied than the %s, or it was cut in two", what, what)
		}
	}
	if len(plain) < minSecret || len(plain) > maxSecret {
		return misuse("the %s has %d characters, not %d to %d: was it copied whole?", what, len(plain), minSecret, maxSecret)
	}
	return nil
}

// otherKinds are what the Dashboard shows beside signing secrets.
var otherKinds = []struct{ prefix, name string }{
	{"sk_", "a secret API key (sk_…)"},
	{"rk_", "a restricted API key (rk_…)"},
	{"pk_", "a publishable API key (pk_…)"},
	{"we_", "the id of an endpoint (we_…)"},
	{"acct_", "the id of an account (acct_…)"},
}

// otherKind names what text is when it isn't a signing secret, "" if nobody
// can tell.
func otherKind(text string) string {
	for _, k := range otherKinds {
		if strings.HasPrefix(text, k.prefix) {
			return k.name
		}
	}
	return ""
}

// secretAPIKey reports whether an argument is one. An id may begin with sk_
// too, but no more than that.
func secretAPIKey(arg string) bool { return apiKeyPrefix(arg) != "" }
