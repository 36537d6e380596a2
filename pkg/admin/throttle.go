package admin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
	"tillhook/pkg/web"
)

// Within throttleWindow so many tries to sign in are looked at; the next one is
// told to wait. Who fails again and again shuts out themselves: an address, and
// an address for one account. What all addresses together may try for one
// account is limited as well, and there somebody with many addresses could shut
// its operator out. Hence a browser in which they have signed in before passes
// all three, and has a limit of its own.
const (
	throttleWindow = 15 * time.Minute

	triesAtAddress   = 20 // whatever the accounts
	triesFromAddress = 10 // for one account
	triesForAccount  = 50 // from all addresses
	triesOnDevice    = 10 // of a browser that is known, for its account
)

// deviceAge is for how long a browser is known after its last sign-in.
const deviceAge = 90 * 24 * time.Hour

// limit is one count of tries.
type limit struct {
	key   string
	tries int
}

// limits are what a try counts for, in this order. A count that is full makes
// no further ones, so that nobody can fill the table with made-up accounts, or
// an account's count from one address.
func (s *Server) limits(c echo.Context, email string) ([]limit, error) {
	account := AccountKey(email)
	device, err := s.knownDevice(c, email)
	if err != nil {
		return nil, err
	}
	if device != "" {
		return []limit{{account + " on " + device, triesOnDevice}}, nil
	}
	address := "address " + web.Place(c.RealIP())
	return []limit{{address, triesAtAddress}, {account + " from " + address, triesFromAddress}, {account, triesForAccount}}, nil
}

// mustWait counts a try before its password is looked at, and answers in how
// many seconds one is again, 0 for now.
func (s *Server) mustWait(ctx context.Context, all []limit) (wait int, err error) {
	for _, one := range all {
		t, err := s.Accounts.TrySignIn(ctx, one.key, throttleWindow)
		if err != nil {
			return 0, err
		}
		if t.Tries > one.tries {
			return max(t.Wait, 1), nil
		}
	}
	return 0, nil
}

// forgive forgets the tries of who has signed in, and takes this one back where
// others count as well.
func (s *Server) forgive(ctx context.Context, email string, all []limit) error {
	var own, shared []string
	for _, one := range all {
		if strings.HasPrefix(one.key, AccountKey(email)+" ") {
			own = append(own, one.key)
		} else {
			shared = append(shared, one.key)
		}
	}
	return s.Accounts.ForgiveSignIn(ctx, own, shared)
}

// AccountKey is under what the tries for an account count, whether there is one
// or not; more exact counts begin with it and a space.
func AccountKey(email string) string {
	sum := sha256.Sum256([]byte(email)) // of one length, whatever was typed
	return "account " + hex.EncodeToString(sum[:16])
}

// remember makes the browser known for who has signed in: until a time, under a
// random name, signed with what only the database has of the password. Another
// password makes all of an operator's browsers strangers.
func (s *Server) remember(c echo.Context, me event.Operator) {
	token := strconv.FormatInt(time.Now().Add(deviceAge).Unix(), 10) + "." + newToken()
	c.SetCookie(s.cookie("device", token+"."+deviceMark(me, token), deviceAge))
}

func deviceMark(o event.Operator, token string) string {
	mac := hmac.New(sha256.New, []byte(o.PasswordHash))
	mac.Write([]byte("device " + o.ID + " " + token))
	return hex.EncodeToString(mac.Sum(nil))
}

// knownDevice names the browser if the operator has signed in with it before,
// and is "" if not.
func (s *Server) knownDevice(c echo.Context, email string) (string, error) {
	cookie := s.readCookie(c, "device")
	cut := strings.LastIndexByte(cookie, '.')
	if cut < 0 {
		return "", nil
	}
	token, mark := cookie[:cut], cookie[cut+1:]
	until, name, _ := strings.Cut(token, ".")
	if at, err := strconv.ParseInt(until, 10, 64); err != nil || time.Now().Unix() > at || name == "" {
		return "", nil
	}
	if !isEmail(email) {
		return "", nil
	}
	o, err := s.Accounts.FindOperator(c.Request().Context(), email)
	if errors.Is(err, event.ErrNoOperator) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !hmac.Equal([]byte(mark), []byte(deviceMark(o, token))) {
		return "", nil
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16]), nil
}
