package devstack

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// redisSlots is how many slots a cluster's keys are spread over.
const redisSlots = 16384

// RedisMany is several redis-servers of one test's own, that are one Redis to
// their clients.
type RedisMany struct {
	URL   string // names all of them
	nodes []*Redis
}

// RedisCluster starts a Cluster of three masters, each with a third of the
// slots. It skips the test on a machine without a redis-server.
func RedisCluster(t testing.TB) *RedisMany {
	t.Helper()
	many, password := &RedisMany{}, newPassword()
	var hosts []string
	for range 3 {
		node := many.start(t, redisServer{password: password,
			settings: "cluster-enabled yes\ncluster-announce-ip 127.0.0.1\ncluster-node-timeout 5000\nmasterauth " + password + "\n"})
		hosts = append(hosts, node.host())
	}
	share := redisSlots/len(many.nodes) + 1
	for i, node := range many.nodes {
		from, to := i*share, min((i+1)*share, redisSlots)-1
		ask := []string{"CLUSTER", "ADDSLOTS"}
		for slot := from; slot <= to; slot++ {
			ask = append(ask, strconv.Itoa(slot))
		}
		node.mustDo(t, ask...)
		node.mustDo(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)) // else they have to agree on one first
		if i > 0 {
			ip, port, _ := strings.Cut(hosts[0], ":")
			node.mustDo(t, "CLUSTER", "MEET", ip, port)
		}
	}
	for _, node := range many.nodes {
		node.until(t, "the cluster is complete", func(c *redisConn) bool {
			info, err := c.do("CLUSTER", "INFO")
			return err == nil && strings.Contains(fmt.Sprint(info), "cluster_state:ok") &&
				strings.Contains(fmt.Sprint(info), "cluster_known_nodes:3")
		})
	}
	many.URL = "redis://:" + password + "@" + strings.Join(hosts, ",")
	return many
}

// RedisSentinels starts a master with a replica, and three sentinels that make
// the replica a master once the master is gone. It skips the test on a machine
// without a redis-server.
func RedisSentinels(t testing.TB) *RedisMany {
	t.Helper()
	many, password := &RedisMany{}, newPassword()
	auth := "masterauth " + password + "\nrepl-diskless-sync-delay 0\n"
	master := many.start(t, redisServer{password: password, settings: auth})
	ip, port, _ := strings.Cut(master.host(), ":")
	replica := many.start(t, redisServer{password: password, settings: auth + fmt.Sprintf("replicaof %s %s\n", ip, port)})
	replica.until(t, "the replica has the master's data", func(c *redisConn) bool {
		info, err := c.do("INFO", "replication")
		return err == nil && strings.Contains(fmt.Sprint(info), "master_link_status:up")
	})
	var hosts []string
	for range 3 {
		sentinel := many.start(t, redisServer{sentinel: true, settings: fmt.Sprintf("sentinel monitor master %s %s 2\n"+
			"sentinel auth-pass master %s\nsentinel down-after-milliseconds master 1000\nsentinel failover-timeout master 5000\n", ip, port, password)})
		hosts = append(hosts, sentinel.host())
	}
	for _, sentinel := range many.nodes[2:] {
		sentinel.until(t, "the sentinels know the replica and each other", func(c *redisConn) bool {
			info, err := c.do("INFO", "sentinel")
			return err == nil && strings.Contains(fmt.Sprint(info), "status=ok") && strings.Contains(fmt.Sprint(info), "slaves=1,sentinels=3")
		})
	}
	many.URL = "redis-sentinel://:" + password + "@" + strings.Join(hosts, ",") + "/master"
	return many
}

// Crash kills the first server, the master of those that sentinels watch, and
// doesn't start it again.
func (m *RedisMany) Crash(t testing.TB) {
	t.Helper()
	if err := m.nodes[0].backend.(*redisServer).crash(); err != nil {
		t.Fatalf("killing a redis-server: %v", err)
	}
}

// Empty removes all data.
func (m *RedisMany) Empty(t testing.TB) {
	t.Helper()
	for _, node := range m.nodes {
		node.mustDo(t, "FLUSHALL")
	}
}

// start starts one more server, until the end of the test.
func (m *RedisMany) start(t testing.TB, model redisServer) *Redis {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skipf("redis-server is not on this machine: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), setupWithin)
	defer cancel()
	model.program = program
	node, err := startRedisAs(ctx, Config{}, model)
	if err != nil {
		t.Fatalf("starting a redis-server for this test: %v", err)
	}
	closeAfter(t, node)
	m.nodes = append(m.nodes, node)
	return node
}

// host is "ip:port".
func (r *Redis) host() string {
	return fmt.Sprint("127.0.0.1:", r.backend.(*redisServer).port)
}

func (r *Redis) mustDo(t testing.TB, args ...string) {
	t.Helper()
	conn, err := dialRedis(t.Context(), r.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.do(args...); err != nil {
		t.Fatalf("%s: %v", args[0], err)
	}
}

// until waits for what servers settle among themselves: there is no signal.
func (r *Redis) until(t testing.TB, what string, ok func(*redisConn) bool) {
	t.Helper()
	conn, err := dialRedis(t.Context(), r.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for deadline := time.Now().Add(readyWithin); !ok(conn); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", readyWithin, what)
		}
	}
}
