package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Changes tells what a new configuration changes.
type Changes struct {
	// Live takes effect in a running server: keys, and shares as in
	// "share projects (users, read_only)".
	Live []string
	// Restart are the keys that take effect with the next start.
	Restart []string
}

// live are the settings, outside of shares, that a running server takes over.
var live = map[string]bool{
	"log.level": true, "log.format": true, "log.file": true,
	"server.hosts.allow": true, "server.hosts.deny": true, "server.admins": true,
	"server.privileges.SeSecurityPrivilege": true, "server.privileges.SeTakeOwnershipPrivilege": true,
	"server.privileges.SeBackupPrivilege": true, "server.privileges.SeRestorePrivilege": true,
	"server.multichannel.include": true, "server.multichannel.exclude": true, "server.multichannel.links": true,
}

// Diff compares two configurations.
func Diff(from, to *Config) Changes {
	var ch Changes
	for _, key := range changed(reflect.ValueOf(*from), reflect.ValueOf(*to), "") {
		if live[key] {
			ch.Live = append(ch.Live, key)
		} else {
			ch.Restart = append(ch.Restart, key)
		}
	}
	ch.shares(from.Shares, to.Shares)
	return ch
}

// changed lists the keys whose values differ, without those of shares.
func changed(a, b reflect.Value, key string) []string {
	var keys []string
	for i := range a.NumField() {
		name, ok := a.Type().Field(i).Tag.Lookup("mapstructure")
		if !ok || key == "" && name == "shares" {
			continue
		}
		at, x, y := joinKey(key, name), a.Field(i), b.Field(i)
		switch {
		case x.Kind() == reflect.Struct:
			keys = append(keys, changed(x, y, at)...)
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			keys = append(keys, at)
		}
	}
	return keys
}

// shares describes how lists of shares differ. Shares are the same if their
// names are, without regard to case.
func (ch *Changes) shares(from, to []Share) {
	old := make(map[string]Share)
	for _, s := range from {
		old[strings.ToUpper(s.Name)] = s
	}
	for _, s := range to {
		name := strings.ToUpper(s.Name)
		was, ok := old[name]
		delete(old, name)
		if !ok {
			ch.Live = append(ch.Live, fmt.Sprintf("share %s (added)", s.Name))
			continue
		}
		if keys := changed(reflect.ValueOf(was), reflect.ValueOf(s), ""); len(keys) > 0 {
			ch.Live = append(ch.Live, fmt.Sprintf("share %s (%s)", s.Name, strings.Join(keys, ", ")))
		}
	}
	for _, s := range from {
		if _, gone := old[strings.ToUpper(s.Name)]; gone {
			ch.Live = append(ch.Live, fmt.Sprintf("share %s (removed)", s.Name))
		}
	}
}
