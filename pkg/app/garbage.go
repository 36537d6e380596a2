package app

import (
	"runtime/debug"
	"slices"
	"strings"
)

const (
	// leanGarbage is for a process whose memory is what thousands of waiting
	// clients take: it makes little garbage beside, and to collect that sooner
	// costs next to nothing, while up to half of its memory would be garbage
	// otherwise.
	leanGarbage = 20

	// ingestGarbage and workerGarbage are for processes that hold next to nothing
	// and make garbage all the time: with the default a tenth of their work is to
	// look for it. More would take ingest above 80 MB under full load.
	ingestGarbage = 160
	workerGarbage = 400

	// busyMemory is where such a process begins to look more often, in bytes. What
	// may wait in ingest at the most, with a database that is away, is less than
	// half. A worker reads two batches at a time: they are more if most of their
	// bodies are as long as bodies may be.
	busyMemory = 192 << 20
)

// collect sets how eagerly garbage is collected, in percent of what is alive,
// and from how many bytes on more eagerly (0: never), unless the environment
// says so itself.
func (p Process) collect(percent int, limit int64) {
	set := func(name string) bool {
		return slices.ContainsFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	}
	if !set("GOGC") {
		debug.SetGCPercent(percent)
	}
	if !set("GOMEMLIMIT") && limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}
