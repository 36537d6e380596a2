package postgres

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialer makes connections on which no read waits for ever. lib/pq asks the
// server to cancel when a context ends, but goes on reading: a server that is
// gone without a word would hold the writer until TCP gives up, a quarter of
// an hour later.
type dialer struct {
	readWithin time.Duration
	lines      *lines // nil for who cuts its connection itself
}

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
	if d.lines != nil {
		if c, err = d.lines.add(c); err != nil {
			return nil, err
		}
	}
	bounded := &boundedConn{Conn: c, readWithin: d.readWithin}
	return &readAhead{bounded, bufio.NewReaderSize(bounded, readSize)}, nil
}

// lines are a pool's connections, so that they can be closed while lib/pq reads
// from them. The pool itself can't: it waits for those in use.
type lines struct {
	mu   sync.Mutex
	open map[*line]struct{}
	cut  bool
}

type line struct {
	net.Conn
	of *lines
}

func (l *lines) add(c net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errors.Join(errCut, c.Close())
	}
	one := &line{c, l}
	l.open[one] = struct{}{}
	return one, nil
}

func (l *line) Close() error {
	l.of.mu.Lock()
	delete(l.of.open, l)
	l.of.mu.Unlock()
	return l.Conn.Close()
}

var errCut = errors.New("the connections have been cut")

// Cut closes every connection at once, those included on which an answer is waited
// for, and lets nobody make another one.
func (d *DB) Cut() {
	d.lines.mu.Lock()
	defer d.lines.mu.Unlock()
	d.lines.cut = true
	for one := range d.lines.open {
		_ = one.Conn.Close() // whoever reads from it is told
	}
}

// lastDialer remembers its last connection, so that it can be closed from
// outside: lib/pq's listener holds its own lock while it waits for an answer.
type lastDialer struct {
	dialer
	last atomic.Pointer[readAhead]
}

func (d *lastDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.last.Store(c.(*readAhead))
	return c, nil
}

// cut closes the connection that there is.
func (d *lastDialer) cut() {
	if c := d.last.Load(); c != nil {
		_ = c.Close() // it may be closed already
	}
}

// readSize is how much is asked for at once, in bytes. lib/pq itself asks for 4 KiB,
// which is one call to the kernel for every event of a batch.
const readSize = 64 << 10

// readAhead is a connection of which more is read than is asked for.
type readAhead struct {
	net.Conn
	in *bufio.Reader
}

func (c *readAhead) Read(b []byte) (int, error) { return c.in.Read(b) }

type boundedConn struct {
	net.Conn
	readWithin time.Duration
	until      atomic.Pointer[time.Time] // the deadline that lib/pq has set, for connecting
}

func (c *boundedConn) SetDeadline(t time.Time) error {
	c.until.Store(&t)
	return c.Conn.SetDeadline(t)
}

// deadline is the next operation's.
func (c *boundedConn) deadline() time.Time {
	d := time.Now().Add(c.readWithin)
	if until := c.until.Load(); until != nil && !until.IsZero() && until.Before(d) {
		return *until
	}
	return d
}

func (c *boundedConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(c.deadline()); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *boundedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(c.deadline()); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
