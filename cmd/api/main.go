// Command api is the storefront: it makes orders, leads to Stripe Checkout, and
// tells how an order stands.
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
	if err := app.API(ctx, process); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}
