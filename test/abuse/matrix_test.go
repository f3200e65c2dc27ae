package abuse

import (
	"bytes"
	"fmt"
	"testing"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// profile is one way to negotiate: a single choice of everything.
type profile struct {
	dialect wire.Dialect
	// signing and cipher are offered in 3.1.1; signing 0xffff leaves the context out, as
	// does CipherNone, which before 3.1.1 means not to announce sealing.
	signing wire.SigningAlgorithm
	cipher  wire.Cipher
	// compression is offered in 3.1.1, unless it is none.
	compression wire.CompressionAlgorithm
	unchained   bool
}

const noContext = wire.SigningAlgorithm(0xffff)

func (p profile) String() string {
	s := fmt.Sprintf("%v", p.dialect)
	if p.dialect == wire.Dialect311 {
		s += fmt.Sprintf(" sign %#x compress %d unchained %v", uint16(p.signing), p.compression, p.unchained)
	}
	return fmt.Sprintf("%s cipher %d", s, p.cipher)
}

func (p profile) options(o *client.Options) {
	o.Dialects = []wire.Dialect{p.dialect}
	o.Ciphers, o.SigningAlgs = []wire.Cipher{}, []wire.SigningAlgorithm{}
	if p.cipher != wire.CipherNone {
		o.Ciphers = []wire.Cipher{p.cipher}
	} else {
		o.Without = wire.GlobalCapEncryption
	}
	if p.signing != noContext {
		o.SigningAlgs = []wire.SigningAlgorithm{p.signing}
	}
	if p.compression != wire.CompressionNone {
		o.Compression, o.Unchained = []wire.CompressionAlgorithm{p.compression}, p.unchained
	}
}

// algorithm is what messages are signed by.
func (p profile) algorithm() wire.SigningAlgorithm {
	switch {
	case p.dialect < wire.Dialect300:
		return wire.SigningHMACSHA256
	case p.dialect < wire.Dialect311 || p.signing == noContext:
		return wire.SigningAESCMAC // MS-SMB2 3.3.5.4: without a context
	}
	return p.signing
}

// profiles are all that there are, with compression or without.
func profiles(compression bool) []profile {
	none := []wire.Cipher{wire.CipherNone}
	list := []profile{{dialect: wire.Dialect202}, {dialect: wire.Dialect210}}
	for _, d := range []wire.Dialect{wire.Dialect300, wire.Dialect302} {
		list = append(list, profile{dialect: d}, profile{dialect: d, cipher: wire.CipherAES128CCM})
	}
	algs := []wire.CompressionAlgorithm{wire.CompressionNone}
	if compression {
		algs = append(algs, smb.DefaultCompression()...)
	}
	for _, s := range []wire.SigningAlgorithm{noContext, wire.SigningHMACSHA256, wire.SigningAESCMAC, wire.SigningAESGMAC} {
		for _, c := range append(none, wire.CipherAES128GCM, wire.CipherAES128CCM, wire.CipherAES256GCM, wire.CipherAES256CCM) {
			for _, alg := range algs {
				p := profile{dialect: wire.Dialect311, signing: s, cipher: c, compression: alg}
				list = append(list, p)
				// A pattern can only be a link of a chain.
				if alg != wire.CompressionNone && alg != wire.CompressionPatternV1 {
					p.unchained = true
					list = append(list, p)
				}
			}
		}
	}
	return list
}

// join connects to the share by a profile.
func (s *server) join(t *testing.T, p profile, tweaks ...func(*client.Options)) *client.Tree {
	t.Helper()
	c := must(client.NewConn(t.Context(), s.pipe(), options(append([]func(*client.Options){p.options}, tweaks...)...)))(t)
	return must(must(c.SessionSetup(t.Context()))(t).TreeConnect(t.Context(), "share"))(t)
}

// everything is a tweak of the server that takes every profile.
func everything(c *smb.Config) {
	c.MinDialect, c.Compression = wire.Dialect202, smb.DefaultCompression()
}

// Every combination of what can be negotiated is what is used then, and what is spoiled
// is refused.
func TestEveryProfile(t *testing.T) {
	text := bytes.Repeat([]byte("the same again and again "), 2000)
	inBubble(t, func(t *testing.T, s *server) {
		list := profiles(true)
		for i, p := range list {
			for _, seal := range []bool{false, true} {
				if seal && p.cipher == wire.CipherNone {
					continue
				}
				name := fmt.Sprintf("%v, sealed %v", p, seal)
				tree := s.join(t, p, func(o *client.Options) { o.Encrypt = seal })
				conn := tree.Session.Conn
				n := conn.Negotiated()
				if n.Dialect != p.dialect || n.Signing != p.algorithm() || n.Cipher != p.cipher {
					t.Errorf("%s: %v, %#x, %d were negotiated", name, n.Dialect, uint16(n.Signing), n.Cipher)
				}
				if (n.Compression() != nil) != (p.compression != wire.CompressionNone) {
					t.Errorf("%s: compression %v", name, n.Compression())
				}
				f := must(tree.Create(t.Context(), client.CreateArgs{Name: fmt.Sprintf("%d %v", i, seal)}))(t)
				squeeze := client.Off
				if n.Compression() != nil {
					squeeze = client.On
				}
				f = f.With(func(r *client.Request) { r.Compress = squeeze })
				check(t, f.WriteAll(t.Context(), 0, text))
				got := must(f.ReadAll(t.Context()))(t)
				if !bytes.Equal(got, text) {
					t.Errorf("%s: what was read is not what was written", name)
				}
				p.wantRefusal(t, s, name, f, seal)
				conn.Close()
			}
		}
		t.Logf("%d profiles", len(list))
	}, everything)
}

// wantRefusal sends requests that are spoiled: the last one ends the connection, or is
// refused.
func (p profile) wantRefusal(t *testing.T, s *server, name string, f *client.File, seal bool) {
	t.Helper()
	write := func(sign, seal client.Protection) error {
		_, err := f.With(func(r *client.Request) { r.Sign, r.Seal = sign, seal }).Write(t.Context(), 0, []byte("evil"))
		return err
	}
	for _, sign := range []client.Protection{client.Broken, client.Off} {
		if err := write(sign, client.Off); err != ntstatus.AccessDenied {
			t.Errorf("%s: signature %d: %v", name, sign, err)
		}
	}
	if seal {
		if _, ok := client.StatusOf(write(client.Auto, client.Broken)); ok {
			t.Errorf("%s: a spoiled seal was answered", name)
		}
		s.settle()
		if n := len(s.Status().Connections); n != 0 {
			t.Errorf("%s: a spoiled seal left %d connections", name, n)
		}
	}
}

// binding is the answer to one who binds a session of profile p to a connection of
// profile q (MS-SMB2 3.3.5.5.2; the order of the checks is that of Windows).
func binding(p, q profile) ntstatus.Status {
	gmac := [2]bool{p.algorithm() == wire.SigningAESGMAC, q.algorithm() == wire.SigningAESGMAC}
	switch {
	case gmac[0] && !gmac[1]:
		return ntstatus.RequestOutOfSequence
	case !gmac[0] && gmac[1]:
		return ntstatus.NotSupported
	case q.dialect < wire.Dialect300:
		return ntstatus.RequestNotAccepted
	case p.dialect != q.dialect, p.cipher != q.cipher:
		return ntstatus.InvalidParameter
	}
	return ntstatus.Success
}

// A session is bound to connections of its own dialect and cipher alone, and a refusal
// costs it nothing.
func TestEveryBinding(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		list := profiles(false)
		bound := 0
		for _, p := range list {
			guid := client.NewGUID()
			mine := func(o *client.Options) { o.ClientGuid = guid }
			tree := s.join(t, p, mine)
			f := must(tree.Create(t.Context(), client.CreateArgs{Name: "f"}))(t)
			for _, q := range list {
				c := must(client.NewConn(t.Context(), s.pipe(), options(q.options, mine)))(t)
				// The client signs by the algorithm of the session.
				second, err := c.Bind(t.Context(), tree.Session)
				want := binding(p, q)
				if got, ok := client.StatusOf(err); !ok || got != want {
					t.Errorf("%v bound to %v: %v, want %v", p, q, err, want)
				}
				if err == nil {
					bound++
					_, err := f.On(second).Write(t.Context(), 0, []byte("by the second"))
					check(t, err)
				}
				c.Close()
				if _, err := f.Write(t.Context(), 0, []byte("by the first")); err != nil {
					t.Fatalf("%v, after %v was bound or not: %v", p, q, err)
				}
			}
			tree.Session.Conn.Close()
		}
		t.Logf("%d of %d pairs were bound", bound, len(list)*len(list))
		if bound < len(list)-2 { // all but 2.0.2 and 2.1, at least with themselves
			t.Errorf("only %d pairs were bound", bound)
		}
	}, everything)
}
