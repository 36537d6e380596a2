package app_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"tillhook/pkg/browsertest"
)

// chromium is a browser that ends with the test, and the complaints that its
// console had.
func chromium(t *testing.T) (context.Context, func() []string) {
	t.Helper()
	b := browsertest.Open(t)
	return b.Context(), func() []string {
		// asynq's own drawings complain of too little room while they grow.
		return slices.DeleteFunc(b.Complaints(), func(c string) bool {
			return strings.HasPrefix(c, "Error: <") && strings.Contains(c, "/admin/queues/ui/static/")
		})
	}
}

// visit is a person with a browser, in front of a panel.
type visit struct {
	*panel
	ctx        context.Context
	complaints func() []string
}

// does runs what a person does; what doesn't happen is a fault.
func (v *visit) does(what string, actions ...chromedp.Action) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		v.Fatalf("%s: %v", what, err)
	}
}

// goes opens a page.
func (v *visit) goes(path string) {
	v.Helper()
	v.does("opening "+path, chromedp.Navigate(v.url+path), chromedp.WaitVisible("main h1"), chromedp.Evaluate(`window.confirm = () => true`, nil))
}

// sees waits until something is on the page, or in the frame that is in it.
func (v *visit) sees(texts ...string) {
	v.Helper()
	for _, text := range texts {
		v.does("seeing "+text, chromedp.Poll(fmt.Sprintf(`(() => { const inside = document.querySelector("iframe")?.contentDocument?.body;
			return (document.body.innerText + " " + (inside ? inside.innerText : "")).includes(%q) })()`, text), nil))
	}
}

// lacks wants something not to be there.
func (v *visit) lacks(selectors ...string) {
	v.Helper()
	for _, selector := range selectors {
		var n int
		v.does("looking for "+selector, chromedp.Evaluate(fmt.Sprintf(`document.querySelectorAll(%q).length`, selector), &n))
		if n > 0 {
			v.Errorf("there is %s", selector)
		}
	}
}

// clicks clicks in the frame on what has a text.
func (v *visit) clicks(selector, text string) {
	v.Helper()
	v.does("clicking "+text, chromedp.Poll(fmt.Sprintf(`(() => { const found = [...document.querySelector("iframe").contentDocument.querySelectorAll(%q)].find(e => e.innerText.includes(%q));
		if (found) found.click(); return !!found })()`, selector, text), nil))
}

func (v *visit) signsIn(email string) {
	v.Helper()
	v.does("signing in with the keyboard", chromedp.Navigate(v.url+"/admin"), chromedp.WaitVisible("input[name=password]"),
		chromedp.SendKeys("input[name=email]", email+"\t"+panelPassword+"\r"), chromedp.WaitVisible(".tiles"))
}

// answer is the status of a request that a script of the page makes.
func (v *visit) answer(method, path string) (status int) {
	v.Helper()
	v.does(method+" "+path, chromedp.Evaluate(fmt.Sprintf(`fetch(%q, {method: %q, headers: {"Content-Type": "application/x-www-form-urlencoded"},
		body: "id=x&csrf=" + document.querySelector("input[name=csrf]").value}).then(r => r.status)`, path, method), &status,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	v.complaints() // the browser notes that it was refused
	return status
}

// shoot looks at a page wide and narrow, by day and by night.
func (p *panel) shoot(ctx context.Context, name string, complaints func() []string) {
	p.Helper()
	browsertest.Shoot(ctx, p, "panel-"+name)
	if bad := complaints(); len(bad) > 0 {
		p.Errorf("%s: %s", name, strings.Join(bad, "\n"))
	}
}
