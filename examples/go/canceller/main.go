// Canceller cancels the tasks whose ids come on stdin, one a line, through restarts of the server.
//
// Each cancel has a request id, and is repeated with the same one until it is answered.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"sync"

	"countermand/connect"
	"countermand/v1"
)

const atOnce = 20

func main() {
	channel := connect.Dial()
	defer channel.Close()
	client := countermandv1.NewCancellationServiceClient(channel)
	ids := make(chan string)
	var cancelling sync.WaitGroup
	for i := 0; i < atOnce; i++ {
		cancelling.Add(1)
		go func() {
			defer cancelling.Done()
			for id := range ids {
				cancel(client, id)
			}
		}()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		ids <- lines.Text()
	}
	close(ids)
	cancelling.Wait()
}

func cancel(client countermandv1.CancellationServiceClient, taskID string) {
	request := &countermandv1.CancelTaskRequest{
		TaskId:    taskID,
		Reason:    "customer_requested",
		RequestId: newID(),
	}
	var answer *countermandv1.CancelTaskResponse
	err := connect.Insist(func(ctx context.Context) (err error) {
		answer, err = client.CancelTask(ctx, request)
		return err
	})
	if err != nil {
		log.Fatal(taskID, ": ", err)
	}
	fmt.Println(taskID, answer.GetCancellation().GetCancellationId())
}

// newID returns a random UUID.
func newID() string {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		log.Fatal(err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
