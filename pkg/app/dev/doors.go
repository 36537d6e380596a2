package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// doors are the addresses at which everything listens.
type doors struct{ ingest, api, shop, stripe net.Listener }

// openDoors takes the wanted port for the endpoint, and for the rest those that
// follow the panel's, or free ones where they are taken.
func openDoors(fromEnv, fromFlag int) (d doors, err error) {
	if d.ingest, err = listen(fromEnv, fromFlag); err != nil {
		return d, err
	}
	for l, port := range map[*net.Listener]int{&d.api: 3002, &d.shop: 3003, &d.stripe: 3004} {
		if *l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err != nil {
			*l, err = net.Listen("tcp", "127.0.0.1:0")
		}
		if err != nil {
			return d, errors.Join(fmt.Errorf("listening: %w", err), d.close())
		}
	}
	return d, nil
}

func (d doors) close() (err error) {
	for _, l := range []net.Listener{d.ingest, d.api, d.shop, d.stripe} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

func address(l net.Listener) string { return "http://" + l.Addr().String() }

// listen takes the wanted port. The default one may be in use by something
// else; a port that was asked for must be had.
func listen(fromEnv, fromFlag int) (net.Listener, error) {
	port, asked := fromEnv, fromFlag != 0 || fromEnv != 3000
	if fromFlag != 0 {
		port = fromFlag
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil && !asked {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("listening for Stripe: %w", err)
	}
	return l, nil
}

// serve serves on l until ctx ends.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 40 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		err := server.Close() // on this machine nobody minds
		<-served
		return err
	}
}

// waitReady waits until what is at base takes requests. Stripe would deliver
// again; the show would have to explain why nothing moves.
func waitReady(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/health", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to be ready: %w", base, errors.Join(context.Cause(ctx), err))
		case <-tick.C:
		}
	}
}
