// Package queue is the only package that speaks to Redis: asynq tasks, one per
// stored event. Redis is a hurry, not the truth: a task that is lost is found
// again in Postgres.
package queue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

const (
	// A Redis that is away must be noticed quickly; its work is done later.
	dialTimeout = time.Second
	ioTimeout   = 2 * time.Second
	poolSize    = 64

	redisPort    = "6379"
	sentinelPort = "26379"
)

// ErrURL says that a REDIS_URL is not one. The URL may hold a password, so
// that the text doesn't repeat it.
var ErrURL = errors.New("want redis://host:port/db, rediss://…, redis://host,host,host (Cluster) or redis-sentinel://host,host/master")

// go-redis writes what it also returns as an error to standard error, past any
// logger. It is said once, where it is handled.
func init() { redis.SetLogger(silent{}) }

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// address is a REDIS_URL taken apart. asynq's own reader knows neither several
// hosts nor a user's name, and wants the master in another place.
type address struct {
	scheme, user, password, path string
	hosts                        []string
	unverified                   bool // TLS with whoever answers
}

// connection translates a REDIS_URL.
func connection(redisURL string) (asynq.RedisConnOpt, error) {
	a, err := parse(redisURL)
	if err != nil {
		return nil, err
	}
	switch {
	case a.scheme == "redis-sentinel":
		if a.path == "" {
			return nil, fmt.Errorf("%w: the master's name is missing", ErrURL)
		}
		return asynq.RedisFailoverClientOpt{
			MasterName: a.path, SentinelAddrs: a.hosts, Username: a.user, Password: a.password,
			DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, PoolSize: poolSize,
		}, nil
	case len(a.hosts) > 1:
		if a.path != "" && a.path != "0" {
			return nil, fmt.Errorf("%w: a cluster has one database only", ErrURL)
		}
		return asynq.RedisClusterClientOpt{
			Addrs: a.hosts, Username: a.user, Password: a.password, TLSConfig: a.tls(),
			DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout,
		}, nil
	}
	db := 0
	if a.path != "" {
		if db, err = strconv.Atoi(a.path); err != nil || db < 0 {
			return nil, ErrURL
		}
	}
	return asynq.RedisClientOpt{
		Addr: a.hosts[0], Username: a.user, Password: a.password, DB: db, TLSConfig: a.tls(),
		DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, PoolSize: poolSize,
	}, nil
}

// dial makes a client; it connects when it is used.
func dial(conn asynq.RedisConnOpt) redis.UniversalClient {
	return conn.MakeRedisClient().(redis.UniversalClient) // asynq has no other kinds
}

func parse(redisURL string) (address, error) {
	scheme, rest, ok := strings.Cut(redisURL, "://")
	if !ok || scheme != "redis" && scheme != "rediss" && scheme != "redis-sentinel" ||
		strings.ContainsFunc(redisURL, unicode.IsControl) {
		return address{}, ErrURL
	}
	rest, unverified := strings.CutSuffix(rest, "?skip_verify=true")
	if unverified && scheme != "rediss" {
		return address{}, ErrURL
	}
	authority, path, _ := strings.Cut(rest, "/")
	login, hosts := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		login, hosts = authority[:at], authority[at+1:]
	}
	a := address{scheme: scheme, path: strings.TrimSuffix(path, "/"), unverified: unverified}
	var err error
	name, password, _ := strings.Cut(login, ":")
	if a.user, err = url.PathUnescape(name); err != nil {
		return address{}, ErrURL
	}
	if a.password, err = url.PathUnescape(password); err != nil {
		return address{}, ErrURL
	}
	if strings.ContainsAny(a.path, "/?#") {
		return address{}, ErrURL
	}
	for host := range strings.SplitSeq(hosts, ",") {
		withPort, err := a.withPort(host)
		if err != nil {
			return address{}, err
		}
		a.hosts = append(a.hosts, withPort)
	}
	return a, nil
}

// withPort checks one host and adds the usual port where there is none.
func (a address) withPort(host string) (string, error) {
	port := redisPort
	if a.scheme == "redis-sentinel" {
		port = sentinelPort
	}
	u, err := url.Parse("redis://" + host)
	if err != nil || u.Hostname() == "" || u.Host != host {
		return "", ErrURL
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// tls is nil for plain connections. The name to verify is that of whichever
// host is dialled; there are platforms whose Redis has signed its own certificate.
func (a address) tls() *tls.Config {
	if a.scheme != "rediss" {
		return nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.unverified}
	if len(a.hosts) == 1 {
		c.ServerName, _, _ = net.SplitHostPort(a.hosts[0]) // withPort has joined it
	}
	return c
}
