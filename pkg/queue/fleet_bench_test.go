package queue

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

// How many tasks a process takes from the queue and is done with, in a second:
// go test ./pkg/queue -run xxx -bench Work -benchtime 50000x -cpu 2
func BenchmarkWork(b *testing.B) {
	q := benchOn(b, devstack.RealRedis(b).URL)
	var filling sync.WaitGroup
	var next atomic.Int64
	for range 64 {
		filling.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := q.Enqueue(b.Context(), ref(fmt.Sprint(i)), completed); err != nil {
					b.Error(err)
				}
			}
		})
	}
	filling.Wait()
	b.ResetTimer()
	left := atomic.Int64{}
	left.Store(int64(b.N))
	done := make(chan struct{})
	shutdown := q.fleet(FleetConfig{}, func(context.Context, event.Attempt) error {
		if left.Add(-1) == 0 {
			close(done)
		}
		return nil
	})
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	b.StopTimer()
	shutdown()
}
