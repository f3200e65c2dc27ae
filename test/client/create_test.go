package client_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

func TestCreateDefaults(t *testing.T) {
	want := wire.CreateRequest{
		Name:               "f",
		ImpersonationLevel: wire.ImpersonationImpersonation,
		DesiredAccess:      client.ReadWriteDelete,
		FileAttributes:     wire.FileAttributeNormal,
		ShareAccess:        7,
		CreateDisposition:  wire.DispositionOpenIf,
	}
	if diff := cmp.Diff(&want, (&client.CreateArgs{Name: "f"}).Body(wire.Dialect311)); diff != "" {
		t.Error(diff)
	}
	a := client.CreateArgs{Directory: true, Share: client.ShareNone, Disposition: client.Supersede, Oplock: wire.OplockBatch}
	m := a.Body(wire.Dialect311)
	if m.ShareAccess != 0 || m.CreateDisposition != wire.DispositionSupersede || m.CreateOptions != wire.OptionDirectoryFile ||
		m.RequestedOplockLevel != wire.OplockBatch {
		t.Errorf("request %+v", m)
	}
}

// The contexts that a CREATE carries, by dialect.
func TestCreateContexts(t *testing.T) {
	key, parent, guid := client.NewGUID(), client.NewGUID(), client.NewGUID()
	args := client.CreateArgs{
		Lease:          &client.Lease{Key: key, State: client.RW, Parent: parent, Epoch: 9},
		Durable:        &client.Durable{CreateGuid: guid, Timeout: time.Second, Persistent: true},
		MaximalAccess:  true,
		DiskID:         true,
		AllocationSize: 4096,
		Security:       []byte("descriptor"),
		EAs:            []wire.EaEntry{{EaName: "A", EaValue: []byte("b")}},
		Contexts:       []client.Context{{Tag: "Xyzw", Data: []byte("raw")}},
	}
	for d, durable := range map[wire.Dialect]string{wire.Dialect210: wire.TagDHnQ, wire.Dialect300: wire.TagDH2Q} {
		m := args.Body(d)
		if m.RequestedOplockLevel != wire.OplockLease {
			t.Errorf("%v: oplock level %#x", d, m.RequestedOplockLevel)
		}
		for _, tag := range []string{durable, wire.TagMxAc, wire.TagQFid, wire.TagAlSi, wire.TagSecD, wire.TagExtA, "Xyzw"} {
			if _, ok := wire.FindCreateContext(m.Contexts, tag); !ok {
				t.Errorf("%v: no context %q", d, tag)
			}
		}
		data, _ := wire.FindCreateContext(m.Contexts, wire.TagRqLs)
		var lease wire.LeaseContext
		check(t, lease.Decode(data))
		want := wire.LeaseContext{Version: 1, LeaseKey: key, LeaseState: client.RW, LeaseFlags: wire.LeaseFlagParentLeaseKeySet}
		if d == wire.Dialect300 {
			want.Version, want.ParentLeaseKey, want.Epoch = 2, parent, 9
		}
		if diff := cmp.Diff(want, lease); diff != "" {
			t.Errorf("%v: %s", d, diff)
		}
	}
	data, _ := wire.FindCreateContext(args.Body(wire.Dialect311).Contexts, wire.TagDH2Q)
	var v2 wire.DurableRequestV2
	check(t, v2.Decode(data))
	if v2 != (wire.DurableRequestV2{Timeout: 1000, Flags: wire.DurableV2Persistent, CreateGuid: guid}) {
		t.Errorf("durable request %+v", v2)
	}
}

// What the server grants is decoded, and leads to the arguments of a reconnect.
func TestCreateResponseContexts(t *testing.T) {
	key := client.NewGUID()
	var create wire.DurableRequestV2
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.credits = 5
		p.welcome()
		q := p.expect(wire.CmdCreate)
		var m wire.CreateRequest
		if err := m.Decode(q.msg); err != nil {
			p.fail("%v", err)
		}
		data, _ := wire.FindCreateContext(m.Contexts, wire.TagDH2Q)
		if err := create.Decode(data); err != nil {
			p.fail("%v", err)
		}
		var l wire.CreateContextList
		l.Put(wire.TagRqLs, &wire.LeaseContext{Version: 2, LeaseKey: key, LeaseState: client.RH, Epoch: 1})
		l.Put(wire.TagDH2Q, &wire.DurableResponseV2{Timeout: 60000, Flags: wire.DurableV2Persistent})
		l.Put(wire.TagMxAc, &wire.MaximalAccessResponse{MaximalAccess: 0x1ff})
		l.Put(wire.TagQFid, &wire.OnDiskIDResponse{DiskFileID: 5, VolumeID: 6})
		l.Add("What", []byte("is this"))
		p.send(reply{to: q, body: &wire.CreateResponse{FileID: wire.FileID{Persistent: 3, Volatile: 4}, Contexts: l.Bytes}})
		l.Add(wire.TagMxAc, []byte("short"))
		p.send(reply{to: p.expect(wire.CmdCreate), body: &wire.CreateResponse{Contexts: l.Bytes}})
	})
	ctx, tree := t.Context(), join(t, nc, client.Options{})
	f := must(tree.Create(ctx, client.CreateArgs{
		Name: "f", Disposition: client.Create,
		Lease:   &client.Lease{Key: key, State: client.RWH},
		Durable: &client.Durable{Persistent: true},
	}))(t)
	if f.LeaseState() != client.RH || !f.Durable() || !f.Persistent() || f.MaximalAccess.MaximalAccess != 0x1ff || f.DiskID.VolumeID != 6 {
		t.Fatalf("file %+v", f)
	}
	a := f.ReconnectArgs()
	want := &client.Reconnect{Version: 2, FileID: f.ID, CreateGuid: create.CreateGuid, Persistent: true}
	if diff := cmp.Diff(want, a.Reconnect); diff != "" || a.Durable != nil || a.Disposition != client.Open || a.Lease.Key != key {
		t.Fatalf("reconnect %+v %s", a, diff)
	}
	_, err := tree.Create(ctx, a)
	wantViolation(t, nil, err)
}

