package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
)

// remote loads an endpoint that runs elsewhere. What it costs there, nobody
// here can know.
func (b *bench) remote(ctx context.Context) error {
	target, err := url.Parse(b.o.URL)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return errors.New("--url: want http://host:port/api/v1/webhooks/stripe/restaurant")
	}
	if b.o.Secret == "" {
		return errors.New("--url needs --secret, the endpoint's signing secret")
	}
	var steps []step
	for _, n := range b.o.Connections {
		steps = append(steps, step{Kind{Measure: Closed, Contender: target.Hostname(), Connections: n}, nil})
	}
	for _, rate := range b.o.Rates {
		steps = append(steps, step{Kind{Measure: Open, Contender: target.Hostname(), Rate: rate, Connections: openConnections}, nil})
	}
	guess := map[int]float64{}
	for i := range steps {
		steps[i].measure = func(ctx context.Context, k Kind) (Figure, error) {
			all := b.paced(k.Rate)
			if k.Rate == 0 {
				all = b.deliveries(int(max(guess[k.Connections]*1.5, guessVerify)*b.o.Lasting.Seconds()) + 1000)
			}
			sign(all, b.o.Secret, target.Host, target.RequestURI())
			before := reading{generator: ownUsage()}
			out, err := load{target: target, connections: k.Connections, rate: k.Rate, lasting: b.o.Lasting, deliveries: all,
				uncounted: b.uncounted(k.Rate)}.send(ctx)
			if err != nil {
				return Figure{}, err
			}
			f := out.figure(k)
			guess[k.Connections] = f.PerSecond
			f.charge(before, reading{generator: ownUsage()})
			if f.Events == 0 {
				return f, fmt.Errorf("no delivery was accepted: %w", out.fault)
			}
			return f, nil
		}
	}
	steps, err = only(steps, b.o.Only)
	if err != nil {
		return err
	}
	if err := b.measure(ctx, steps); err != nil {
		return err
	}
	return b.publish()
}
