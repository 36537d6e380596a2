package app_test

import (
	"strings"
	"testing"

	"tillhook/pkg/app"
)

// An address of the shop that no browser would name as a page's origin stops the
// start, with a word on how it is written.
func TestTheShopsAddressIsAsBrowsersHaveIt(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://shop.example": "", "https://Shop.Example:443/": "", "http://localhost:8080/menu": "", "https://xn--bcher-kva.example": "", "http://[::1]:3000": "",
		"https://bücher.example": "as browsers send it", "https://b%C3%BCcher.example": "as browsers send it",
		"": "want the shop's address", "shop.example": "want the shop's address", "https://shop.example/?a=b": "want the shop's address",
	} {
		_, err := app.ReadConfig([]string{"DATABASE_URL=postgres://localhost/x", "APP_ENV=test", "FRONTEND_URL=" + address}, app.RoleAPI)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if (want == "") != (err == nil) || !strings.Contains(said, want) || err != nil && !strings.Contains(said, "FRONTEND_URL") {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}
