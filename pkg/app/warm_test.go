package app_test

import "testing"

// A worker that has had no event yet is ready for one.
func TestWorkerIsWarmBeforeItsFirstEvent(t *testing.T) {
	p := start(t, parts{})
	p.eventually("the worker has its connections for batches", func() bool {
		return p.scalar(`SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database()
			AND application_name = 'tillhook worker ledger' AND state = 'idle'`) == "2"
	})
}
