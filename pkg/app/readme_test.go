package app_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/app"
)

// The README's table is what Config's tags say, row by row.
func TestReadmeListsTheConfiguration(t *testing.T) {
	t.Parallel()
	var want []string
	for i := range reflect.TypeFor[app.Config]().NumField() {
		tag := reflect.TypeFor[app.Config]().Field(i).Tag
		def := tag.Get("envDefault")
		if def != "" {
			def = "`" + def + "`"
		}
		name := "`" + tag.Get("env") + "`"
		if tag.Get("secret") != "" {
			name += ", `" + tag.Get("env") + "_FILE`"
		}
		want = append(want, fmt.Sprintf("| %s | %s | %s | %s |", name, def, tag.Get("for"), tag.Get("doc")))
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	_, table, _ := strings.Cut(string(text), "| variable | default | read by | meaning |\n|---|---|---|---|\n")
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		got = append(got, strings.TrimSpace(line))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Config +README)\n%s\nas it must be:\n%s", diff, strings.Join(want, "\n"))
	}
}