// A server must not send more than it was asked for.
func TestTooMuchData(t *testing.T) {
	for name, tt := range map[string]struct {
		body wire.Appender
		call func(f *client.File) error
	}{
		"READ": {&wire.ReadResponse{Data: []byte("123")}, func(f *client.File) error {
			_, err := f.Read(t.Context(), 0, 2)
			return err
		}},
		"QUERY_INFO": {&wire.QueryInfoResponse{Buffer: []byte("123")}, func(f *client.File) error {
			_, err := f.QueryInfo(t.Context(), wire.InfoTypeFile, wire.FileInfoBasic, 2)
			return err
		}},
		"QUERY_DIRECTORY": {&wire.QueryDirectoryResponse{Buffer: []byte("123")}, func(f *client.File) error {
			_, err := f.QueryDirectory(t.Context(), client.DirQuery{Size: 2})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			nc := pipe(t, wire.Dialect311, func(p *peer) {
				p.welcome()
				p.open()
				q := p.receive()
				p.send(reply{to: q[0], body: tt.body})
			})
			f := must(join(t, nc, client.Options{}).Create(t.Context(), client.CreateArgs{Name: "f"}))(t)
			wantViolation(t, nil, tt.call(f))
		})
	}
}

// A warning brings its data with it.
func TestBufferOverflow(t *testing.T) {
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.welcome()
		p.open()
		p.send(reply{to: p.expect(wire.CmdRead), status: ntstatus.BufferOverflow, body: &wire.ReadResponse{Data: []byte("12")}})
	})
	f := must(join(t, nc, client.Options{}).Create(t.Context(), client.CreateArgs{Name: "pipe"}))(t)
	data, err := f.Read(t.Context(), 0, 2)
	wantStatus(t, err, ntstatus.BufferOverflow)
	if string(data) != "12" {
		t.Fatalf("read %q", data)
	}
}

// A second channel signs with its own key and seals with the session's.
func TestBind(t *testing.T) {
	for _, d := range []wire.Dialect{wire.Dialect300, wire.Dialect311} {
		for _, encrypt := range []bool{false, true} {
			t.Run(d.String()+map[bool]string{true: " sealed"}[encrypt], func(t *testing.T) {
				first := make(chan *peer, 1)
				one := pipe(t, d, func(p *peer) {
					p.welcome()
					first <- p
					p.receive()
				})
				two := pipe(t, d, func(p *peer) {
					p.credits = 5
					p.channel = <-first
					p.greet()
					p.logon()
					q := p.expect(wire.CmdCreate)
					if q.sealed != encrypt || p.verified(q) == encrypt || p.channel.verified(q) {
						p.fail("CREATE sealed %v", q.sealed)
					}
					p.send(reply{to: q, body: &wire.CreateResponse{}})
				})
				o := client.Options{SignRequired: true, Encrypt: encrypt}
				tree := join(t, one, o)
				c := must(client.NewConn(t.Context(), two, o))(t)
				defer c.Close()
				channel := must(c.Bind(t.Context(), tree.Session))(t)
				must(tree.On(channel).Create(t.Context(), client.CreateArgs{Name: "f"}))(t)
			})
		}
	}
}

func TestReauthenticate(t *testing.T) {
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.welcome()
		p.logon()
		p.send(reply{to: p.expect(wire.CmdEcho), body: &wire.EchoResponse{}})
	})
	tree := join(t, nc, client.Options{SignRequired: true})
	check(t, tree.Session.Reauthenticate(t.Context(), client.Login{User: peerUser, Password: peerPassword}))
	check(t, tree.Session.Echo(t.Context()))
}
