// Package connect has what the examples share: a channel with the key and the service config of
// Countermand, and calls that outlive restarts of the server.
package connect

import (
	"context"
	_ "embed"
	"log"
	"math/rand"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/health" // the service config asks for the server's health
	"google.golang.org/grpc/status"
)

const (
	maxTries    = 20
	callTimeout = 20 * time.Second
)

//go:embed service_config.json
var serviceConfig string

// Dial returns a channel to COUNTERMAND_SERVER, with COUNTERMAND_API_KEY. Close it.
func Dial() *grpc.ClientConn {
	rand.Seed(time.Now().UnixNano())
	channel, err := grpc.Dial(
		env("COUNTERMAND_SERVER", "127.0.0.1:50051"),
		grpc.WithInsecure(),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithPerRPCCredentials(apiKey(os.Getenv("COUNTERMAND_API_KEY"))),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
	)
	if err != nil {
		log.Fatal(err)
	}
	return channel
}

func env(name, otherwise string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return otherwise
}

// apiKey is sent with each call. Without encryption it is for this machine alone.
type apiKey string

func (key apiKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"x-api-key": string(key)}, nil
}

func (apiKey) RequireTransportSecurity() bool { return false }

// MayPass says whether the same call may be answered a moment later.
func MayPass(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return true
	}
	return false
}

// IsRefusedAs says whether a call was refused for this reason, such as TASK_NOT_FOUND.
func IsRefusedAs(err error, reason string) bool {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetReason() == reason {
			return true
		}
	}
	return false
}

// Insist calls until it is answered. Whether a try without an answer was accepted is not known: the
// request must be one that may be repeated.
func Insist(call func(context.Context) error) error {
	for tries := 1; ; tries++ {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		err := call(ctx)
		cancel()
		if err == nil || tries == maxTries || !MayPass(err) {
			return err
		}
		Pause()
	}
}

// Pause waits for up to a second, so that clients that were cut off together do not come back
// together.
func Pause() {
	time.Sleep(time.Duration(rand.Int63n(int64(time.Second))))
}
