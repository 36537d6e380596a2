// Command ingest receives Stripe's deliveries: the only part that is open to the
// internet.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"tillhook/pkg/app"
)

func main() {
	app.Relax()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C doesn't ask
	process := app.Process{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if err := app.Ingest(ctx, process); err != nil {
		fmt.Fprintln(os.Stderr, "ingest:", err)
		os.Exit(1)
	}
}
