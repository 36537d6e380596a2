package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The contenders' names.
const (
	tillhook   = "tillhook"
	usual      = "usual"
	verifyOnly = "verify-only"
	noop       = "asynq no-op"
	empty      = "Postgres"
)

const (
	pollEvery   = 20 * time.Millisecond // how often something is looked at that gives no signal
	readyWithin = 30 * time.Second      // how long a start may take
	doneWithin  = 5 * time.Minute       // and the working off of a backlog
)

// contender is a receiver that runs, with its databases.
type contender struct {
	name     string
	site     site
	receiver *process
	target   *url.URL
	metrics  string          // URL of the product's; "" for the others
	rates    map[int]float64 // a second by connections, as measured last

	preloaded int // finished events that were stored before the start
}

func (c *contender) stores() bool  { return c.name != verifyOnly }
func (c *contender) product() bool { return c.name == tillhook }

// start launches a receiver and waits until it takes deliveries.
func (b *bench) start(ctx context.Context, role, name string, s site) (*contender, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	c := &contender{name: name, site: s, rates: map[int]float64{}}
	env := []string{envListen + "=" + addr, "DATABASE_URL=" + s.databaseURL, "REDIS_URL=" + s.redisURL}
	if role == roleIngest {
		private, err := freeAddress()
		if err != nil {
			return nil, err
		}
		_, port, _ := net.SplitHostPort(addr)
		env = append(env, "PORT="+port, "METRICS_ADDR="+private)
		c.metrics = "http://" + private + "/metrics"
	}
	if c.receiver, err = b.launch(role, env...); err != nil {
		return nil, err
	}
	if c.target, err = url.Parse("http://" + addr + path); err != nil {
		return nil, err
	}
	err = until(ctx, readyWithin, c.receiver, func() (bool, error) {
		response, err := http.Get("http://" + addr + "/health")
		if err != nil {
			return false, nil
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for %s to be ready: %w", name, err)
	}
	return c, nil
}

// freeAddress is one of this machine's that nobody listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// until asks again and again whether something has happened, until p ends.
func until(ctx context.Context, within time.Duration, p *process, happened func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not after %s", within))
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if yes, err := happened(); yes || err != nil {
			return err
		}
		select {
		case <-p.exited:
			return p.fault(errors.Join(fmt.Errorf("%s has ended", p.name), p.err))
		case <-ctx.Done():
			return p.fault(context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// counters are the product's metrics, by name with labels.
type counters map[string]float64

func (c *contender) counters(ctx context.Context) (counters, error) {
	if c.metrics == "" {
		return counters{}, nil
	}
	return scrape(ctx, c.metrics)
}

func scrape(ctx context.Context, address string) (counters, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	defer response.Body.Close()
	all := counters{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && strings.HasPrefix(name, "tillhook_") {
			all[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return all, lines.Err()
}

// mean is a histogram's, of what came between two readings.
func mean(before, after counters, name string) float64 {
	count := after[name+"_count"] - before[name+"_count"]
	if count == 0 {
		return 0
	}
	return (after[name+"_sum"] - before[name+"_sum"]) / count
}

const (
	accepted        = `tillhook_deliveries_total{result="accepted"}`
	enqueued        = "tillhook_enqueued_total"
	enqueueFailures = "tillhook_enqueue_failures_total"
)

// settle waits until the product has queued what it has accepted: it does that
// after the answer, and it is part of the cost.
func (c *contender) settle(ctx context.Context, before counters) (after counters, err error) {
	if !c.product() {
		return counters{}, nil
	}
	err = until(ctx, doneWithin, c.receiver, func() (bool, error) {
		if after, err = c.counters(ctx); err != nil {
			return false, err
		}
		done := func(m counters) float64 { return m[enqueued] + m[enqueueFailures] - m[accepted] }
		return done(after) >= done(before), nil
	})
	return after, err
}
