package names

import (
	"math/bits"
	"strings"
)

// The wildcards of MS-FSA 2.1.4.3.
const (
	anyRun  = '*' // zero or more characters
	anyOne  = '?' // one character
	dosStar = '<' // zero or more characters, but not the last '.'
	dosQM   = '>' // one character; nothing before a '.' or at the end
	dosDot  = '"' // a '.', or nothing at the end
)

const (
	// maxPattern is the longest compiled pattern in units. A name has at most
	// MaxUnits of them, so whatever is longer consists mostly of wildcards that
	// may match nothing, and no client sends that.
	maxPattern   = 511
	patternWords = (maxPattern + 1) / 64
)

// patternKind selects how a Pattern is matched.
type patternKind uint8

const (
	matchNone    patternKind = iota // longer than maxPattern: nothing
	matchAll                        // "*" and "*.*"
	matchLiteral                    // no wildcards
	matchSuffix                     // '*' and a literal
	matchPrefix                     // a literal and '*'
	matchGeneral                    // simulation of the automaton
)

// Pattern is a compiled search expression. It is immutable and may be used from
// many goroutines. The zero Pattern matches nothing.
type Pattern struct {
	kind    patternKind
	text    string // the expression as given
	literal string // folded text of the literal kinds
	units   []rune // folded units of matchGeneral, runs of stars merged
	least   int    // the fewest units that a matching name has
}

// Compile prepares a search expression (MS-FSA 2.1.4.4) for matching many names.
// Every string is an expression, the empty one matches the empty name alone. An
// expression that has more than 511 units after neighbouring stars were merged
// matches nothing.
func Compile(pattern string) Pattern {
	p := Pattern{text: pattern}
	folded := Fold(pattern)
	switch {
	case pattern == "*" || pattern == "*.*":
		p.kind = matchAll
		return p
	case IsLiteral(pattern):
		p.kind, p.literal = matchLiteral, folded
		return p
	case folded[0] == anyRun && IsLiteral(folded[1:]) && folded[1:] != "":
		p.kind, p.literal = matchSuffix, folded[1:]
	case folded[len(folded)-1] == anyRun && IsLiteral(folded[:len(folded)-1]):
		p.kind, p.literal = matchPrefix, folded[:len(folded)-1]
	default:
		p.kind = matchGeneral
	}
	p.compileUnits(folded)
	return p
}

// compileUnits fills units and least, and merges neighbouring stars.
func (p *Pattern) compileUnits(folded string) {
	p.units = appendUnits(make([]rune, 0, min(len(folded), maxPattern)), folded)
	out := p.units[:0]
	for _, u := range p.units {
		last := len(out) - 1
		switch {
		case u == anyRun && last >= 0 && (out[last] == anyRun || out[last] == dosStar):
			out[last] = anyRun
			continue
		case u == dosStar && last >= 0 && (out[last] == anyRun || out[last] == dosStar):
			continue
		case u != anyRun && u != dosStar && u != dosQM && u != dosDot:
			p.least++
		}
		out = append(out, u)
	}
	p.units = out
	if len(out) > maxPattern {
		p.kind, p.units = matchNone, nil
	}
	if len(out) == 1 && out[0] == anyRun {
		p.kind = matchAll
	}
}

// String returns the expression that was compiled.
func (p *Pattern) String() string { return p.text }

// All reports whether the pattern matches every name without looking at it.
func (p *Pattern) All() bool { return p.kind == matchAll }

// Literal returns the name for which the pattern stands, unfolded, if it has no
// wildcards, so that a look-up can take the place of a scan.
func (p *Pattern) Literal() (string, bool) { return p.text, p.kind == matchLiteral }

// IsLiteral reports whether s has none of the wildcards * ? < > ".
func IsLiteral(s string) bool { return !strings.ContainsAny(s, "*?<>\"") }

