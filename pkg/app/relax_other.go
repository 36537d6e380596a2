//go:build !linux

package app

// Relax is for Linux only.
func Relax() {}
