// Command dev runs the whole product on this machine, with nothing but Go, and
// plays real payments through it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"tillhook/pkg/app"
	"tillhook/pkg/app/dev"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C doesn't ask
	process := app.Process{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if err := dev.Run(ctx, process); err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}
