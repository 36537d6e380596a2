package devstack

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asHelper, in the environment, makes the test binary a program that uses a
// stack (see helperMain) instead of a run of tests.
const asHelper = "TILLHOOK_DEVSTACK_HELPER"

func TestMain(m *testing.M) {
	if config, set := os.LookupEnv(asHelper); set {
		if err := helperMain(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// helperReport is what a helper says of itself once its stack is ready.
type helperReport struct {
	DatabaseURL, RedisURL   string
	PostgresPid, RedisPid   int
	PostgresPath, RedisPath string
}

// helperMain starts a stack, reports, and waits until its input ends.
func helperMain(config string) error {
	var cfg Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		return err
	}
	stack, err := Start(context.Background(), cfg)
	if err != nil {
		return err
	}
	report := helperReport{
		DatabaseURL: stack.DatabaseURL, PostgresPid: stack.postgres.server.pid, PostgresPath: stack.postgres.cluster.folder.path,
		RedisURL: stack.RedisURL,
	}
	if server, ok := stack.redis.backend.(*redisServer); ok {
		report.RedisPid, report.RedisPath = server.server.pid, server.folder.path
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return stack.Close()
}

// startHelper runs a helper process until the test ends it, or is over.
func startHelper(t *testing.T, dir string, keep bool) (*exec.Cmd, helperReport) {
	t.Helper()
	config, err := json.Marshal(map[string]any{"Dir": dir, "Keep": keep})
	if err != nil {
		t.Fatal(err)
	}
	helper := exec.Command(os.Args[0])
	helper.Env = append(os.Environ(), asHelper+"="+string(config))
	helper.Stderr = os.Stderr
	if _, err := helper.StdinPipe(); err != nil { // held open until the helper is killed
		t.Fatal(err)
	}
	stdout, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if helper.ProcessState == nil {
			_ = helper.Process.Kill()
			_ = helper.Wait()
		}
	})
	var report helperReport
	if err := json.NewDecoder(stdout).Decode(&report); err != nil {
		t.Fatalf("reading the helper's report: %v", err)
	}
	return helper, report
}

// openDir is a temporary folder that the servers' user may pass, which
// t.TempDir is not when the tests run as root.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tillhook-devstack-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// eventually waits for something of which the system sends no word, such as the
// end of a process that is not our child.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return os.IsNotExist(err)
}

// query runs one statement on a connection of its own, and returns the first
// column of its first row, or "" when it has none.
func query(t *testing.T, databaseURL, statement string) string {
	t.Helper()
	text, err := tryQuery(t.Context(), databaseURL, statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return text
}

func tryQuery(ctx context.Context, databaseURL, statement string) (string, error) {
	db, err := sql.Open("postgres", databaseURL)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var text string
	err = db.QueryRowContext(ctx, statement).Scan(&text)
	if err == sql.ErrNoRows {
		err = nil
	}
	return text, err
}

// ask sends one command to a Redis and returns its answer as text.
func ask(t *testing.T, redisURL string, command ...string) string {
	t.Helper()
	conn, err := dialRedis(t.Context(), redisURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if number := databaseNumber(t, redisURL); number != "" {
		if _, err := conn.do("SELECT", number); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := conn.do(command...)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(answer)
}
