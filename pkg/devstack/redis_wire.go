package devstack

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// redisPatience bounds one exchange with a Redis.
const redisPatience = 10 * time.Second

// redisConn speaks the little of Redis's protocol that is needed here: the
// client library has one importer, and this package is not it.
type redisConn struct {
	net.Conn
	in *bufio.Reader
}

// pingRedis returns nil if the server of rawURL answers and lets us in.
func pingRedis(ctx context.Context, rawURL string) error {
	conn, err := dialRedis(ctx, rawURL)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.do("PING")
	return err
}

// dialRedis connects to one server, named by redis:// or rediss://.
func dialRedis(ctx context.Context, rawURL string) (*redisConn, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("the Redis URL cannot be parsed") // url's own error would show the password
	}
	if u.Scheme != "redis" && u.Scheme != "rediss" || strings.Contains(u.Host, ",") {
		return nil, fmt.Errorf("a test needs databases of its own, which only a single redis:// or rediss:// server has, not %q on %q", u.Scheme, u.Host)
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	address := net.JoinHostPort(u.Hostname(), port)
	var conn net.Conn
	if u.Scheme == "rediss" {
		conn, err = new(tls.Dialer).DialContext(ctx, "tcp", address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	c := &redisConn{Conn: conn, in: bufio.NewReader(conn)}
	if err := c.login(u.User); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *redisConn) login(user *url.Userinfo) error {
	password, set := user.Password()
	if !set {
		return nil
	}
	args := []string{"AUTH"}
	if name := user.Username(); name != "" {
		args = append(args, name)
	}
	_, err := c.do(append(args, password)...)
	return err
}

// do sends one command and returns its answer: a string, an int64, nil, or a
// []any of these. An error answer is an error.
func (c *redisConn) do(args ...string) (any, error) {
	answer, err := c.exchange(args)
	if err != nil {
		return nil, fmt.Errorf("asking Redis for %s: %w", args[0], err) // the arguments may hold a password
	}
	return answer, nil
}

func (c *redisConn) exchange(args []string) (any, error) {
	if err := c.SetDeadline(time.Now().Add(redisPatience)); err != nil {
		return nil, err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(c, out.String()); err != nil {
		return nil, err
	}
	return c.read()
}

func (c *redisConn) read() (any, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, errors.New("it answers with an empty line")
	}
	rest := line[1:]
	switch line[0] {
	case '+':
		return rest, nil
	case '-':
		return nil, errors.New(rest)
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return nil, err
		}
		text := make([]byte, n+len("\r\n"))
		_, err = io.ReadFull(c.in, text)
		return string(text[:n]), err
	case '*':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return nil, err
		}
		all := make([]any, n)
		for i := range all {
			if all[i], err = c.read(); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("it answers with %q", line)
}
