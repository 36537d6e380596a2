// Package widget is the script that shows customers how their order stands.
package widget

import (
	_ "embed" // for the script
	"strings"
)

//go:embed widget.js
var source string

// Script is what is served: the source without what only its readers need, the
// comments and indents. Each stands on lines of its own.
var Script = func() []byte {
	_, code, _ := strings.Cut(source, "*/\n")
	var b strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			b.WriteString(line + "\n")
		}
	}
	return []byte(b.String())
}()
