package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"tillhook/pkg/app"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// panel is where the operators' panel is, and how to get in.
type panel struct {
	listener        net.Listener
	email, password string
}

const devOperator = "dev@localhost"

// openPanel listens for the panel and lets a developer in, with a password that
// is made once and kept beside the data.
func openPanel(ctx context.Context, cfg app.Config, db *postgres.DB, home string) (panel, error) {
	p := panel{email: devOperator}
	path := filepath.Join(home, "admin.password")
	kept, err := os.ReadFile(path)
	p.password = strings.TrimSpace(string(kept))
	if errors.Is(err, os.ErrNotExist) {
		p.password = randomHex(8)
		err = os.WriteFile(path, []byte(p.password+"\n"), 0o600)
	}
	if err != nil {
		return p, fmt.Errorf("keeping the panel's password: %w", err)
	}
	if err := letIn(ctx, db, p); err != nil {
		return p, err
	}
	p.listener, err = net.Listen("tcp", cfg.AdminAddr)
	if err != nil { // something else has the port
		p.listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return p, fmt.Errorf("listening for the panel: %w", err)
	}
	return p, nil
}

func letIn(ctx context.Context, db *postgres.DB, p panel) error {
	by := postgres.Operator{Actor: "cmd/dev", Action: "let a developer in"}
	known, err := db.FindOperator(ctx, p.email)
	if err == nil {
		if ok, err := secret.CheckPassword(known.PasswordHash, p.password); err == nil && ok {
			return nil
		}
	} else if !errors.Is(err, event.ErrNoOperator) {
		return err
	}
	hash := secret.HashPassword(p.password)
	err = db.SetOperatorPassword(ctx, by, p.email, hash)
	if errors.Is(err, event.ErrNoOperator) {
		err = db.CreateOperator(ctx, by, event.Operator{ID: "dev", Email: p.email, Role: event.Operates, PasswordHash: hash})
	}
	return err
}

func (p panel) url() string { return "http://" + p.listener.Addr().String() + "/admin" }
