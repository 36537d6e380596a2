package app

import (
	"fmt"
	"io"
	"runtime"
)

// release is the version that was built, as the image's build says by -ldflags.
// Go's own stamp of the repository would need the repository in the build.
var release = "unreleased"

// Version names this build.
func Version() string {
	return fmt.Sprintf("tillhook %s %s %s/%s", release, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// asked answers --version and --help, which are all that a service takes. done
// says that there is nothing left to do.
func (p Process) asked(name, does string) (done bool, err error) {
	if len(p.Args) == 0 {
		return false, nil
	}
	switch arg := p.Args[0]; {
	case len(p.Args) > 1:
	case arg == "--version" || arg == "-version":
		return true, line(p.Stdout, Version())
	case arg == "--help" || arg == "-help" || arg == "-h":
		return true, line(p.Stdout, name+" "+does+
			"\n\nIt takes no arguments: its configuration comes from the environment, as"+
			"\nREADME.md lists it. A value that is missing or wrong stops it with every fault;"+
			"\nSIGTERM ends it in order. --version says what was built.")
	}
	return true, misuse("%s takes no arguments; see: %s --help", name, name)
}

func line(w io.Writer, text string) error {
	_, err := fmt.Fprintln(w, text)
	return err
}
