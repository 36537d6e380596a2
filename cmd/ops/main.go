// Command ops is the operators' command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"tillhook/pkg/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C doesn't ask
	process := app.Process{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if err := app.Ops(ctx, process); err != nil {
		app.TellError(os.Stderr, err)
		os.Exit(app.ExitCode(err))
	}
}
