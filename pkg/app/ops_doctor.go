package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// examined is the answer to "doctor".
type examined struct {
	Restaurant string    `json:"restaurant,omitempty"`
	Findings   []finding `json:"findings"`
	Faults     int       `json:"faults"`
}

// finding is one thing that was looked at.
type finding struct {
	What   string  `json:"what"`
	Says   string  `json:"says"`
	Faults []fault `json:"faults"`
}

func (a *examined) add(what, says string, faults ...fault) {
	if faults == nil {
		faults = []fault{}
	}
	a.Findings = append(a.Findings, finding{what, says, faults})
	a.Faults += len(faults)
}

func (o *ops) doctor() *cobra.Command {
	var restaurant string
	c := &cobra.Command{
		Use: "doctor", Short: "Check everything, and say how to mend it", Args: takes(),
		Long: "Looks at the configuration, Postgres, Redis, the stored secrets, the weeks of\n" +
			"events, the backlog, the orders, and the queue, with whether its tasks and the\n" +
			"stored events agree, and says of each fault what mends it. With --restaurant it\n" +
			"looks at one restaurant: its secrets, when it was last delivered to and with\n" +
			"which secret, why deliveries failed, and whether it is silent for longer than is\n" +
			"like it. It changes nothing, asks Stripe nothing, and prints no secret. Give it\n" +
			"the services' environment. The exit code is 1 if there is a fault.",
		Example: "  ops doctor\n  ops doctor --restaurant trattoria-da-marco -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			answer := examined{Restaurant: restaurant, Findings: []finding{}}
			if err := o.examine(c.Context(), &answer); err != nil {
				return err
			}
			if err := o.show(c.OutOrStdout(), answer, answer.table); err != nil {
				return err
			}
			if answer.Faults > 0 {
				return fmt.Errorf("%s found", plural(answer.Faults, "fault"))
			}
			return nil
		},
	}
	c.Flags().StringVar(&restaurant, "restaurant", "", "only this restaurant, by slug or id")
	return c
}

// patient is what is examined.
type patient struct {
	*examined
	o    *ops
	cfg  Config
	db   *postgres.DB
	ring *secret.Ring
}

// doctorPatience bounds what is read of a server that is in trouble.
const doctorPatience = 60 * time.Second

// examine looks at everything that the fault before leaves to look at. Only a
// restaurant that isn't there is an error.
func (o *ops) examine(ctx context.Context, a *examined) error {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	cfg, err := ReadConfig(o.process.Env, RoleWorker)
	var faults Faults
	if errors.As(err, &faults) {
		found := make([]fault, len(faults))
		for i, f := range faults {
			found[i] = fault{f, "set it in the environment of the services, and of this command"}
		}
		a.add("configuration", "can't be used", found...)
		if cfg, err = ReadConfig(o.process.Env, RoleOps); err != nil {
			return nil // there is nothing to look at, and it has been said
		}
	} else {
		a.add("configuration", "complete, for "+cfg.AppEnv)
	}
	ring, err := secret.ParseRing(cfg.EncKeys.Reveal())
	if err != nil {
		ring = &secret.Ring{} // said above
	}
	db, err := postgres.Open(cfg.DatabaseURL.Reveal(), postgres.Options{Name: "tillhook ops"})
	if err != nil {
		return nil // said above
	}
	defer db.Close()
	p := &patient{examined: a, o: o, cfg: cfg, db: db, ring: ring}
	if a.Restaurant != "" {
		return p.restaurant(ctx)
	}
	there := p.postgres(ctx)
	if there {
		p.whole(ctx)
	}
	p.redis(ctx, there)
	return nil
}

// look adds what one check finds; one that can't be made is a fault.
func (p *patient) look(what string, check func() (says string, faults []fault, err error)) {
	says, faults, err := check()
	if err != nil {
		says, faults = "not known", []fault{{err.Error(), "look at Postgres and Redis, then: ops doctor"}}
	}
	p.add(what, says, faults...)
}

func (a examined) table(w io.Writer) error {
	facts := make([]fact, len(a.Findings))
	for i, f := range a.Findings {
		facts[i] = fact{f.What, f.Says}
	}
	writeFacts(w, facts)
	if a.Faults == 0 {
		_, err := fmt.Fprintln(w, "\nNo faults.")
		return err
	}
	fmt.Fprintf(w, "\n%s:\n", plural(a.Faults, "fault"))
	for _, f := range a.Findings {
		for _, one := range f.Faults {
			writeFault(w, f.What, one)
		}
	}
	return nil
}

// several is "a, b, c and 5 more".
func several(names []string) string {
	if n := len(names) - maxNames; n > 0 {
		return strings.Join(names[:maxNames], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ")
}
