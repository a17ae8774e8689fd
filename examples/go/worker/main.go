// Worker does the pending tasks of the group whose id is its argument.
//
// It holds one lease for all of its tasks, and renews it by heartbeats, which also tell what to stop.
// Every call for a task carries its fence. Before it takes money it asks.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"countermand/connect"
	"countermand/v1"
)

const (
	lease    = 30 * time.Second
	interval = lease / 3
)

type worker struct {
	id      string
	agents  countermandv1.AgentServiceClient
	tasks   countermandv1.TaskServiceClient
	stopped sync.Map // the ids of the tasks that are to stop
}

func main() {
	channel := connect.Dial()
	defer channel.Close()
	worker := &worker{
		id:     fmt.Sprint("worker-", os.Getpid()),
		agents: countermandv1.NewAgentServiceClient(channel),
		tasks:  countermandv1.NewTaskServiceClient(channel),
	}
	go worker.beat()
	if err := worker.doAll(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func (w *worker) beat() {
	for range time.Tick(interval) {
		err := connect.Insist(func(ctx context.Context) error {
			answer, err := w.agents.Heartbeat(ctx, &countermandv1.HeartbeatRequest{
				AgentId: w.id, LeaseDuration: durationpb.New(lease),
			})
			for _, stop := range answer.GetStops() {
				w.stopped.Store(stop.GetTaskId(), true)
			}
			return err
		})
		if err != nil {
			log.Print(err)
		}
	}
}

func (w *worker) doAll(groupID string) error {
	pending := &countermandv1.ListTasksRequest{
		Filter:   &countermandv1.TaskFilter{GroupId: groupID},
		States:   []countermandv1.TaskState{countermandv1.TaskState_TASK_STATE_PENDING},
		PageSize: 1000,
	}
	for {
		var page *countermandv1.ListTasksResponse
		err := connect.Insist(func(ctx context.Context) (err error) {
			page, err = w.tasks.ListTasks(ctx, pending)
			return err
		})
		if err != nil {
			return err
		}
		for _, task := range page.GetTasks() {
			if err := w.do(task.GetTaskId()); err != nil {
				return err
			}
		}
		pending.PageToken = page.GetNextPageToken()
		if pending.PageToken == "" {
			return nil
		}
	}
}

func (w *worker) do(taskID string) error {
	var started *countermandv1.StartTaskResponse
	err := connect.Insist(func(ctx context.Context) (err error) {
		started, err = w.agents.StartTask(ctx, &countermandv1.StartTaskRequest{
			TaskId: taskID, AgentId: w.id, LeaseDuration: durationpb.New(lease),
		})
		return err
	})
	if err != nil {
		return err
	}
	outcome, err := w.pay(taskID, started.GetFence())
	if err != nil {
		return err
	}
	return connect.Insist(func(ctx context.Context) error {
		_, err := w.agents.FinishTask(ctx, &countermandv1.FinishTaskRequest{
			TaskId: taskID, Fence: started.GetFence(), Outcome: outcome,
		})
		return err
	})
}

// pay pays for a task that is held, unless it is to stop. It returns how the task ends.
func (w *worker) pay(taskID string, fence int64) (countermandv1.FinishOutcome, error) {
	const (
		cancelled = countermandv1.FinishOutcome_FINISH_OUTCOME_CANCELLED
		completed = countermandv1.FinishOutcome_FINISH_OUTCOME_COMPLETED
	)
	if _, stopped := w.stopped.Load(taskID); stopped {
		return cancelled, nil
	}
	err := connect.Insist(func(ctx context.Context) error {
		request := &countermandv1.BeginChargeRequest{TaskId: taskID, Fence: fence}
		_, err := w.agents.BeginCharge(ctx, request)
		return err
	})
	if connect.IsRefusedAs(err, "CANCELLATION_REQUESTED") {
		return cancelled, nil
	}
	if err != nil {
		return 0, err
	}
	fmt.Println("paid", taskID) // take the money here
	return completed, connect.Insist(func(ctx context.Context) error {
		_, err := w.agents.ReportCharge(ctx, &countermandv1.ReportChargeRequest{
			TaskId:      taskID,
			Fence:       fence,
			ChargeState: countermandv1.ChargeState_CHARGE_STATE_CAPTURED,
		})
		return err
	})
}
