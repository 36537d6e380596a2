package devstack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
)

// Keys in database 0 of a server that tests share, through which they agree on
// who uses which other database.
const (
	claimKey = "tillhook:devstack:claim:" // + number: the process that uses it
	testsKey = "tillhook:devstack:tests"  // the set of databases that tests have written to
)

// claimSeconds frees the claims of a killed process after a time that no test
// takes.
const claimSeconds = "3600"

// claimRedis finds a database of the server that nobody uses, empties it, and
// returns its URL. A database with content that no test has put there is left
// alone: REDIS_URL may name a server that is in real use.
func claimRedis(ctx context.Context, server string) (databaseURL string, number int, err error) {
	conn, err := dialRedis(ctx, server)
	if err != nil {
		return "", 0, err
	}
	defer conn.Close()
	count := redisDatabaseCount(conn)
	for number := 1; number < count; number++ {
		free, err := conn.claim(number)
		if err != nil {
			return "", 0, err
		}
		if free {
			u, err := url.Parse(server)
			if err != nil {
				return "", 0, err
			}
			u.Path = "/" + strconv.Itoa(number)
			return u.String(), number, nil
		}
	}
	return "", 0, fmt.Errorf("all of the server's %d databases are in use, or hold data that no test has put there; run fewer tests at a time, or give it more with --databases", count)
}

// redisDatabaseCount falls back to Redis's default where CONFIG is forbidden.
func redisDatabaseCount(conn *redisConn) int {
	if answer, err := conn.do("CONFIG", "GET", "databases"); err == nil {
		if pair, ok := answer.([]any); ok && len(pair) == 2 {
			if count, err := strconv.Atoi(fmt.Sprint(pair[1])); err == nil {
				return count
			}
		}
	}
	return 16
}

// claim reports whether database number is now this test's, and empty.
func (c *redisConn) claim(number int) (bool, error) {
	n := strconv.Itoa(number)
	if _, err := c.do("SELECT", "0"); err != nil {
		return false, err
	}
	set, err := c.do("SET", claimKey+n, strconv.Itoa(os.Getpid()), "NX", "EX", claimSeconds)
	if err != nil || set == nil {
		return false, err
	}
	known, err := c.do("SISMEMBER", testsKey, n)
	if err != nil {
		return false, err
	}
	if known == int64(0) {
		foreign, err := c.holdsKeys(n)
		if err != nil {
			return false, err
		}
		if foreign {
			// The claim stays until it expires, and spares the next test the look.
			return false, nil
		}
		if err := c.all([]string{"SELECT", "0"}, []string{"SADD", testsKey, n}); err != nil {
			return false, err
		}
	}
	return true, c.all([]string{"SELECT", n}, []string{"FLUSHDB"})
}

func (c *redisConn) holdsKeys(n string) (bool, error) {
	if _, err := c.do("SELECT", n); err != nil {
		return false, err
	}
	size, err := c.do("DBSIZE")
	return size != int64(0), err
}

func (c *redisConn) all(commands ...[]string) error {
	for _, command := range commands {
		if _, err := c.do(command...); err != nil {
			return err
		}
	}
	return nil
}

// releaseRedis empties database number and gives it back.
func releaseRedis(ctx context.Context, server string, number int) error {
	conn, err := dialRedis(ctx, server)
	if err != nil {
		return err
	}
	n := strconv.Itoa(number)
	err = conn.all([]string{"SELECT", n}, []string{"FLUSHDB"}, []string{"SELECT", "0"},
		[]string{"SREM", testsKey, n}, []string{"DEL", claimKey + n})
	return errors.Join(err, conn.Close())
}
