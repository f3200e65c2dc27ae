package smb

import (
	"container/list"
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"time"

	"lessor/smb/ntstatus"
)

// Those who guess passwords are slowed down, and nobody is locked out. What failed
// is remembered in three ways:
//
//	a user at an address   behind Throttle.Failures, each further attempt is looked
//	                       at only after a wait, which doubles each time
//	an address             the same, behind addressFactor times as many: somebody
//	                       tries a password with many users
//	a user                 behind userFactor times as many, the refusal comes late:
//	                       somebody tries from many addresses. The right password
//	                       is taken at once.
//
// A user who has proved his password from an address lately is not kept waiting
// there because of what others did at the same address. A failure is forgotten when
// there was none for forgetAfter.
//
// The tables are bounded; what was not used for longest is forgotten first. They are
// apart, so that many users at one address cannot push out the address.
const (
	userFactor    = 5
	addressFactor = 10
	forgetAfter   = 15 * time.Minute
	trustFor      = 24 * time.Hour
	// throttleEntries is the size of each table.
	throttleEntries = 8192
)

// The scopes of a wait, which label the metric and the log.
const (
	scopePair    = "user at address"
	scopeAddress = "address"
	scopeUser    = "user"
)

// throttle is the state of the throttle.
type throttle struct {
	// Immutable after construction.
	Throttle
	seed maphash.Seed

	mu sync.Mutex // leaf; guards the tables and what they lead to
	// pairs, addresses and users tell of users at addresses, addresses, and users.
	pairs, addresses, users lru[logonKey, logonRecord]
}

// logonKey names a user, an address, or both. Names of users come from strangers, so
// nothing but a hash of them is kept.
type logonKey struct {
	addr netip.Addr
	user uint64
}

// logonRecord is what is known of one of them.
type logonRecord struct {
	failures int
	waiting  int       // attempts that wait: they may well fail, too
	last     time.Time // of the last failure
	next     time.Time // when the next attempt may be looked at
	proved   time.Time // when the right password was last given
}

func (t *throttle) key(addr netip.Addr, user string) (pair, address, name logonKey) {
	h := maphash.String(t.seed, strings.ToLower(user))
	a := netOf(addr)
	return logonKey{a, h}, logonKey{addr: a}, logonKey{user: h}
}

// delay is the wait behind n failures of which free cost nothing.
func (t *throttle) delay(n, free int) time.Duration {
	if n < free {
		return 0
	}
	d := t.Delay
	for ; n > free && d < t.MaxDelay; n-- {
		d *= 2
	}
	return min(d, t.MaxDelay)
}

// current forgets failures that are long past.
func (r *logonRecord) current(now time.Time) *logonRecord {
	if r != nil && now.Sub(r.last) > forgetAfter {
		r.failures = 0
	}
	return r
}

// reserve says how long an attempt has to wait, and keeps that time free for it until
// leave. It reports false if that is too long, and which table says so.
func (t *throttle) reserve(addr netip.Addr, user string, now time.Time) (wait time.Duration, scope string, ok bool) {
	pair, address, _ := t.key(addr, user)
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pairs.get(pair).current(now)
	slots := []struct {
		r     *logonRecord
		free  int
		scope string
	}{{p, t.Failures, scopePair}, {t.addresses.get(address).current(now), t.Failures * addressFactor, scopeAddress}}
	if p != nil && now.Sub(p.proved) < trustFor {
		slots = slots[:1]
	}
	for _, s := range slots {
		if s.r == nil || s.r.failures < s.free {
			continue
		}
		if d := s.r.next.Sub(now); d > wait {
			wait, scope = d, s.scope
		}
	}
	if wait > t.MaxDelay/2*3 {
		return 0, scope, false // others wait already
	}
	for _, s := range slots {
		if s.r == nil || s.r.failures < s.free {
			continue
		}
		if wait > 0 {
			s.r.waiting++
		}
		s.r.next = now.Add(wait + t.delay(s.r.failures+s.r.waiting, s.free))
	}
	return wait, scope, true
}

// leave is the end of a wait that reserve has asked for.
func (t *throttle) leave(addr netip.Addr, user string) {
	pair, address, _ := t.key(addr, user)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range []*logonRecord{t.pairs.get(pair), t.addresses.get(address)} {
		if r != nil && r.waiting > 0 {
			r.waiting--
		}
	}
}

