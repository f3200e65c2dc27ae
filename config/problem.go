package config

import (
	"errors"
	"strings"
)

// Problem is one mistake in the configuration.
type Problem struct {
	// Origin is where the value comes from: "FILE:LINE", the name of a variable
	// or flag, or empty for a value that nobody gave.
	Origin string
	// Key is the setting, as in "shares[1].path"; empty if the file as a whole
	// is wrong.
	Key string
	// What is wrong, and what to do about it.
	What, Remedy string
}

// Error is one line: origin, key, problem and remedy.
func (p *Problem) Error() string {
	s := p.What
	if p.Key != "" {
		s = p.Key + ": " + s
	}
	if p.Origin != "" {
		s = p.Origin + ": " + s
	}
	if p.Remedy != "" {
		s += "; " + p.Remedy
	}
	return s
}

// Problem returns a mistake in the value of key, with the place that the value
// comes from. It is for checks that need more than this package knows.
func (c *Config) Problem(key, what, remedy string) *Problem {
	return &Problem{Origin: c.origin(key), Key: key, What: what, Remedy: remedy}
}

// SetOrigin records that the value of key, and of all keys below it, comes from
// origin, such as a command line flag.
func (c *Config) SetOrigin(key, origin string) {
	if c.origins == nil {
		c.origins = make(map[string]string)
	}
	for k := range c.origins {
		if strings.HasPrefix(k, key+"[") || strings.HasPrefix(k, key+".") {
			delete(c.origins, k)
		}
	}
	c.origins[key] = origin
}

// origin finds the place of a key, or of the nearest key above it: the setting
// that is missing is missing there.
func (c *Config) origin(key string) string {
	for {
		if o, ok := c.origins[key]; ok {
			return o
		}
		if key == "" {
			return ""
		}
		key = parentKey(key)
	}
}

// parentKey takes the last element off: "a[1].b", "a[1]", "a", "".
func parentKey(key string) string {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] == '.' || key[i] == '[' {
			return key[:i]
		}
	}
	return ""
}

// problems collects mistakes.
type problems []error

func (p *problems) add(err *Problem) { *p = append(*p, err) }

func (p problems) err() error { return errors.Join(p...) }
