package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/api/widget"
)

var widgetTag = func() string {
	sum := sha256.Sum256(widget.Script)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}()

// widgetScript answers with the script for the shop's pages, which keep it for a
// while and then ask whether it is still the same.
func widgetScript(c echo.Context) error {
	header := c.Response().Header()
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("ETag", widgetTag)
	header.Set("Access-Control-Allow-Origin", "*") // for pages that check its integrity
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if c.Request().Header.Get("If-None-Match") == widgetTag {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", widget.Script)
}
