package devstack

import "crypto/rand"

// newPassword is a fresh secret of letters and digits, so it needs no escaping
// in a URL or a configuration file. Loopback is open to every user of the
// machine; the password is what keeps them out.
func newPassword() string { return rand.Text() }
