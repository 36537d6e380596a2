package stripe

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever is left of a body reads as the whole of it does.
func FuzzPrune(f *testing.F) {
	f.Add([]byte(`{"id":"evt_1","account":"acct_1","object":"event","data":{"previous":{},"object":{"id":"cs_1","x":[1,{}],"metadata":{"orderId":"o"}}}}`))
	f.Add([]byte(`{"data":{"object":{"ID":"a","id":"b","payment_\u0069ntent":"pi_1","\u017ftatus":"s"}},"DATA":{"object":{"amount_total":5}},"data":null}`))
	f.Add([]byte(` {"data":{"object":{}}, "account" : null} `))
	f.Add([]byte(`{"data":{"object":{"id":"unended`))
	f.Add([]byte(`{"data":[],"object":"v2.core.event"} x`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		compare[session](t, payload)
		compare[charge](t, payload)
		compare[intent](t, payload)
	})
}

func compare[T any](t *testing.T, payload []byte) {
	t.Helper()
	var whole, pruned body[T]
	wholeErr, prunedErr := json.Unmarshal(payload, &whole), json.Unmarshal(newPruner[T]().prune(payload), &pruned)
	if (wholeErr == nil) != (prunedErr == nil) {
		t.Fatalf("whole: %v, pruned: %v, of %q", wholeErr, prunedErr, payload)
	}
	if wholeErr != nil {
		return // what an error leaves behind is not used
	}
	a, errA := json.Marshal(whole)
	b, errB := json.Marshal(pruned)
	if diff := cmp.Diff(string(a), string(b)); diff != "" || errA != nil || errB != nil {
		t.Fatalf("%v %v (-whole +pruned)\n%s\nof %q", errA, errB, diff, payload)
	}
}
