package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// attacker is a client that sends good requests with something wrong in them. It
// starts anew when the server has cut it off.
type attacker struct {
	s    *siege
	t    *testing.T
	conn *client.Conn
	tree *client.Tree
	file *client.File
	dir  *client.File
	// sent, answered and cuts count requests, replies to them, and connections that the
	// server has ended; statuses are those of the replies.
	sent, answered, cuts int
	lives                int
	// local says that the files are real ones: nothing is asked for that fills the disk.
	local    bool
	statuses map[ntstatus.Status]int
}

// newAttacker returns one that is connected.
func newAttacker(t *testing.T, s *siege) *attacker {
	t.Helper()
	a := &attacker{s: s, t: t, statuses: make(map[ntstatus.Status]int)}
	a.again()
	return a
}

// again connects, and opens a file and a directory.
func (a *attacker) again() {
	a.t.Helper()
	if a.conn != nil {
		a.conn.Close()
	}
	o := a.s.options(func(o *client.Options) {
		o.NoVerify = true // it asks for nonsense, and must not be surprised
		o.OnBreak = func(*client.Break) {}
	})
	ctx := a.t.Context()
	a.conn = must(client.Dial(ctx, a.s.Addr, o))(a.t)
	a.tree = must(must(a.conn.SessionSetup(ctx))(a.t).TreeConnect(ctx, "share"))(a.t)
	// Another file each time, as what was done to the last one may outlive its handle.
	a.lives++
	a.file = open(a.t, a.tree, client.CreateArgs{Name: fmt.Sprint("target ", a.lives)})
	a.dir = open(a.t, a.tree, client.CreateArgs{Name: "", Directory: true})
}

// send sends requests that nobody expects an answer to, and behind them an ECHO. When
// that is answered, the server has survived them; when the connection has ended
// instead, the attacker begins anew.
func (a *attacker) send(rs ...*client.Request) {
	a.t.Helper()
	var ps []*client.Pending
	for _, r := range rs {
		r.NoWait = true // a hole in the window may have used up the credits
		ps = append(ps, a.conn.Start(r))
	}
	a.sent += len(rs)
	_, err := a.conn.Do(a.t.Context(), &client.Request{Body: &wire.EchoRequest{}, NoWait: true})
	for _, p := range ps {
		select {
		case <-p.Done():
			if resp, err := p.Wait(a.t.Context()); err == nil {
				a.answered++
				a.statuses[resp.Status]++
			}
		default: // it waits, or the reply came under another id
		}
	}
	if err != nil {
		wantCut(a.t, a.conn)
		a.cuts++
		a.again()
	}
}

// report says what has become of the requests, and ends the attack.
func (a *attacker) report() {
	a.t.Logf("%d requests, %d answered, %d connections cut; %v", a.sent, a.answered, a.cuts, a.statuses)
	a.conn.Close()
}

// impatient is a configuration in which nobody waits long for an attacker who
// acknowledges nothing.
const impatient = "locking:\n  break_timeout: 1s\n  durable_timeout: 1s\n"

// onBothStores runs an attack on files on the disk and on files in memory.
func onBothStores(t *testing.T, limit bounds, attack func(t *testing.T, s *siege, local bool)) {
	t.Run("local", func(t *testing.T) {
		besiege(t, impatient, limit, func(t *testing.T, s *siege) { attack(t, s, true) })
	})
	t.Run("memory", func(t *testing.T) {
		besiege(t, impatient, limit, func(t *testing.T, s *siege) { attack(t, s, false) }, "type: memory")
	})
}

// words are values at which 16-bit fields go wrong, and doubles those of 32 bits.
var (
	words   = []uint16{0, 1, 2, 7, 8, 0x3f, 0x7f, 0xff, 0x100, 0x7fff, 0x8000, 0xfff8, 0xffff}
	doubles = []uint32{0, 1, 7, 8, 0x7f, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff}
)

