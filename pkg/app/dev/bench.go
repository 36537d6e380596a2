package dev

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/app"
	"tillhook/pkg/bench"
)

// roleName is how bench starts its processes: this program again.
const roleName = "bench-role"

const benchHelp = `Measures acknowledged deliveries, the whole way to a committed order, the
worker alone, and what each costs, with a receiver and a worker in processes of
their own on a Postgres that commits durably and a real Redis: those that
DATABASE_URL and REDIS_URL name (in databases of its own, which it removes),
otherwise ones that it starts.

On the same services and in turns, so that the ratios hold on any machine:
  verify-only  Echo and the check of the signature, nothing stored: the ceiling
  usual        Echo, the SDK's full decode, one INSERT, the task queued before
               the answer; its worker does one statement per step
  asynq no-op  asynq's worker with tasks that do nothing

Closed loops send as fast as they are answered; what is paced, or an open loop
with a worker beside the receiver, sends at a fixed rate, with times from the
moment at which a delivery was due, after a second that does not count. That an
order is committed is heard from a trigger's notification. A bad ratio is shown,
and no error; a delivery that was answered with 200 and is not stored, or an
order that is not PAID in the end, is one.`

const benchExamples = `  go run ./cmd/dev bench                     everything, in five minutes
  go run ./cmd/dev bench --quick             only whether all is stored and paid
  go run ./cmd/dev bench --connections 1,16,64,256 --rate 500,1000,2000
  go run ./cmd/dev bench --report bench.html the same, and more, as a page
  go run ./cmd/dev bench --only 'open loop'  one kind of measurement, in seconds
  go run ./cmd/dev bench --stored 5000000    beside an empty table, a full one
  go run ./cmd/dev bench --pprof profiles    CPU profiles of ingest and worker
  go run ./cmd/dev bench --secret whsec_… \
    --url http://host:3000/api/v1/webhooks/stripe/slug`

func benchCommand(p app.Process) *cobra.Command {
	o := bench.Options{}
	var quick bool
	c := &cobra.Command{
		Use: "bench", Short: "Measure how fast the product is, against what is usual", Args: cobra.NoArgs,
		Long: benchHelp, Example: benchExamples,
		RunE: func(c *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding this program: %w", err)
			}
			o.Self = []string{self, roleName}
			if o.Report != "" {
				unlessAsked(c, map[string]func(){
					"connections": func() { o.Connections = []int{1, 16, 64, 256} },
					"rate":        func() { o.Rates = []float64{250, 500, 1000, 2000, 4000} },
					"concurrency": func() { o.Concurrency = []int{8, 64, 384} },
				})
			}
			if quick {
				o.Strict = true
				unlessAsked(c, map[string]func(){
					"connections": func() { o.Connections = []int{8} },
					"rate":        func() { o.Rates = []float64{200} },
					"rounds":      func() { o.Rounds = 1 },
					"lasting":     func() { o.Lasting = 300 * time.Millisecond },
					"drain":       func() { o.Drain = 400 },
				})
			}
			return bench.Run(c.Context(), p, o)
		},
	}
	flags := c.Flags()
	flags.IntSliceVar(&o.Connections, "connections", []int{64, 256}, "closed loops: connections that send as fast as they are answered")
	flags.Float64SliceVar(&o.Rates, "rate", []float64{1000}, "open loops: deliveries a second, answered or not")
	flags.IntSliceVar(&o.Concurrency, "concurrency", []int{384}, "WORKER_CONCURRENCY of the product's worker")
	flags.StringArrayVar(&o.Only, "only", nil, "measure only what has this in its name, as the progress shows it; may be given again")
	flags.IntVar(&o.Rounds, "rounds", 3, "how often everything is measured, in turns")
	flags.DurationVar(&o.Lasting, "lasting", 3*time.Second, "how long one measurement takes")
	flags.IntVar(&o.Drain, "drain", 10_000, "events that a worker works off")
	flags.IntVar(&o.Duplicates, "duplicates", 20, "percent of deliveries that come twice at once; 0 leaves it out")
	flags.IntVar(&o.Stored, "stored", 0, "finished events to store before, beside an empty table; 5000000 take minutes and 6 GB")
	flags.StringVar(&o.JSON, "json", "bench.json", "file for all figures")
	flags.StringVar(&o.Report, "report", "", "HTML file with plots; sweeps connections, rates and concurrency unless they are given")
	flags.StringVar(&o.Profiles, "pprof", "", "folder for CPU profiles, taken after the measurements")
	flags.StringVar(&o.URL, "url", "", "endpoint that runs elsewhere: only send deliveries there. It stores them")
	flags.StringVar(&o.Secret, "secret", "", "signing secret of the endpoint at --url")
	flags.StringVar(&o.Dir, "dir", "", "where the services' data live while it runs (default as for dev)")
	flags.BoolVar(&quick, "quick", false, "a few seconds: nothing measured well, but everything checked")
	return c
}

// unlessAsked replaces the defaults of flags that were not given.
func unlessAsked(c *cobra.Command, defaults map[string]func()) {
	for name, replace := range defaults {
		if !c.Flags().Changed(name) {
			replace()
		}
	}
}

func roleCommand(p app.Process) *cobra.Command {
	return &cobra.Command{
		Use: roleName + " NAME", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p.Args = args
			return bench.Role(c.Context(), p)
		},
	}
}
