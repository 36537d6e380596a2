// Command worker is the fleet that works stored events off, with its background
// roles.
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
	if err := app.Worker(ctx, process); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}
