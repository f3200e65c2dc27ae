package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Multichannel says what clients are told of the network interfaces of the machine, to
// open more connections to.
type Multichannel struct {
	// Include are the interfaces that clients are told of, all if it is empty, but none
	// of Exclude.
	Include []Interface `mapstructure:"include"`
	Exclude []Interface `mapstructure:"exclude"`
	// Links replace what the system says of interfaces.
	Links []Link `mapstructure:"links"`
}

// Interface is the name of an interface, or a pattern of names such as "eth*", or an
// address or a range of addresses such as 192.0.2.0/24.
type Interface string

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *Interface) UnmarshalText(text []byte) error {
	n := Interface(strings.TrimSpace(string(text)))
	if !n.valid() {
		return errors.New("want an interface such as eth0 or eth*, an address, or a range such as 192.0.2.0/24")
	}
	*i = n
	return nil
}

// Range is the range of addresses that the value stands for, if it is no name.
func (i Interface) Range() (netip.Prefix, bool) {
	p, err := Host(i).prefix()
	return p, err == nil
}

func (i Interface) valid() bool {
	if _, ok := i.Range(); ok {
		return true
	}
	_, err := path.Match(string(i), "")
	return err == nil && i != "" && !strings.ContainsAny(string(i), "/: ")
}

// Link is what an administrator knows of interfaces.
type Link struct {
	// Name of the interface, or a pattern such as "eth*".
	Name string `mapstructure:"name"`
	// Speed in bits per second; 0: what the system says.
	Speed BitRate `mapstructure:"speed"`
	// RSS says whether more than one core takes in what comes over an address.
	RSS Answer `mapstructure:"rss"`
}

// BitRate is a number of bits per second.
type BitRate uint64

var bitUnits = []struct {
	unit string
	bits float64
}{{"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"K", 1e3}}

// String writes the rate with the largest unit of which it is one or more.
func (r BitRate) String() string {
	for _, u := range bitUnits {
		if float64(r) >= u.bits {
			return strconv.FormatFloat(float64(r)/u.bits, 'f', -1, 64) + u.unit
		}
	}
	return strconv.FormatUint(uint64(r), 10)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *BitRate) UnmarshalText(text []byte) error {
	t, factor := string(text), 1.0
	for _, u := range bitUnits {
		if rest, ok := strings.CutSuffix(t, u.unit); ok {
			t, factor = rest, u.bits
			break
		}
	}
	n, err := strconv.ParseFloat(t, 64)
	// NaN is not above 0 either.
	if bits := math.Round(n * factor); err == nil && bits >= 1 && bits <= 1e15 {
		*r = BitRate(bits)
		return nil
	}
	return errors.New("want bits per second such as 10G, 2.5G or 100M")
}

// Answer is yes, no, or what the system says.
type Answer string

// The values of Answer.
const (
	AnswerAuto Answer = "auto"
	AnswerYes  Answer = "true"
	AnswerNo   Answer = "false"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Answer) UnmarshalText(text []byte) error {
	return parseWord(a, text, AnswerAuto, AnswerYes, AnswerNo)
}

func (m Multichannel) clone() Multichannel {
	return Multichannel{Include: slices.Clone(m.Include), Exclude: slices.Clone(m.Exclude), Links: slices.Clone(m.Links)}
}

func (v *validation) multichannel() {
	m := &v.c.Server.Multichannel
	const key = "server.multichannel."
	for _, list := range []struct {
		name string
		all  []Interface
	}{{"include", m.Include}, {"exclude", m.Exclude}} {
		for i, n := range list.all {
			if !n.valid() {
				v.problem(fmt.Sprintf("%s%s[%d]", key, list.name, i), fmt.Sprintf("bad value %q", n),
					"want an interface such as eth0 or eth*, an address, or a range such as 192.0.2.0/24")
			}
		}
	}
	for i, l := range m.Links {
		n := Interface(l.Name)
		if _, isRange := n.Range(); isRange || !n.valid() {
			v.problem(fmt.Sprintf("%slinks[%d].name", key, i), fmt.Sprintf("bad value %q", l.Name), "want the name of an interface such as eth0 or eth*")
		}
	}
}
