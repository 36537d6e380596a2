package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"
)

// answerWithin bounds the wait for one answer: far above what anyone needs.
const answerWithin = 30 * time.Second

// conn is a keep-alive connection that writes prepared bytes and reads only
// what it must: net/http's client would cost more than the receiver does.
type conn struct {
	target *url.URL
	net    net.Conn
	reader *bufio.Reader
	out    []byte
}

// dial opens the connection, again after a fault.
func (c *conn) dial(ctx context.Context) error {
	host, port := c.target.Hostname(), c.target.Port()
	var err error
	if c.target.Scheme == "https" {
		if port == "" {
			port = "443"
		}
		d := tls.Dialer{Config: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}
		c.net, err = d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	} else {
		if port == "" {
			port = "80"
		}
		c.net, err = new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	}
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", c.target.Host, err)
	}
	c.reader = bufio.NewReader(c.net)
	return nil
}

func (c *conn) close() {
	if c.net != nil {
		c.net.Close()
		c.net = nil
	}
}

// post sends d and returns the answer's status.
func (c *conn) post(ctx context.Context, d *delivery) (status int, err error) {
	if err := c.send(ctx, d); err != nil {
		return 0, err
	}
	status, last, err := c.answer()
	if last || err != nil {
		c.close()
	}
	return status, err
}

// send sends d, over a new connection if there is none.
func (c *conn) send(ctx context.Context, d *delivery) error {
	if c.net == nil {
		if err := c.dial(ctx); err != nil {
			return err
		}
	}
	err := c.net.SetDeadline(time.Now().Add(answerWithin))
	if err == nil {
		c.out = append(append(c.out[:0], d.head...), d.body...)
		_, err = c.net.Write(c.out)
	}
	if err != nil {
		c.close()
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

var errAnswer = errors.New("the answer is not HTTP/1.1")

// answer reads the status, the two headers that tell where the answer ends, and
// over the rest. No other answer comes after the last.
func (c *conn) answer() (status int, last bool, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, false, fmt.Errorf("reading the answer: %w", err)
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, false, errAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, errAnswer
	}
	length, chunked := 0, false
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, false, fmt.Errorf("reading the answer: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, errAnswer
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		case bytes.EqualFold(name, []byte("Connection")):
			last = bytes.EqualFold(value, []byte("close"))
		}
	}
	if chunked {
		_, err = io.Copy(io.Discard, httputil.NewChunkedReader(c.reader))
		last = true // its trailer is left unread
	} else {
		_, err = c.reader.Discard(length)
	}
	if err != nil {
		return 0, false, fmt.Errorf("reading the answer: %w", err)
	}
	return status, last, nil
}
