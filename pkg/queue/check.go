package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tillhook/pkg/event"
)

// WithoutTask answers which of some events have no task that will run, by their
// ids. Unlike Requeue it changes nothing.
func (q *Queue) WithoutTask(ctx context.Context, events []event.Unfinished) ([]string, error) {
	states := make([]*redis.StringCmd, len(events))
	_, err := q.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, e := range events {
			states[i] = p.HGet(ctx, "asynq:{"+queueOf(e.Type)+"}:t:"+e.ID, "state")
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("looking for the tasks of %d events: %w", len(events), err)
	}
	var without []string
	for i, e := range events {
		switch state, err := states[i].Result(); {
		case err != nil && !errors.Is(err, redis.Nil):
			return nil, fmt.Errorf("looking for the task of %s: %w", e.ID, err)
		case err != nil, state == "archived", state == "completed":
			without = append(without, e.ID)
		}
	}
	return without, nil
}

// TaskIDs lists tasks by their ids, which are those of their events: of each
// queue and state, so many at the most.
func (q *Queue) TaskIDs(ctx context.Context, limit int) ([]string, error) {
	var all []string
	for _, name := range []string{Critical, Default, Low} {
		for _, list := range []func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
			q.inspector.ListPendingTasks, q.inspector.ListActiveTasks, q.inspector.ListScheduledTasks,
			q.inspector.ListRetryTasks, q.inspector.ListArchivedTasks,
		} {
			tasks, err := list(name, asynq.PageSize(limit))
			if errors.Is(err, asynq.ErrQueueNotFound) {
				break // nobody has ever put a task in
			}
			if err != nil {
				return nil, fmt.Errorf("listing the tasks of queue %s: %w", name, err)
			}
			for _, t := range tasks {
				if t.Type == TaskType {
					all = append(all, t.ID)
				}
			}
			if err := ctx.Err(); err != nil { // asynq takes none
				return nil, err
			}
		}
	}
	return all, nil
}
