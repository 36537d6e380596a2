package queue

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hibiken/asynq"
)

func TestConnectionOfAURL(t *testing.T) {
	t.Parallel()
	single := func(o asynq.RedisClientOpt) asynq.RedisClientOpt {
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolSize = dialTimeout, ioTimeout, ioTimeout, poolSize
		return o
	}
	several := func(o asynq.RedisClusterClientOpt) asynq.RedisClusterClientOpt {
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
		return o
	}
	sentinels := func(o asynq.RedisFailoverClientOpt) asynq.RedisFailoverClientOpt {
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolSize = dialTimeout, ioTimeout, ioTimeout, poolSize
		return o
	}
	for url, want := range map[string]asynq.RedisConnOpt{
		"redis://localhost:6379":         single(asynq.RedisClientOpt{Addr: "localhost:6379"}),
		"redis://localhost":              single(asynq.RedisClientOpt{Addr: "localhost:6379"}),
		"redis://localhost:6379/":        single(asynq.RedisClientOpt{Addr: "localhost:6379"}),
		"redis://[::1]:7/1":              single(asynq.RedisClientOpt{Addr: "[::1]:7", DB: 1}),
		"redis://user:pass@cache:1":      single(asynq.RedisClientOpt{Addr: "cache:1", Username: "user", Password: "pass"}),
		"redis-sentinel://a,b:1/master":  sentinels(asynq.RedisFailoverClientOpt{MasterName: "master", SentinelAddrs: []string{"a:26379", "b:1"}}),
		"redis-sentinel://:p@a:1/orders": sentinels(asynq.RedisFailoverClientOpt{MasterName: "orders", SentinelAddrs: []string{"a:1"}, Password: "p"}),
		"redis://localhost:6379/7":       single(asynq.RedisClientOpt{Addr: "localhost:6379", DB: 7}),
		"redis://:pa%2Css%40@cache:1/2":  single(asynq.RedisClientOpt{Addr: "cache:1", Password: "pa,ss@", DB: 2}),
		"rediss://:pass@cache.test:6380": single(asynq.RedisClientOpt{Addr: "cache.test:6380", Password: "pass", TLSConfig: &tls.Config{ServerName: "cache.test", MinVersion: tls.VersionTLS12}}),
		"rediss://:p@cache.test:1?skip_verify=true": single(asynq.RedisClientOpt{Addr: "cache.test:1", Password: "p",
			TLSConfig: &tls.Config{ServerName: "cache.test", MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}),
		"redis://a:7000,b:7001,c:7002": several(asynq.RedisClusterClientOpt{Addrs: []string{"a:7000", "b:7001", "c:7002"}}),
		"redis://a:7000,b:7001/0":      several(asynq.RedisClusterClientOpt{Addrs: []string{"a:7000", "b:7001"}}),
		"redis://user:pass@a:7000,b:7001": several(asynq.RedisClusterClientOpt{
			Addrs: []string{"a:7000", "b:7001"}, Username: "user", Password: "pass",
		}),
		"rediss://:pass@a.test:7000,b.test:7001": several(asynq.RedisClusterClientOpt{
			Addrs: []string{"a.test:7000", "b.test:7001"}, Password: "pass", TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		}),
	} {
		got, err := connection(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(tls.Config{})); diff != "" {
			t.Errorf("%s (-want +got)\n%s", url, diff)
		}
	}
}

// The password is in the URL, and the error is on the operator's screen and
// in the log.
func TestNoErrorHoldsThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "localhost:6379", "hunter2", "redis://", "http://:hunter2@localhost:6379", "redis://:hunter2@",
		"redis://:hunter2@localhost:6379/db", "redis://:hunter2@localhost:port", "redis://:hunter2%zz@localhost:6379",
		"redis://:hunter2@a:7000,b:7001/1", "redis://:hunter2@a:7000,b:7001/x", "redis://hunter2\x7f@localhost",
		"redis://:hunter2@localhost?skip_verify=true", "rediss://:hunter2@localhost?skip_verify=1",
		"redis-sentinel://:hunter2@a:port", "postgres://u:hunter2@localhost/d",
	} {
		q, err := Open(url)
		if err == nil {
			t.Errorf("%s is taken for a Redis", url)
			_ = q.Close()
			continue
		}
		if !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