// Match reports whether name matches the expression without regard to case, by
// MS-FSA 2.1.4.4. Its time is bounded by the product of both lengths.
func Match(pattern, name string) bool {
	if pattern == "*" {
		return name != ""
	}
	p := Compile(pattern)
	return p.Match(name)
}

// Match reports whether name matches the pattern without regard to case. Only the
// empty expression matches the empty name. It does not allocate for names of up
// to MaxUnits units.
func (p *Pattern) Match(name string) bool {
	if name == "" {
		return p.kind == matchLiteral && p.literal == ""
	}
	switch p.kind {
	case matchAll:
		return true
	case matchLiteral:
		return EqualFold(p.literal, name)
	case matchSuffix:
		if IsASCII(name) {
			cut := len(name) - len(p.literal)
			return cut >= 0 && EqualFold(p.literal, name[cut:])
		}
	case matchPrefix:
		if IsASCII(name) {
			return len(name) >= len(p.literal) && EqualFold(p.literal, name[:len(p.literal)])
		}
	case matchNone:
		return false
	}
	var space [MaxUnits + 1]rune
	units := appendUnits(space[:0], name)
	if len(units) < p.least {
		return false
	}
	lastDot := -1
	for i, c := range units {
		if c == '.' {
			lastDot = i
		}
	}
	return p.simulate(units, lastDot)
}

// stateSet is a set of positions in a pattern.
type stateSet [patternWords]uint64

func (s *stateSet) add(n int) { s[n/64] |= 1 << (n % 64) }

// simulate runs the non-deterministic automaton of the pattern over a name.
func (p *Pattern) simulate(name []rune, lastDot int) bool {
	var now stateSet
	now.add(0)
	words := len(p.units)/64 + 1
	for i, c := range name {
		var next stateSet
		live := false
		for w := range words {
			// A state may add its successor to this very set, which is why the
			// word is read anew each time.
			for done := uint64(0); now[w]&^done != 0; {
				bit := bits.TrailingZeros64(now[w] &^ done)
				done |= 1 << bit
				live = true
				if at := w*64 + bit; at < len(p.units) {
					step(p.units[at], c, i == lastDot, at, &now, &next)
				}
			}
		}
		if !live {
			return false
		}
		now = next
	}
	return p.accepts(&now)
}

// step follows the transitions of state at, whose pattern unit is u, for the
// upper-case character c of the name.
func step(u, c rune, isLastDot bool, at int, now, next *stateSet) {
	switch u {
	case anyRun:
		next.add(at)
		now.add(at + 1)
	case dosStar:
		if !isLastDot {
			next.add(at)
		}
		now.add(at + 1)
	case anyOne:
		next.add(at + 1)
	case dosQM:
		if c == '.' {
			now.add(at + 1)
		} else {
			next.add(at + 1)
		}
	case dosDot:
		if c == '.' {
			next.add(at + 1)
		}
	default:
		if u == c {
			next.add(at + 1)
		}
	}
}

// accepts tells whether the end of the pattern can be reached from one of the
// states without consuming anything, the name being at its end.
func (p *Pattern) accepts(now *stateSet) bool {
	for at := len(p.units); at >= 0; at-- {
		if now[at/64]&(1<<(at%64)) != 0 {
			return true
		}
		if at == 0 {
			break
		}
		switch p.units[at-1] {
		case anyRun, dosStar, dosQM, dosDot:
		default:
			return false
		}
	}
	return false
}

// appendUnits appends the folded UTF-16 units of s; an invalid byte is a unit of
// its own, above all others.
func appendUnits(dst []rune, s string) []rune {
	for i := 0; i < len(s); {
		r, n := decode(s, i)
		i += n
		if r > 0xFFFF && r < rawBase {
			r -= 0x10000
			dst = append(dst, surrogateMin+r>>10, surrogateLow+r&0x3FF)
			continue
		}
		dst = append(dst, upcase(r))
	}
	return dst
}
