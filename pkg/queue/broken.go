package queue

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protowire"
)

// What asynq keeps of a task is a message of these fields, among others.
const (
	fieldPayload = 2
	fieldID      = 3
	fieldQueue   = 4
	fieldHeaders = 15 // we have none
)

// sound reports whether asynq can read what was taken, and takes it for the task
// that it is. What it can't read it leaves active, and has no end for: each minute
// that one keeps it from looking after the tasks of workers that have died.
func (t taken) sound(q *stock) bool {
	var id, queue string
	for rest := []byte(t.content); len(rest) > 0; {
		field, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return false
		}
		rest = rest[n:]
		if n = protowire.ConsumeFieldValue(field, kind, rest); n < 0 {
			return false
		}
		if kind == protowire.BytesType && field != fieldPayload && field != fieldHeaders {
			text, _ := protowire.ConsumeBytes(rest)
			if !utf8.Valid(text) {
				return false
			}
			switch field {
			case fieldID:
				id = string(text)
			case fieldQueue:
				queue = string(text)
			}
		}
		rest = rest[n:]
	}
	return id == t.id && q.prefix == "asynq:{"+queue+"}:"
}

// drop removes a task that can't be read. If it was an event's, the recoverer
// makes another for it; where the event is, nothing is lost. A task that can't be
// removed now is one whose worker has died.
func (a *ahead) drop(ctx context.Context, q *stock, t taken) {
	_, err := a.shared.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.LRem(ctx, q.prefix+"active", 0, t.id)
		p.ZRem(ctx, q.prefix+"lease", t.id)
		p.Del(ctx, q.prefix+"t:"+t.id)
		return nil
	})
	why := "asynq can't read it"
	if err != nil {
		why = fmt.Sprintf("%s, and it can't be removed: %v", why, err)
	}
	a.log.Error("task dropped", "id", t.id, "error", why)
}
