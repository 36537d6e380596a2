package postgres

import (
	"context"
	"net"
	"time"
)

// dialer makes connections on which no read waits for ever. lib/pq asks the
// server to cancel when a context ends, but goes on reading: a server that is
// gone without a word would hold the writer until TCP gives up, a quarter of
// an hour later.
type dialer struct{ readWithin time.Duration }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &boundedConn{c, d.readWithin}, nil
}

type boundedConn struct {
	net.Conn
	readWithin time.Duration
}

func (c *boundedConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.readWithin)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *boundedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.readWithin)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
