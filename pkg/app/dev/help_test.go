package dev_test

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"tillhook/pkg/app"
	"tillhook/pkg/app/dev"
)

// Every command's help fits a terminal of 80 columns, where a longer line breaks
// in the middle of a word.
func TestHelpFitsATerminal(t *testing.T) {
	t.Parallel()
	const columns, fewest = 80, 40
	below := regexp.MustCompile(`(?m)^  ([a-z-]+) `)
	commands := 0
	var read func(run func(context.Context, app.Process) error, name string, words []string)
	read = func(run func(context.Context, app.Process) error, name string, words []string) {
		var out bytes.Buffer
		p := app.Process{Args: append(slices.Clone(words), "--help"), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out}
		command := strings.Join(append([]string{name}, words...), " ")
		if err := run(t.Context(), p); err != nil || out.Len() == 0 {
			t.Fatalf("%s --help: %v\n%s", command, err, out.String())
		}
		commands++
		for line := range strings.Lines(out.String()) {
			line = strings.TrimRight(line, "\n")
			if n := utf8.RuneCountInString(line); n > columns {
				t.Errorf("%s --help has a line of %d columns:\n%s", command, n, line)
			}
		}
		_, list, _ := strings.Cut(out.String(), "Available Commands:\n")
		list, _, _ = strings.Cut(list, "\n\n")
		for _, m := range below.FindAllStringSubmatch(list, -1) {
			if m[1] != "help" { // it shows what --help does
				read(run, name, append(slices.Clone(words), m[1]))
			}
		}
	}
	for name, run := range map[string]func(context.Context, app.Process) error{
		"admin": app.Admin, "api": app.API, "dev": dev.Run, "ingest": app.Ingest, "ops": app.Ops, "worker": app.Worker,
	} {
		read(run, name, nil)
	}
	if commands < fewest {
		t.Errorf("only %d commands were found", commands)
	}
}
