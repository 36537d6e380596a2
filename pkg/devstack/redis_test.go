package devstack

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func databaseNumber(t *testing.T, redisURL string) string {
	t.Helper()
	return strings.TrimPrefix(pathOf(t, redisURL), "/")
}

func TestRedisURL(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			mine := RedisURL(t)
			if got := ask(t, mine, "DBSIZE"); got != "0" {
				t.Errorf("%s keys, want none", got)
			}
			ask(t, mine, "SET", "key", "mine")
			if got := ask(t, mine, "DBSIZE"); got != "1" {
				t.Errorf("%s keys, want this test's alone", got)
			}
		})
	}
}

func TestRedisURLOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	server := RealRedis(t)
	runs := make([]*exec.Cmd, 3)
	for i := range runs {
		runs[i] = exec.Command(os.Args[0], "-test.run=^TestRedisURL$", "-test.v")
		runs[i].Env = append(os.Environ(), "REDIS_URL="+server.URL)
	}
	finish(t, runs...)
	if got := ask(t, server.URL, "DBSIZE"); got != "0" {
		t.Errorf("%s keys are left in the register", got)
	}
}

// REDIS_URL may name a server that holds more than tests' data.
func TestRedisDataOfOthersIsNotTouched(t *testing.T) {
	t.Parallel()
	server := RealRedis(t)
	theirs := strings.TrimSuffix(server.URL, "/0") + "/1"
	ask(t, theirs, "SET", "key", "theirs")

	first, number, err := claimRedis(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, first, "SET", "key", "a test's")
	ask(t, server.URL, "DEL", claimKey+strconv.Itoa(number)) // as if its process was killed and the claim had expired
	second, again, err := claimRedis(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{strconv.Itoa(number), strconv.Itoa(again), ask(t, second, "DBSIZE"), ask(t, theirs, "GET", "key")}
	if diff := cmp.Diff([]string{"2", "2", "0", "theirs"}, got); diff != "" {
		t.Error(diff)
	}
	if err := releaseRedis(t.Context(), server.URL, again); err != nil {
		t.Fatal(err)
	}
}

func TestRealRedisComesBackEmpty(t *testing.T) {
	t.Parallel()
	server := RealRedis(t)
	if !server.Real() || !strings.HasPrefix(server.From, "redis-server ") {
		t.Errorf("got %q", server.From)
	}
	ask(t, server.URL, "SET", "key", "value")
	outage(t, server)
	if got := ask(t, server.URL, "DBSIZE"); got != "0" {
		t.Errorf("%s keys after a restart", got)
	}
	if err := pingRedis(t.Context(), strings.Replace(server.URL, ":", "://:guess@", 1)); err == nil {
		t.Error("it lets strangers in")
	}
	folder := server.backend.(*redisServer).folder.path
	for range 2 {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
	if !missing(folder) {
		t.Errorf("%s is left", folder)
	}
}

func TestMiniRedisKeepsItsData(t *testing.T) {
	t.Parallel()
	server, err := startMiniRedis()
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, server)
	if server.Real() {
		t.Error("miniredis passes for a Redis")
	}
	ask(t, server.URL, "SET", "key", "value")
	ask(t, server.URL, "SET", "lease", "value", "PX", "300")
	outage(t, server)
	if got := ask(t, server.URL, "GET", "key"); got != "value" {
		t.Errorf("got %q after a restart", got)
	}
	eventually(t, "the lease to expire", func() bool { return ask(t, server.URL, "EXISTS", "lease") == "0" })
	if got := ask(t, server.URL, "BLPOP", "nothing", "0.2"); got != "<nil>" {
		t.Errorf("got %q", got)
	}
}

// outage stops and starts a server, each twice.
func outage(t *testing.T, server *Redis) {
	t.Helper()
	for range 2 {
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := pingRedis(t.Context(), server.URL); err == nil {
		t.Error("a stopped server answers")
	}
	for range 2 {
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedisOfTheEnvironmentIsLeftAlone(t *testing.T) {
	t.Parallel()
	r, err := StartRedis(t.Context(), Config{RedisURL: "redis://elsewhere:6379"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"redis://elsewhere:6379", "REDIS_URL", true}, []any{r.URL, r.From, r.Real()}); diff != "" {
		t.Error(diff)
	}
	for name, err := range map[string]error{"Stop": r.Stop(), "Start": r.Start(t.Context())} {
		if err == nil {
			t.Errorf("%s touched it", name)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := claimRedis(t.Context(), "redis-sentinel://a,b/master"); err == nil {
		t.Error("a database of a sentinel was claimed")
	}
}

func TestRedisErrorsShowTheLog(t *testing.T) {
	t.Parallel()
	server := RealRedis(t)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	port := server.backend.(*redisServer).port
	taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	answered := make(chan error, 1)
	go func() { // whoever took the port does not speak Redis
		conn, err := taken.Accept()
		if err == nil {
			err = conn.Close()
		}
		answered <- err
	}()
	err = server.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it ended before it was ready; its log ends:") || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("got %v", err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
