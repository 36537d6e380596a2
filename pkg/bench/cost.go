package bench

import (
	"context"
	"maps"
)

// generator is the name of our own share, machine that of everyone there is.
const (
	generator = "generator"
	machine   = "machine"
)

// reading is what every process had used at one moment.
type reading map[string]usage

// read asks everyone. The names are those that the table shows.
func (b *bench) read(ctx context.Context, processes map[string]*process) (reading, error) {
	r := reading{generator: ownUsage(), machine: {CPU: machineBusy()}}
	var err error
	for name, p := range processes {
		if r[name], err = p.ask(command{Do: "usage"}); err != nil {
			return nil, err
		}
	}
	if b.services.postmaster != 0 {
		if r["postgres"], err = serverUsage(b.services.postmaster); err != nil {
			return nil, err
		}
	}
	r["redis"], err = redisUsage(ctx, b.services.redis)
	return r, err
}

// charge writes into f what was used between two readings.
func (f *Figure) charge(before, after reading) {
	f.CPU, f.RSS = map[string]float64{}, map[string]int64{}
	all := 0.0
	for name, u := range after {
		if name == machine {
			continue
		}
		spent := u.CPU - before[name].CPU
		all += spent
		if f.Events > 0 {
			f.CPU[name] = spent / float64(f.Events) * 1000
		}
		if u.RSS > 0 {
			f.RSS[name] = u.RSS
		}
	}
	if busy := after[machine].CPU - before[machine].CPU; busy > 0 {
		f.OthersShare = max(0, 1-all/busy)
	}
	// Of a receiver that runs elsewhere nothing is known, and so there is no share.
	if own := after[generator].CPU - before[generator].CPU; all > own {
		f.GeneratorShare = own / all
	}
	maps.DeleteFunc(f.RSS, func(name string, _ int64) bool { return name == generator })
}
