package api

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"
)

//go:embed openapi.json
var document []byte

// openAPI answers with the description of all this, as OpenAPI 3.1.
func openAPI(c echo.Context) error {
	header := c.Response().Header()
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("Access-Control-Allow-Origin", "*") // it holds no secret, and viewers run in browsers
	return c.JSONBlob(http.StatusOK, document)
}
