// Watcher follows the task whose id is its argument to its end: it prints every version once, in
// order.
//
// When the stream breaks off it is opened again, after the version that was seen last.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"countermand/connect"
	"countermand/v1"
)

func main() {
	channel := connect.Dial()
	defer channel.Close()
	client := countermandv1.NewCancellationServiceClient(channel)
	var seen int64
	for !follow(client, os.Args[1], &seen) {
		connect.Pause()
	}
}

// follow reads one stream. It returns whether the task has ended; else it broke off.
func follow(client countermandv1.CancellationServiceClient, taskID string, seen *int64) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request := &countermandv1.WatchTaskRequest{TaskId: taskID, AfterVersion: seen}
	watch, err := client.WatchTask(ctx, request)
	for err == nil {
		var message *countermandv1.WatchTaskResponse
		if message, err = watch.Recv(); err != nil {
			break
		}
		task := message.GetTask()
		if message.GetType() == countermandv1.WatchType_WATCH_TYPE_CHANGE {
			fmt.Println(task.GetVersion(), task.GetState())
			*seen = task.GetVersion()
		}
		if message.GetLast() {
			return true
		}
	}
	if !connect.MayPass(err) {
		log.Fatal(err)
	}
	return false
}
