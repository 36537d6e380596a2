package app

import (
	"context"
	"log/slog"
	"time"
)

// leaveLate runs a server until some time after ctx has ended. Meanwhile it
// serves on, and is unready: a balancer that sends it one request more before it
// has noticed must find it there.
func leaveLate(ctx context.Context, delay time.Duration, log *slog.Logger, serve func(context.Context) error) error {
	late, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		if delay > 0 {
			log.Info("leaving", "serving on for", delay.String())
		}
		select {
		case <-time.After(delay):
			stop()
		case <-late.Done(): // it could not serve any more
		}
	})()
	return serve(late)
}
