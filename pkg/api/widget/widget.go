// Package widget is the script that shows customers how their order stands.
package widget

import (
	_ "embed" // for the script
	"strings"
)

//go:embed widget.js
var source string

// tight has no spaces around what joins the parts of a line of code. The widget's
// texts have none of these in them.
var tight = strings.NewReplacer(" => ", "=>", " = ", "=", " ?? ", "??", " && ", "&&", " || ", "||", " + ", "+")

// Script is what is served: the source without what only its readers need, the
// comments, indents and most spaces. Comments stand on lines of their own.
var Script = func() []byte {
	_, code, _ := strings.Cut(source, "*/\n")
	var b strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			b.WriteString(tight.Replace(line) + "\n")
		}
	}
	return []byte(b.String())
}()
