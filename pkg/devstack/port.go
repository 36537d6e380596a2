package devstack

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
)

// Ports are taken from below the range that Linux (from 32768) and macOS (from
// 49152) give to outgoing connections. Inside of it, a client that keeps
// dialling a stopped server on loopback is sooner or later given that very port
// as its own, connects to itself, and the server cannot come back.
const lowestPort, highestPort = 15000, 32000

// portTries bounds both the search for a free port and the starts of a server
// that lost its port to somebody else between the search and its bind.
const portTries = 50

// freePort is a port on loopback that nobody listens on at this moment.
func freePort() (int, error) {
	var fault error
	for range portTries {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
		fault = err
	}
	return 0, fmt.Errorf("finding a free port: %w", fault)
}

// onFreePort calls start with one free port after another until it does not
// fail for the port.
func onFreePort(ctx context.Context, start func(ctx context.Context, port int) error) error {
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		err = start(ctx, port)
		if err == nil || try == portTries || !strings.Contains(err.Error(), "ddress already in use") {
			return err
		}
	}
}