// failed takes note of a wrong password, and says how long the refusal has to wait.
func (t *throttle) failed(addr netip.Addr, user string, now time.Time) (wait time.Duration) {
	pair, address, name := t.key(addr, user)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range []struct {
		table *lru[logonKey, logonRecord]
		key   logonKey
		free  int
	}{{&t.pairs, pair, t.Failures}, {&t.addresses, address, t.Failures * addressFactor}, {&t.users, name, t.Failures * userFactor}} {
		r := s.table.make(s.key).current(now)
		r.failures++
		r.last = now
		if d := t.delay(r.failures, s.free); d > 0 {
			r.next = later(r.next, now.Add(d))
		}
	}
	return t.delay(t.users.get(name).failures, t.Failures*userFactor)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// succeeded takes note of the right password.
func (t *throttle) succeeded(addr netip.Addr, user string, now time.Time) {
	pair, _, _ := t.key(addr, user)
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pairs.make(pair)
	*p = logonRecord{proved: now, waiting: p.waiting}
}

// off reports whether nobody is slowed down.
func (t *throttle) off() bool { return t.Failures < 0 }

// errThrottled ends an authentication that has not been looked at.
var errThrottled = &throttled{}

type throttled struct{}

func (*throttled) Error() string { return "too many failed logons" }
func (*throttled) Unwrap() error { return ntstatus.RequestNotAccepted }

// throttleLogon makes an attempt of a user wait before his proof is looked at.
// Errors: errThrottled, errConnClosed.
func (r *request) throttleLogon(user string) error {
	s, c := r.srv(), r.conn
	if s.throttle.off() {
		return nil
	}
	wait, scope, ok := s.throttle.reserve(c.addr, user, time.Now())
	if !ok {
		s.metrics.logonsRefused.Inc()
		r.logThrottle(scope, user, "logon refused: too many have failed and too many wait", 0)
		return errThrottled
	}
	if wait <= 0 {
		return nil
	}
	s.metrics.logonDelayed(scope)
	r.logThrottle(scope, user, "logon delayed: too many have failed", wait)
	defer s.throttle.leave(c.addr, user)
	return r.pause(wait)
}

// throttleFailure takes note of an attempt that has failed, and makes the refusal
// wait where many have failed from many addresses. The error is errConnClosed.
func (r *request) throttleFailure(user string) error {
	s, c := r.srv(), r.conn
	if s.throttle.off() {
		return nil
	}
	wait := s.throttle.failed(c.addr, user, time.Now())
	if wait <= 0 {
		return nil
	}
	s.metrics.logonDelayed(scopeUser)
	r.logThrottle(scopeUser, user, "refusal of a logon delayed: too many have failed", wait)
	return r.pause(wait)
}

// logThrottle writes one line for each scope in a while. The name is what a stranger
// has sent.
func (r *request) logThrottle(scope, user, msg string, wait time.Duration) {
	dropped, ok := r.srv().strangers.allow(msg + scope)
	if !ok {
		return
	}
	e := r.conn.log.Warn().Str("scope", scope).Str("user", user[:min(len(user), 128)])
	if wait > 0 {
		e = e.Dur("wait", wait)
	}
	if dropped > 0 {
		e = e.Int("similar", dropped)
	}
	e.Msg(msg)
}

// pause lets the connection be read on and waits. The error is errConnClosed.
func (r *request) pause(d time.Duration) error {
	r.giveTurn()
	r.conn.tr.Kick()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.conn.ctx.Done():
		return errConnClosed
	}
}

// lru is a map that forgets what was not used for longest. The zero value is ready.
type lru[K comparable, V any] struct {
	byKey map[K]*list.Element // of *lruEntry[K, V]
	order list.List           // the one used last is in front
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

// get finds a value, or returns nil.
func (l *lru[K, V]) get(key K) *V {
	e := l.byKey[key]
	if e == nil {
		return nil
	}
	l.order.MoveToFront(e)
	entry, _ := e.Value.(*lruEntry[K, V])
	return &entry.value
}

// make finds a value, or makes it.
func (l *lru[K, V]) make(key K) *V {
	if v := l.get(key); v != nil {
		return v
	}
	if l.byKey == nil {
		l.byKey = make(map[K]*list.Element)
	}
	if len(l.byKey) >= throttleEntries {
		last := l.order.Back()
		entry, _ := last.Value.(*lruEntry[K, V])
		delete(l.byKey, entry.key)
		l.order.Remove(last)
	}
	entry := &lruEntry[K, V]{key: key}
	l.byKey[key] = l.order.PushFront(entry)
	return &entry.value
}
