// Package queue is the only package that speaks to Redis: asynq tasks, one per
// stored event. Redis is a hurry, not the truth: a task that is lost is found
// again in Postgres.
package queue

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hibiken/asynq"
)

const (
	// A Redis that is away must be noticed quickly; its work is done later.
	dialTimeout = time.Second
	ioTimeout   = 2 * time.Second
	poolSize    = 64
)

// ErrURL says that a REDIS_URL is not one. The URL may hold a password, so
// that the text doesn't repeat it.
var ErrURL = errors.New("want redis://host:port/db, rediss://…, redis://host,host,host (Cluster) or redis-sentinel://host,host/master")

// connection translates a REDIS_URL.
func connection(redisURL string) (asynq.RedisConnOpt, error) {
	u, err := url.Parse(firstHost(redisURL))
	if err != nil || u.Host == "" && u.Scheme != "redis-socket" {
		return nil, ErrURL
	}
	if hosts := hostsOf(redisURL); len(hosts) > 1 && (u.Scheme == "redis" || u.Scheme == "rediss") {
		return cluster(u, redisURL, hosts)
	}
	if u.Scheme == "redis-sentinel" {
		return sentinel(redisURL)
	}
	opt, err := asynq.ParseRedisURI(redisURL)
	if err != nil {
		return nil, ErrURL
	}
	if o, ok := opt.(asynq.RedisClientOpt); ok {
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolSize = dialTimeout, ioTimeout, ioTimeout, poolSize
		opt = o
	}
	return opt, nil
}

func cluster(u *url.URL, redisURL string, hosts []string) (asynq.RedisConnOpt, error) {
	single, err := asynq.ParseRedisURI(strings.Replace(redisURL, strings.Join(hosts, ","), hosts[0], 1))
	if err != nil {
		return nil, ErrURL
	}
	o, ok := single.(asynq.RedisClientOpt)
	if !ok || o.DB != 0 {
		return nil, fmt.Errorf("%w: a cluster has one database only", ErrURL)
	}
	return asynq.RedisClusterClientOpt{
		Addrs: hosts, Username: u.User.Username(), Password: o.Password, TLSConfig: o.TLSConfig,
		DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout,
	}, nil
}

func sentinel(redisURL string) (asynq.RedisConnOpt, error) {
	opt, err := asynq.ParseRedisURI(redisURL)
	if err != nil {
		return nil, ErrURL
	}
	if o, ok := opt.(asynq.RedisFailoverClientOpt); ok {
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolSize = dialTimeout, ioTimeout, ioTimeout, poolSize
		opt = o
	}
	return opt, nil
}

// hostsOf lists the comma-separated hosts between the scheme (and any user)
// and the path.
func hostsOf(redisURL string) []string {
	_, rest, _ := strings.Cut(redisURL, "://")
	rest, _, _ = strings.Cut(rest, "/")
	rest, _, _ = strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	return strings.Split(rest, ",")
}

// firstHost is redisURL with the first of its hosts only, which net/url can
// parse whatever ports the others have.
func firstHost(redisURL string) string {
	hosts := hostsOf(redisURL)
	return strings.Replace(redisURL, strings.Join(hosts, ","), hosts[0], 1)
}
