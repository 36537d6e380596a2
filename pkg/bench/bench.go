// Package bench measures the product: how fast it acknowledges, works off and
// finishes, at what cost, and against what is usual. Receiver and worker are
// processes of their own on real services, and contenders take turns, so that
// the ratios hold on any machine, and a noisy moment hits everyone.
package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"tillhook/pkg/app"
)

// Options say what is measured.
type Options struct {
	Connections []int         // closed loops: how many connections
	Rates       []float64     // open loops: deliveries a second
	Rounds      int           // how often everything is measured
	Lasting     time.Duration // of one measurement
	Drain       int           // events that a worker is to work off
	Duplicates  int           // percent of deliveries that come twice
	Stored      int           // finished events to be stored before, beside an empty table
	Concurrency []int         // of the product's worker

	Only []string // measure only what has one of these in its name; none means everything

	Strict bool // a delivery that fails is an error, and not only counted

	// URL is an endpoint that runs elsewhere, and Secret its signing secret:
	// then only deliveries are sent there.
	URL, Secret string

	JSON     string // file for all figures; "" for none
	Report   string // file for the page with plots; "" for none
	Profiles string // folder for CPU profiles of ingest and worker; "" for none

	Dir  string   // where the services' data and our logs live; "" for devstack's default
	Self []string // command that runs Role when a role's name is appended
}

// bench is one run.
type bench struct {
	o    Options
	p    app.Process
	dir  string   // logs of the processes
	env  []string // of the processes
	seed uint64
	// series numbers the sets of deliveries, so that no two share an event.
	series uint64

	secret, encKey string
	services       services
	noopRedis      string // where asynq's own speed is measured
	running        []*process
	progress       *progress
	profiling      bool
	result         Result
}

// Run measures, prints the table, and writes the files that the options name.
func Run(ctx context.Context, p app.Process, o Options) (err error) {
	b := &bench{o: o, p: p, secret: "whsec_" + random(16), encKey: random(32), seed: uint64(time.Now().UnixNano())}
	if b.dir, err = os.MkdirTemp("", "tillhook-bench-"); err != nil {
		return fmt.Errorf("making a folder for logs: %w", err)
	}
	b.env = append(append([]string{}, p.Env...), "APP_ENV=production", "PAYMENT_CONFIG_ENC_KEY="+b.encKey, envSecret+"="+b.secret,
		"DATABASE_URL_FILE=", "REDIS_URL_FILE=", "PAYMENT_CONFIG_ENC_KEY_FILE=", "TRUSTED_PROXIES=", "STRIPE_IP_ALLOWLIST=")
	defer func() {
		if ctx.Err() != nil {
			err = errors.New("stopped before the end")
		}
		err = errors.Join(err, b.close())
	}()
	if o.URL != "" {
		return b.remote(ctx)
	}
	if err := b.openServices(ctx); err != nil {
		return err
	}
	about := b.services.about
	b.say("%s", about.Postgres)
	b.say("fsync %s, synchronous_commit %s, full_page_writes %s", about.Fsync, about.SynchronousCommit, about.FullPageWrites)
	b.say("%s, %d CPUs shared by everyone", about.Redis, runtime.NumCPU())
	s, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	steps, err := only(b.steps(s), o.Only)
	if err != nil {
		return err
	}
	if err := b.measure(ctx, steps); err != nil {
		return err
	}
	if err := b.profile(ctx, s); err != nil {
		return err
	}
	return b.publish()
}

// close ends everything that was started, in order, and removes the logs.
func (b *bench) close() error {
	b.progress.end()
	var faults []error
	for len(b.running) > 0 {
		faults = append(faults, b.stop(b.running[len(b.running)-1]))
	}
	faults = append(faults, b.services.close(), os.RemoveAll(b.dir))
	return errors.Join(faults...)
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.out(), "  "+format+"\n", args...) }

func (b *bench) out() io.Writer { return b.p.Stdout }

func random(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw) // never fails
	return hex.EncodeToString(raw)
}
