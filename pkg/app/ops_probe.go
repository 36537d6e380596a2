package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"
)

// probeTimeout is how long a service may take to say that it is ready: longer
// than its own checks do.
const probeTimeout = 3 * time.Second

func (o *ops) probe() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "probe [URL]", Short: "Ask a service here whether it is ready", Args: mayTake("URL"),
		Long: "Asks the private address (METRICS_ADDR) of the service whose environment this is\n" +
			"for /readyz, or the URL that is given, and prints the answer. The exit code is 1\n" +
			"for anything but a 200. It is the health check of containers, which have neither\n" +
			"shell nor curl.",
		Example: "  ops probe --wait 30s\n  ops probe http://127.0.0.1:3001/health",
		RunE: func(c *cobra.Command, args []string) error {
			target, err := o.probed(args)
			if err != nil {
				return err
			}
			return askReady(c.Context(), c.OutOrStdout(), target, wait)
		},
	}
	c.Flags().DurationVar(&wait, "wait", 0, "ask again until it is ready, for so long")
	return c
}

// probed is the URL to ask. A service that listens on all addresses is asked on
// the loopback one.
func (o *ops) probed(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	host, port, err := net.SplitHostPort(env.ToMap(o.process.Env)["METRICS_ADDR"])
	if err != nil {
		return "", misuse("METRICS_ADDR is not set here to host:port; name the URL to ask: ops probe URL")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

// askReady asks until the answer is 200 or wait is over, and prints the last
// answer.
func askReady(ctx context.Context, w io.Writer, url string, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		answer, err := askOnce(ctx, url)
		if err == nil || time.Now().After(deadline) || ExitCode(err) == 2 {
			_, printing := w.Write(answer)
			return errors.Join(err, printing)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func askOnce(ctx context.Context, url string) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, misuse("not a URL to ask: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking whether it is ready: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("not ready: %s", resp.Status)
	}
	return answer, nil
}
