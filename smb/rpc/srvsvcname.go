package rpc

import (
	"strings"
	"unicode/utf16"

	"lessor/smb/rpc/ndr"
)

// nameRule is a line of MS-SRVS 2.2.2.8. Lengths count UTF-16 code units.
type nameRule struct {
	least, most int
	// invalid characters besides the default ones; secret allows everything
	// but NUL.
	invalid string
	secret  bool
	// trimmed names neither begin nor end with a space; mask names may end
	// with an asterisk, and must if they have the greatest length.
	trimmed, mask bool
}

const invalidInNames = `"/\[]:|<>+=;,?`

// nameRules by name type.
var nameRules = map[uint32]nameRule{
	1:  {least: 1, most: 256},                              // user
	2:  {most: 256, secret: true},                          // password
	3:  {least: 1, most: 256},                              // group
	4:  {least: 1, most: 260, invalid: "*", trimmed: true}, // computer
	5:  {least: 1, most: 16},                               // event
	6:  {least: 1, most: 15, invalid: "* "},                // domain
	7:  {least: 1, most: 80},                               // service
	8:  {least: 1, most: 260},                              // net
	9:  {least: 1, most: 80},                               // share
	10: {least: 1, most: 15},                               // message
	11: {least: 1, most: 260, mask: true},                  // message destination
	12: {most: 8, secret: true},                            // share password
	13: {least: 1, most: 15},                               // workgroup
}

func (r nameRule) accepts(name string) bool {
	n := len(utf16.Encode([]rune(name)))
	switch {
	case n < r.least || n > r.most:
		return false
	case r.secret:
		return true
	case r.trimmed && strings.Trim(name, " ") != name:
		return false
	case strings.Trim(name, ". ") == "":
		// Dots and spaces alone are for secrets.
		return false
	}
	if r.mask {
		head, masked := strings.CutSuffix(name, "*")
		if strings.Contains(head, "*") || n == r.most && !masked {
			return false
		}
	}
	return !strings.ContainsFunc(name, func(c rune) bool {
		return c < 0x20 || strings.ContainsRune(invalidInNames, c) || strings.ContainsRune(r.invalid, c)
	})
}

type nameValidate struct {
	name        string
	kind, flags uint32
}

func decodeNameValidate(d *ndr.Decoder) nameValidate {
	d.UniqueString()
	return nameValidate{name: d.String(), kind: d.U32(), flags: d.U32()}
}

// nameValidate is NetprNameValidate (MS-SRVS 3.1.4.32).
func (k *call) nameValidate(q nameValidate) werr {
	rule, ok := nameRules[q.kind]
	switch {
	case !ok || q.flags != 0:
		return werrInvalidParameter
	case !rule.accepts(q.name):
		return werrInvalidName
	}
	return werrOK
}
