package devstack

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// serverUser is who the servers run as. Postgres refuses to run as root, and a
// Redis that runs as root gives root to whoever gets into it.
type serverUser struct {
	uid, gid int
	name     string
	switched bool // it is not the user that this process runs as
}

// pickServerUser is this process's own user, or, for root, the first of
// "postgres" and "nobody" that exists: initdb wants an entry in the system's
// list of users, so a made-up number would not do.
func pickServerUser() (serverUser, error) {
	if os.Geteuid() != 0 {
		return serverUser{uid: os.Geteuid(), gid: os.Getegid(), name: "uid " + strconv.Itoa(os.Geteuid())}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		entry, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(entry.Uid)
		gid, gidErr := strconv.Atoi(entry.Gid)
		if uidErr == nil && gidErr == nil && uid > 0 {
			return serverUser{uid: uid, gid: gid, name: name, switched: true}, nil
		}
	}
	return serverUser{}, fmt.Errorf("choosing a user for the servers: this process is root, which PostgreSQL refuses, and there is neither a user postgres nor a user nobody")
}

// attributes puts a program into a process group of its own, so that a Ctrl-C
// on the terminal reaches us and not the database we still need for an orderly
// end, and makes it run as u.
func (u serverUser) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if u.switched {
		attributes.Credential = &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
	}
	return attributes
}

// give hands a file or folder of ours to u.
func (u serverUser) give(path string) error {
	if !u.switched {
		return nil
	}
	return os.Lchown(path, u.uid, u.gid)
}
