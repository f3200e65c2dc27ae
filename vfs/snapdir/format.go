package snapdir

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Format is how the names of snapshots tell their times.
type Format struct {
	re     *regexp.Regexp
	fields []byte // what each group of re is
}

// formatFields are the conversions of strftime(3) that a format may have, and what they match.
var formatFields = map[byte]string{
	'Y': `([0-9]{4})`, 'm': `([0-9]{2})`, 'd': `([0-9]{2})`, 'H': `([0-9]{2})`, 'M': `([0-9]{2})`, 'S': `([0-9]{2})`,
	'y': `([0-9]{2})`, 's': `([0-9]{1,11})`,
}

// maxFormat is the longest format in bytes.
const maxFormat = 255

// ParseFormat reads a format: text with the conversions %Y, %y, %m, %d, %H, %M, %S and %s (seconds
// since 1970) of strftime(3), with '*' for anything, and %% and %* for these characters. What is
// missing of the time of day is zero. Errors say what is wrong, in words for a person.
func ParseFormat(text string) (*Format, error) {
	if len(text) > maxFormat || strings.ContainsAny(text, "/\x00") {
		return nil, errors.New("the format of a single name is wanted")
	}
	f := &Format{}
	var b strings.Builder
	b.WriteString(`^(?s:`)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '*':
			b.WriteString(`.*`)
		case c != '%':
			b.WriteString(regexp.QuoteMeta(text[i : i+1]))
		case i+1 == len(text):
			return nil, errors.New("a single % at the end")
		default:
			i++
			if text[i] == '%' || text[i] == '*' {
				b.WriteString(regexp.QuoteMeta(text[i : i+1]))
				continue
			}
			group, ok := formatFields[text[i]]
			if !ok {
				return nil, fmt.Errorf("there is no %%%c", text[i])
			}
			if strings.IndexByte(string(f.fields), text[i]) >= 0 {
				return nil, fmt.Errorf("%%%c stands there twice", text[i])
			}
			f.fields = append(f.fields, text[i])
			b.WriteString(group)
		}
	}
	b.WriteString(`)$`)
	has := func(c byte) bool { return strings.IndexByte(string(f.fields), c) >= 0 }
	if !has('s') && !(has('Y') || has('y')) || !has('s') && (!has('m') || !has('d')) {
		return nil, errors.New("a year, %m and %d, or %s, are needed")
	}
	var err error
	if f.re, err = regexp.Compile(b.String()); err != nil {
		return nil, errors.New("names must be valid UTF-8")
	}
	return f, nil
}

// Time is the time that a name tells, in whole seconds; ok is false if it has not the form, or
// there is no such time.
func (f *Format) Time(name string, in *time.Location) (t time.Time, ok bool) {
	if len(name) > maxFormat {
		return t, false
	}
	m := f.re.FindStringSubmatch(name)
	if m == nil {
		return t, false
	}
	v := map[byte]int{}
	for i, c := range f.fields {
		n, err := strconv.ParseInt(m[i+1], 10, 64)
		if err != nil {
			return t, false
		}
		if c == 's' {
			return time.Unix(n, 0).UTC(), true
		}
		v[c] = int(n)
	}
	year, four := v['Y']
	if !four {
		year = 2000 + v['y']
	}
	t = time.Date(year, time.Month(v['m']), v['d'], v['H'], v['M'], v['S'], 0, in)
	if t.Year() != year || int(t.Month()) != v['m'] || t.Day() != v['d'] || v['H'] > 23 || v['M'] > 59 || v['S'] > 59 {
		return t, false
	}
	return t.UTC(), true
}
