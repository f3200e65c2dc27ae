package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
)

// schema checks a tree of nodes against the Config struct and remembers where
// each key stands. Values that read themselves from text are marked as text, so
// that YAML's ideas about 3.0 and 0644 do not reach them.
type schema struct {
	file     string
	origins  map[string]string
	problems problems
}

// namesKeys is a group of settings that says what is wrong with one that it does not have.
type namesKeys interface{ unknownKey() (what, remedy string) }

// check compares the value of key with the type that it is for.
func (s *schema) check(n *yaml.Node, key string, t reflect.Type) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	s.origins[key] = s.at(n)
	switch {
	case isText(t):
		s.checkText(n, key, t)
	case t.Kind() == reflect.Struct:
		if s.isKind(n, key, yaml.MappingNode, "a group of settings") {
			s.checkFields(n, key, t)
		}
	case t.Kind() == reflect.Slice:
		if s.isKind(n, key, yaml.SequenceNode, "a list") {
			for i, item := range n.Content {
				s.check(item, fmt.Sprintf("%s[%d]", key, i), t.Elem())
			}
		}
	default:
		s.checkScalar(n, key, t)
	}
}

// isText reports whether a type reads itself from text.
func isText(t reflect.Type) bool {
	return t == durationType || reflect.PointerTo(t).Implements(textType)
}

func (s *schema) at(n *yaml.Node) string { return s.file + ":" + strconv.Itoa(n.Line) }

func (s *schema) problem(n *yaml.Node, key, what, remedy string) {
	s.problems.add(&Problem{Origin: s.at(n), Key: key, What: what, Remedy: remedy})
}

// isKind reports whether n has the wanted kind. Nothing at all is fine for
// groups and lists: what stood there is commented out.
func (s *schema) isKind(n *yaml.Node, key string, kind yaml.Kind, want string) bool {
	if n.Kind == kind {
		return true
	}
	if n.Tag != "!!null" {
		s.problem(n, key, "has "+describe(n)+" where "+want+" is wanted", "indent or bracket it as in \"lessor config default\"")
	}
	return false
}

func (s *schema) checkFields(n *yaml.Node, key string, t reflect.Type) {
	fields := fieldsOf(t)
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		at := joinKey(key, name.Value)
		field, ok := fields[name.Value]
		if !ok {
			what, remedy := "there is no such setting", suggest(name.Value, fields)
			if own, ok := reflect.Zero(t).Interface().(namesKeys); ok {
				what, remedy = own.unknownKey()
			}
			s.problem(name, at, what, remedy)
			continue
		}
		if line, twice := seen[name.Value]; twice {
			s.problem(name, at, fmt.Sprintf("stands here and in line %d", line), "remove one of them")
			continue
		}
		seen[name.Value] = name.Line
		s.check(value, at, field)
		s.origins[at] = s.at(name)
	}
}

// checkText checks a value that reads itself.
func (s *schema) checkText(n *yaml.Node, key string, t reflect.Type) {
	if !s.hasScalar(n, key) {
		return
	}
	var err error
	if t == durationType {
		_, err = parseDuration(n.Value)
	} else {
		err = reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value))
	}
	if err != nil {
		s.problem(n, key, fmt.Sprintf("bad value %q", n.Value), err.Error())
		return
	}
	n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("want a time with its unit such as 500ms, 30s or 5m")
	}
	return d, nil
}

// hasScalar reports whether n is a single value.
func (s *schema) hasScalar(n *yaml.Node, key string) bool {
	if n.Kind != yaml.ScalarNode {
		s.problem(n, key, "has "+describe(n)+" where a single value is wanted", "write one value")
		return false
	}
	if n.Tag == "!!null" {
		s.problem(n, key, "has no value", "give one, or remove the line for the default")
		return false
	}
	return true
}

func (s *schema) checkScalar(n *yaml.Node, key string, t reflect.Type) {
	if !s.hasScalar(n, key) {
		return
	}
	var want, remedy string
	switch t.Kind() {
	case reflect.Bool:
		want, remedy = "!!bool", "want true or false"
	case reflect.Int:
		want, remedy = "!!int", "want a whole number"
	default:
		want, remedy = "!!str", "put it in quotes to make it text"
	}
	bad := n.Tag != want
	if !bad && t.Kind() == reflect.Int {
		_, err := strconv.Atoi(n.Value)
		bad = err != nil
	}
	if bad {
		s.problem(n, key, fmt.Sprintf("bad value %q", n.Value), remedy)
	}
}

// describe names what stands at a node.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of settings"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("the value %q", n.Value)
}

func joinKey(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// fieldsOf returns the settings of a struct by name.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type)
	for i := range t.NumField() {
		if name, ok := t.Field(i).Tag.Lookup("mapstructure"); ok {
			fields[name] = t.Field(i).Type
		}
	}
	return fields
}

// scalarKeys lists the keys that a variable of the environment can set: all
// single values and lists of them, outside of lists.
func scalarKeys(t reflect.Type, key string) []string {
	var keys []string
	for i := range t.NumField() {
		name, ok := t.Field(i).Tag.Lookup("mapstructure")
		if !ok {
			continue
		}
		at, ft := joinKey(key, name), t.Field(i).Type
		switch {
		case ft.Kind() == reflect.Struct:
			keys = append(keys, scalarKeys(ft, at)...)
		case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
		default:
			keys = append(keys, at)
		}
	}
	return keys
}

// suggest says what an unknown setting may have been meant to be.
func suggest(name string, fields map[string]reflect.Type) string {
	best, dist := "", 3
	for f := range fields {
		d := distance(strings.ToLower(name), f)
		if d < dist || d == dist && f < best {
			best, dist = f, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "see \"lessor config default\" for all settings"
}

// distance is the number of single-character edits between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
