package queue

import (
	"net/http"

	"github.com/hibiken/asynqmon"
)

// Monitor is asynq's own web pages for the queues, below root. Close releases
// the connections that they hold.
type Monitor struct{ *asynqmon.HTTPHandler }

var _ http.Handler = Monitor{}

// Monitor makes the pages. With readOnly whatever would change a queue is
// refused.
func (q *Queue) Monitor(root string, readOnly bool) Monitor {
	return Monitor{asynqmon.New(asynqmon.Options{RootPath: root, RedisConnOpt: q.conn, ReadOnly: readOnly})}
}