// Every field of a CREATE with all contexts takes every value at which fields go
// wrong, as a field of 16 bits and as one of 32: offsets and lengths that lie beyond
// the message, before it, or in each other.
func TestSiegeCreateFields(t *testing.T) {
	onBothStores(t, bounds{}, func(t *testing.T, s *siege, local bool) {
		a := newAttacker(t, s)
		check(t, a.tree.Mkdir(t.Context(), "dir"))
		args := client.CreateArgs{
			Name: `dir\name.txt`, Lease: lease(client.RWH), Durable: &client.Durable{}, MaximalAccess: true, DiskID: true,
			AppInstance: client.NewGUID(), EAs: []wire.EaEntry{{EaName: "NAME", EaValue: []byte("value")}},
			Security: []byte{1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
			Contexts: []client.Context{{Tag: "AAPL", Data: make([]byte, 24)}},
		}
		if !local {
			args.AllocationSize = 4096
		}
		body := args.Body(wire.Dialect311).Append((&wire.Header{}).Append(nil))[wire.HeaderSize:]
		size := uint32(len(body)) + wire.HeaderSize
		guid := bytes.Index(body, args.Durable.CreateGuid[:])
		var batch []*client.Request
		put := func(at int, set func([]byte)) {
			r := a.tree.Request(nil)
			r.Command, r.Bytes = wire.CmdCreate, append([]byte(nil), body...)
			fresh := client.NewGUID()
			copy(r.Bytes[guid:], fresh[:])
			set(r.Bytes[at:])
			if batch = append(batch, r); len(batch) == 25 {
				a.send(batch...)
				batch = nil
				if a.sent%1000 == 0 {
					a.again() // and give up what was opened
				}
			}
		}
		for at := 0; at+2 <= len(body); at += 2 {
			for _, v := range words {
				put(at, func(b []byte) { binary.LittleEndian.PutUint16(b, v) })
			}
			for _, v := range []uint16{uint16(size) - 1, uint16(size), uint16(size) + 1, wire.HeaderSize, uint16(at)} {
				put(at, func(b []byte) { binary.LittleEndian.PutUint16(b, v) })
			}
			if at%4 != 0 || at+4 > len(body) {
				continue
			}
			for _, v := range append(doubles, size-1, size, size+1, -uint32(at), uint32(at)) {
				put(at, func(b []byte) { binary.LittleEndian.PutUint32(b, v) })
			}
		}
		for n := range len(body) {
			put(0, func([]byte) {})
			if len(batch) > 0 {
				batch[len(batch)-1].Bytes = body[:n] // truncated
			}
		}
		a.send(batch...)
		a.report()
		if a.answered < 5000 {
			t.Errorf("only %d requests were answered", a.answered)
		}
	})
}

// last are good requests of those commands behind which nothing much can follow.
func (a *attacker) last() []*client.Request {
	var rs []*client.Request
	for _, m := range []wire.Appender{
		&wire.CloseRequest{FileID: a.file.ID, Flags: wire.CloseFlagPostQueryAttrib},
		&wire.TreeDisconnectRequest{}, &wire.SessionSetupRequest{Buffer: make([]byte, 100)}, &wire.LogoffRequest{},
		a.conn.NegotiateRequest(),
	} {
		rs = append(rs, a.tree.Request(m))
	}
	return rs
}

// valid returns a good request of every other command, and of every kind that its
// class or code makes of it.
func (a *attacker) valid() []*client.Request {
	file, dir := a.file.ID, a.dir.ID
	var rs []*client.Request
	add := func(m wire.Appender) { rs = append(rs, a.tree.Request(m)) }
	create := client.CreateArgs{Name: "other", Lease: lease(client.RWH), Durable: &client.Durable{}, MaximalAccess: true}
	add(create.Body(wire.Dialect311))
	create = client.CreateArgs{Name: a.file.Name + ":stream", Oplock: wire.OplockBatch, EAs: []wire.EaEntry{{EaName: "A", EaValue: []byte("b")}}}
	add(create.Body(wire.Dialect311))
	create = client.CreateArgs{Name: a.file.Name, Reconnect: &client.Reconnect{FileID: file}}
	add(create.Body(wire.Dialect311))
	add(&wire.FlushRequest{FileID: file})
	add(&wire.ReadRequest{FileID: file, Length: 4096})
	add(&wire.WriteRequest{FileID: file, Data: make([]byte, 100)})
	add(&wire.LockRequest{FileID: file, Locks: []wire.LockElement{client.Exclusive(0, 10), client.Shared(100, 10)}})
	add(&wire.LockRequest{FileID: file, Locks: []wire.LockElement{client.Unlock(0, 10)}})
	add(&wire.EchoRequest{})
	add(&wire.CancelRequest{})
	add(&wire.ChangeNotifyRequest{FileID: dir, OutputBufferLength: 4096, CompletionFilter: wire.NotifyChangeFileName})
	add(&wire.LeaseBreakAck{LeaseKey: client.NewGUID(), LeaseState: client.R})
	add(&wire.OplockBreakAck{FileID: file, OplockLevel: wire.OplockII})
	add(&wire.TreeConnectRequest{Path: `\\server\share`})
	for class := range uint8(64) {
		add(&wire.QueryInfoRequest{FileID: file, InfoType: wire.InfoTypeFile, FileInfoClass: class, OutputBufferLength: 4096})
		if !a.local || class != wire.FileInfoAllocation {
			add(&wire.SetInfoRequest{FileID: file, InfoType: wire.InfoTypeFile, FileInfoClass: class, Buffer: make([]byte, 40)})
		}
		if class < 16 {
			add(&wire.QueryInfoRequest{FileID: file, InfoType: wire.InfoTypeFileSystem, FileInfoClass: class, OutputBufferLength: 4096})
			add(&wire.QueryDirectoryRequest{FileID: dir, FileInformationClass: class, FileName: "*", OutputBufferLength: 4096})
		}
	}
	add(&wire.QueryInfoRequest{FileID: file, InfoType: wire.InfoTypeSecurity, AdditionalInformation: 7, OutputBufferLength: 4096})
	add(&wire.SetInfoRequest{FileID: file, InfoType: wire.InfoTypeSecurity, AdditionalInformation: 4, Buffer: []byte{1, 0, 4, 0x80, 19: 0}})
	rename := (&wire.FileRenameInformation{FileName: "renamed"}).Append(nil)
	add(&wire.SetInfoRequest{FileID: file, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoRename, Buffer: rename})
	for _, code := range codes {
		if a.local && code == wire.FsctlSetZeroData {
			continue
		}
		add(&wire.IoctlRequest{CtlCode: code, FileID: file, Flags: wire.IoctlIsFsctl, Input: make([]byte, 64), MaxOutputResponse: 4096})
		add(&wire.IoctlRequest{CtlCode: code, FileID: wire.RelatedFileID, Flags: wire.IoctlIsFsctl, Input: make([]byte, 64), MaxOutputResponse: 4096})
	}
	return rs
}

// codes are control codes that the server may know.
var codes = []uint32{
	wire.FsctlDfsGetReferrals, wire.FsctlValidateNegotiateInfo, wire.FsctlQueryNetworkInterfaceInfo, wire.FsctlPipeWait,
	wire.FsctlPipeTransceive, wire.FsctlPipePeek, wire.FsctlSrvEnumerateSnapshots, wire.FsctlSrvRequestResumeKey,
	wire.FsctlSrvCopychunk, wire.FsctlSrvCopychunkWrite, wire.FsctlDuplicateExtentsToFile, wire.FsctlLmrRequestResiliency,
	wire.FsctlGetCompression, wire.FsctlSetCompression, wire.FsctlSetSparse, wire.FsctlSetZeroData,
	wire.FsctlQueryAllocatedRanges, wire.FsctlFileLevelTrim, wire.FsctlGetReparsePoint, wire.FsctlSetReparsePoint,
	wire.FsctlCreateOrGetObjectID, wire.FsctlSetObjectIDExtended, wire.FsctlDeleteObjectID, wire.FsctlOffloadRead,
	wire.FsctlOffloadWrite, wire.FsctlQueryFileRegions, wire.FsctlGetNtfsVolumeData,
}

// mutation returns a function that spoils a message. Most often it is the body, where
// the handlers live, as a broken header mostly ends the connection; the first four
// bytes are spared, without which it would be no message.
func mutation(r *rand.Rand) func([]byte) []byte {
	kind, at, v, from := r.IntN(8), int(r.Uint32()>>1), r.Uint32(), wire.HeaderSize
	if r.IntN(20) == 0 {
		from = 4
	}
	return func(msg []byte) []byte {
		i := from + at%(len(msg)-from)
		switch kind {
		case 0:
			msg[i] ^= 1 << (v % 8)
		case 1:
			msg[i] = byte(v)
		case 2:
			return msg[:i] // truncated
		case 3:
			return append(msg, make([]byte, v%100)...)
		case 4, 5:
			binary.LittleEndian.PutUint16(msg[min(i&^1, len(msg)-2):], words[int(v)%len(words)])
		case 6, 7:
			if i = min(i&^3, len(msg)-4); i >= from {
				binary.LittleEndian.PutUint32(msg[i:], doubles[int(v)%len(doubles)])
			}
		}
		return msg
	}
}

// Good requests of every command, each with something wrong in it, signed with the
// good key.
func TestSiegeMutations(t *testing.T) {
	onBothStores(t, bounds{lines: 20}, func(t *testing.T, s *siege, local bool) {
		r := seed(t)
		a := newAttacker(t, s)
		a.local = local
		const rounds = 40
		for range rounds {
			a.again()
			valid := a.valid()
			r.Shuffle(len(valid), func(i, j int) { valid[i], valid[j] = valid[j], valid[i] })
			for n := 0; n < len(valid); n += 8 {
				batch := valid[n:min(n+8, len(valid))]
				for _, q := range batch {
					q.Mutate = mutation(r)
				}
				cuts := a.cuts
				a.send(batch...)
				if a.cuts > cuts {
					valid = a.valid() // of the new session
				}
			}
			for _, q := range a.last() {
				q.Mutate = mutation(r)
				a.send(q)
			}
		}
		a.report()
		if a.answered < 7000 {
			t.Errorf("only %d requests were answered", a.answered)
		}
	})
}

// The same for the two commands that come before a session.
func TestSiegeMutatedLogon(t *testing.T) {
	besiege(t, "", bounds{lines: 20}, func(t *testing.T, s *siege) {
		r := seed(t)
		ctx := t.Context()
		in, good := 0, 0
		for range 500 {
			c := client.NewRaw(must(net.Dial("tcp", s.Addr))(t), s.options(func(o *client.Options) { o.NoVerify = true }))
			spoil := func(q *client.Request) { q.Mutate = mutation(r) }
			if r.IntN(2) == 0 {
				q := &client.Request{Body: c.NegotiateRequest()}
				spoil(q)
				c.Start(q)
			} else if c.Negotiate(ctx) == nil {
				// The first leg or the second one.
				legs := r.IntN(2)
				login := client.Login{User: s.User, Password: s.Password}
				login.Tweak = func(q *client.Request) {
					if legs--; legs < 0 {
						q.Tamper = mutation(r)
						legs = 1 << 30
					}
				}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					if _, err := c.SessionSetupAs(ctx, login); err == nil {
						in++
					}
				}()
				// What is not answered is followed by an ECHO, which is, unless the
				// connection ends.
				if _, err := c.Do(ctx, &client.Request{Body: &wire.EchoRequest{}, NoWait: true}); err == nil {
					good++
				}
				c.Close()
				<-ended
			}
			c.Close()
		}
		t.Logf("%d logons in spite of it, %d connections lived on", in, good)
	})
}
