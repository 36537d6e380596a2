package stripe

import (
	"strings"

	"tillhook/pkg/event"
)

// with is a small good body with one member put before the others.
func with(member string) string {
	return `{` + member + `"id":"evt_1","type":"t","created":1,"data":{"object":{"id":"ch_1"}}}`
}

// inObject is the same with a member in data.object.
func inObject(member string) string {
	return `{"id":"evt_1","type":"t","created":1,"data":{"object":{` + member + `}}}`
}

// refusals are bodies that are no event, with the reason.
var refusals = []struct {
	name, body string
	want       error
}{
	{"nothing", ``, errSyntax},
	{"blanks", " \n", errSyntax},
	{"null", `null`, errSyntax},
	{"array", `[]`, errSyntax},
	{"string", `"evt"`, errSyntax},
	{"two values", with("") + `{}`, errSyntax},
	{"rubbish behind", with("") + `x`, errSyntax},
	{"byte order mark", "\xef\xbb\xbf" + with(""), errSyntax},
	{"comma at the end", `{"id":"evt_1","type":"t","created":1,}`, errSyntax},
	{"single quotes", `{'id':'evt_1'}`, errSyntax},
	{"comment", with(`/**/`), errSyntax},
	{"bare NaN", with(`"x":NaN,`), errSyntax},
	{"number with leading zero", with(`"x":01,`), errSyntax},
	{"number with a bare point", with(`"x":1.,`), errSyntax},
	{"number with a plus", with(`"x":+1,`), errSyntax},
	{"exponent without digits", with(`"x":1e,`), errSyntax},
	{"minus alone", with(`"x":-,`), errSyntax},
	{"word cut", with(`"x":tru,`), errSyntax},
	{"raw control character", with("\"x\":\"\x01\","), errSyntax},
	{"raw NUL", with("\"x\":\"\x00\","), errSyntax},
	{"NUL as white space", with("\x00"), errSyntax},
	{"unknown escape", with(`"x":"\x41",`), errSyntax},
	{"short unicode escape", with(`"x":"\u12",`), errSyntax},
	{"invalid UTF-8", with("\"x\":\"\xff\","), errEncoding},
	{"overlong UTF-8", with("\"x\":\"\xc0\xaf\","), errEncoding},
	{"surrogate in UTF-8", with("\"x\":\"\xed\xa0\x80\","), errEncoding},
	{"invalid UTF-8 in a key", with("\"\xff\":1,"), errEncoding},
	{"too deep", with(`"x":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `,`), errDepth},
	{"a megabyte of depth", strings.Repeat(`{"a":`, 200_000), errDepth},

	{"two ids", with(`"id":"evt_2",`), ErrAmbiguous},
	{"two types", with(`"type":"u",`), ErrAmbiguous},
	{"type in another case", with(`"TYPE":"u",`), ErrAmbiguous},
	{"type in another case alone", `{"id":"evt_1","Type":"t","created":1}`, ErrAmbiguous},
	{"reference in two cases", inObject(`"client_reference_id":"a","Client_reference_id":"b"`), ErrAmbiguous},
	{"escaped second metadata", inObject(`"meta\u0064ata":{},"metadata":{}`), ErrAmbiguous},
	{"long s, which folds to s", inObject(`"late` + "ſ" + `t_charge":"ch_2"`), ErrAmbiguous},
	{"escaped second id", with(`"\u0069d":"evt_2",`), ErrAmbiguous},
	{"null first", with(`"id":null,`), ErrAmbiguous},
	{"two datas", with(`"data":null,`), ErrAmbiguous},
	{"two objects in data", `{"id":"e","type":"t","created":1,"data":{"object":{},"object":{}}}`, ErrAmbiguous},
	{"two metadata", inObject(`"metadata":{"orderId":"1"},"metadata":{}`), ErrAmbiguous},
	{"two orders", inObject(`"metadata":{"orderId":"1","orderId":"2"}`), ErrAmbiguous},
	{"two ids in an expanded object", inObject(`"payment_intent":{"id":"pi_1","ID":"pi_2"}`), ErrAmbiguous},
	{"the same id twice in an expanded object", inObject(`"charge":{"id":"ch_1","id":"ch_1"}`), ErrAmbiguous},
	{"two ids in a related object", with(`"related_object":{"id":"a","id":"b"},`), ErrAmbiguous},

	{"no id", `{"type":"t","created":1}`, errField},
	{"no type", `{"id":"evt_1","created":1}`, errField},
	{"no created", `{"id":"evt_1","type":"t"}`, errField},
	{"the guide's curl", `{"type":"test"}`, errField},
	{"id null", `{"id":null,"type":"t","created":1}`, errField},
	{"id empty", `{"id":"","type":"t","created":1}`, errField},
	{"id a number", `{"id":1,"type":"t","created":1}`, errField},
	{"id too long", `{"id":"` + strings.Repeat("e", event.MaxIDLength+1) + `","type":"t","created":1}`, errField},
	{"NUL in the id", `{"id":"evt\u0000","type":"t","created":1}`, errField},
	{"line break in the type", `{"id":"evt_1","type":"a\nb","created":1}`, errField},
	{"C1 control in the type", `{"id":"evt_1","type":"a\u0085b","created":1}`, errField},
	{"created an exponent", `{"id":"e","type":"t","created":1.7e9}`, errField},
	{"created a fraction", `{"id":"e","type":"t","created":1.0}`, errField},
	{"created text", `{"id":"e","type":"t","created":"123"}`, errField},
	{"created negative", `{"id":"e","type":"t","created":-1}`, errField},
	{"created after 9999", `{"id":"e","type":"t","created":253402300800}`, errField},
	{"created beyond all integers", `{"id":"e","type":"t","created":99999999999999999999}`, errField},
	{"created text of an ordinary event", `{"id":"e","type":"t","created":"2024-01-01T00:00:00Z"}`, errField},
	{"thin, created not a time", `{"id":"e","type":"t","object":"v2.core.event","created":"today"}`, errField},
	{"thin, created before 1970", `{"id":"e","type":"t","object":"v2.core.event","created":"1969-12-31T23:59:59Z"}`, errField},
	{"livemode text", with(`"livemode":"true",`), errField},
	{"account a number", with(`"account":1,`), errField},
	{"api_version an object", with(`"api_version":{},`), errField},
}

// accepted are odd bodies that are events all the same.
var accepted = []struct {
	name, body string
	want       event.Hints
}{
	{"no data", `{"id":"evt_1","type":"t","created":1}`, event.Hints{}},
	{"data null", `{"id":"evt_1","type":"t","created":1,"data":null}`, event.Hints{}},
	{"data an array", `{"id":"evt_1","type":"t","created":1,"data":[{"object":{"id":"x"}}]}`, event.Hints{}},
	{"object null", `{"id":"evt_1","type":"t","created":1,"data":{"object":null}}`, event.Hints{}},
	{"object a string", `{"id":"evt_1","type":"t","created":1,"data":{"object":"ch_1"}}`, event.Hints{}},
	{"metadata null", inObject(`"id":"a","metadata":null`), event.Hints{Objects: []string{"a"}}},
	{"metadata an array", inObject(`"metadata":["orderId"]`), event.Hints{}},
	{"metadata in another case", inObject(`"metadata":{"ORDERID":"1","orderId":"2"}`), event.Hints{OrderID: "2"}},
	{"order a number", inObject(`"metadata":{"orderId":7},"client_reference_id":"o"`), event.Hints{OrderID: "o"}},
	{"order too long", inObject(`"metadata":{"orderId":"` + strings.Repeat("o", 256) + `"}`), event.Hints{}},
	{"order as long as allowed", inObject(`"metadata":{"orderId":"` + strings.Repeat("o", 255) + `"}`), event.Hints{OrderID: strings.Repeat("o", 255)}},
	{"NUL in a hint", inObject(`"id":"a\u0000","payment_intent":"pi_1"`), event.Hints{Objects: []string{"pi_1"}}},
	{"hints of odd kinds", inObject(`"id":1,"payment_intent":[],"charge":{},"latest_charge":{"id":{}}`), event.Hints{}},
	{"half a surrogate pair", inObject(`"id":"a\ud83cb"`), event.Hints{Objects: []string{"a\ufffdb"}}},
	{"two low surrogates", inObject(`"id":"\udf55\udf55"`), event.Hints{Objects: []string{"\ufffd\ufffd"}}},
	{"every escape", inObject(`"id":"\"\\\/\u0041"`), event.Hints{Objects: []string{`"\/A`}}},
	{"duplicates where nothing is read", inObject(`"id":"a","x":1,"x":2,"X":{"id":1,"id":2}`), event.Hints{Objects: []string{"a"}}},
	{"as deep as allowed", with(`"x":` + strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1) + `,`), event.Hints{Objects: []string{"ch_1"}}},
}
