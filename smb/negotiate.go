package smb

import (
	"slices"
	"time"

	"lessor/smb/compress"
	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// negotiated is what a NEGOTIATE has settled. It is immutable.
type negotiated struct {
	dialect      wire.Dialect
	guid         wire.GUID
	capabilities uint32 // of the client, as far as the dialect knows them
	offered      uint32 // Capabilities of the request, in every dialect
	mode         uint16 // SecurityMode of the client
	dialects     []wire.Dialect
	cipher       wire.Cipher
	signing      wire.SigningAlgorithm
	multiCredit  bool
	posix        bool
	codec        *compress.Codec // nil: nothing is compressed
	// transportSecurity says that the transport does what sealing would do.
	transportSecurity bool

	// What the reply said, for FSCTL_VALIDATE_NEGOTIATE_INFO.
	serverCaps uint32
	serverMode uint16
	maxRead    uint32
	maxWrite   uint32
	maxTrans   uint32
}

// ciphersByPreference are those that the server offers. GCM goes first: with
// the hardware of the last decade it is many times faster than CCM.
var ciphersByPreference = []wire.Cipher{
	wire.CipherAES128GCM, wire.CipherAES256GCM, wire.CipherAES128CCM, wire.CipherAES256CCM,
}

// signingByPreference are the signing algorithms in the order of preference.
var signingByPreference = []wire.SigningAlgorithm{wire.SigningAESGMAC, wire.SigningAESCMAC, wire.SigningHMACSHA256}

// negotiate carries out NEGOTIATE (MS-SMB2 3.3.5.4).
func (r *request) negotiate(q *wire.NegotiateRequest, a *wire.NegotiateResponse) error {
	c := r.conn
	if c.neg.Load() != nil {
		return &protocolError{"second negotiate"}
	}
	if len(q.Dialects) == 0 {
		return ntstatus.InvalidParameter
	}
	dialect := r.srv().chooseDialect(q.Dialects)
	if dialect == 0 {
		return ntstatus.NotSupported
	}
	n := &negotiated{
		dialect: dialect, guid: q.ClientGuid, mode: q.SecurityMode, offered: q.Capabilities,
		dialects: slices.Clone(q.Dialects), multiCredit: dialect >= wire.Dialect210,
	}
	if dialect >= wire.Dialect300 {
		n.capabilities = q.Capabilities
		n.signing = wire.SigningAESCMAC
	}
	if dialect == wire.Dialect311 {
		if err := r.negotiateContexts(q, a, n); err != nil {
			return err
		}
	} else if dialect >= wire.Dialect300 && r.srv().cfg.Encryption != EncryptionOff && q.Capabilities&wire.GlobalCapEncryption != 0 {
		n.cipher = wire.CipherAES128CCM
	}
	r.srv().answerNegotiate(n, a)
	if dialect == wire.Dialect311 {
		c.mu.Lock()
		c.preauth.Update(r.msg)
		c.mu.Unlock()
		r.hash = &c.preauth
	}
	cl := r.srv().joinClient(c, q.ClientGuid)
	c.client.Store(cl)
	c.neg.Store(n)
	return nil
}

// chooseDialect returns the highest dialect that client and server have in
// common, or 0.
func (s *Server) chooseDialect(list []wire.Dialect) wire.Dialect {
	var best wire.Dialect
	for _, d := range list {
		switch d {
		case wire.Dialect202, wire.Dialect210, wire.Dialect300, wire.Dialect302, wire.Dialect311:
			if d >= s.cfg.MinDialect && d <= s.cfg.MaxDialect {
				best = max(best, d)
			}
		}
	}
	return best
}

// answerNegotiate fills in what a NEGOTIATE response says about the server.
func (s *Server) answerNegotiate(n *negotiated, a *wire.NegotiateResponse) {
	l := &s.cfg.Limits
	n.maxRead, n.maxWrite, n.maxTrans = l.ReadSize, l.WriteSize, l.TransactSize
	n.serverMode = wire.NegotiateSigningEnabled
	if !s.cfg.SigningOptional {
		n.serverMode |= wire.NegotiateSigningRequired
	}
	n.serverCaps = s.capabilities(n)
	if !n.multiCredit {
		// Without multi-credit requests 64 KiB is all that a request can move.
		n.maxRead, n.maxWrite, n.maxTrans = 64<<10, 64<<10, 64<<10
	}
	a.SecurityMode = n.serverMode
	a.DialectRevision = n.dialect
	a.ServerGuid = s.guid
	a.Capabilities = n.serverCaps
	a.MaxReadSize, a.MaxWriteSize, a.MaxTransactSize = n.maxRead, n.maxWrite, n.maxTrans
	a.SystemTime = wire.FiletimeOf(time.Now())
	a.Buffer = s.cfg.Auth.InitialToken()
}

// capabilities are the Capabilities of the reply (MS-SMB2 3.3.5.4): nothing that
// is not there.
func (s *Server) capabilities(n *negotiated) uint32 {
	var caps uint32
	if n.dialect >= wire.Dialect210 {
		caps |= wire.GlobalCapLeasing | wire.GlobalCapLargeMTU
	}
	if n.dialect >= wire.Dialect300 {
		caps |= wire.GlobalCapDirectoryLeasing | wire.GlobalCapMultiChannel
		if s.cfg.Store != nil {
			caps |= wire.GlobalCapPersistentHandles
		}
		// In 3.1.1 the context says it.
		if n.cipher != wire.CipherNone && n.dialect < wire.Dialect311 {
			caps |= wire.GlobalCapEncryption
		}
	}
	return caps
}

// negotiateContexts takes the contexts of a 3.1.1 client in and answers them
// (MS-SMB2 3.3.5.4).
func (r *request) negotiateContexts(q *wire.NegotiateRequest, a *wire.NegotiateResponse, n *negotiated) error {
	data, ok := wire.FindNegotiateContext(q.Contexts, wire.ContextPreauthIntegrity)
	if !ok {
		return ntstatus.InvalidParameter
	}
	var pre wire.PreauthCapabilities
	if err := pre.Decode(data); err != nil {
		return ntstatus.InvalidParameter
	}
	if !slices.Contains(pre.HashAlgorithms, wire.HashAlgorithm(crypt.HashSHA512)) {
		return ntstatus.SmbNoPreauthIntegrityHashOverlap
	}
	seen := make(map[wire.NegotiateContextType]bool)
	for _, ctx := range q.Contexts {
		switch ctx.Type {
		case wire.ContextPreauthIntegrity, wire.ContextEncryption, wire.ContextCompression, wire.ContextSigning,
			wire.ContextPosix:
			if seen[ctx.Type] {
				return ntstatus.InvalidParameter
			}
			seen[ctx.Type] = true
		}
	}
	salt := make([]byte, 32)
	r.srv().random(salt)
	a.Contexts = append(a.Contexts, wire.NewNegotiateContext(wire.ContextPreauthIntegrity,
		&wire.PreauthCapabilities{HashAlgorithms: []wire.HashAlgorithm{wire.HashAlgorithm(crypt.HashSHA512)}, Salt: salt}))
	if data, ok := wire.FindNegotiateContext(q.Contexts, wire.ContextEncryption); ok {
		if err := r.negotiateCipher(data, a, n); err != nil {
			return err
		}
	}
	r.conn.negotiateTransport(q, a, n)
	if data, ok := wire.FindNegotiateContext(q.Contexts, wire.ContextCompression); ok {
		if err := r.negotiateCompression(data, a, n); err != nil {
			return err
		}
	}
	if err := r.negotiatePosix(q, a, n); err != nil {
		return err
	}
	if data, ok := wire.FindNegotiateContext(q.Contexts, wire.ContextSigning); ok {
		var sig wire.SigningCapabilities
		if err := sig.Decode(data); err != nil || len(sig.SigningAlgorithms) == 0 {
			return ntstatus.InvalidParameter
		}
		if alg, ok := firstOf(signingByPreference, sig.SigningAlgorithms); ok {
			n.signing = alg
			a.Contexts = append(a.Contexts, wire.NewNegotiateContext(wire.ContextSigning,
				&wire.SigningCapabilities{SigningAlgorithms: []wire.SigningAlgorithm{alg}}))
		}
	}
	return nil
}

// negotiateCipher answers the encryption context. Without a common cipher the
// answer names none (MS-SMB2 3.3.5.4).
func (r *request) negotiateCipher(data []byte, a *wire.NegotiateResponse, n *negotiated) error {
	var enc wire.EncryptionCapabilities
	if err := enc.Decode(data); err != nil || len(enc.Ciphers) == 0 {
		return ntstatus.InvalidParameter
	}
	if r.srv().cfg.Encryption == EncryptionOff && !r.srv().anyEncryptedShare() {
		return nil
	}
	n.cipher, _ = firstOf(ciphersByPreference, enc.Ciphers)
	a.Contexts = append(a.Contexts, wire.NewNegotiateContext(wire.ContextEncryption,
		&wire.EncryptionCapabilities{Ciphers: []wire.Cipher{n.cipher}}))
	return nil
}

// anyEncryptedShare reports whether a share must be sealed.
func (s *Server) anyEncryptedShare() bool {
	return slices.ContainsFunc(s.shares.Load().list, (*share).encrypt)
}

// firstOf returns the first of mine that is among theirs.
func firstOf[T comparable](mine, theirs []T) (T, bool) {
	for _, m := range mine {
		if slices.Contains(theirs, m) {
			return m, true
		}
	}
	var none T
	return none, false
}

// smb1Negotiate answers the SMB1 NEGOTIATE of a client that begins so to find
// out who is there (MS-SMB2 3.3.5.3).
func (r *request) smb1Negotiate(frame []byte) error {
	c := r.conn
	var q wire.SMB1NegotiateRequest
	if err := q.Decode(frame); err != nil {
		return &protocolError{"SMB1"}
	}
	c.mu.Lock()
	asked := c.smb1Asked
	c.smb1Asked = true
	fresh := c.window.use(0, 1)
	c.mu.Unlock()
	if asked || !fresh || c.neg.Load() != nil {
		return &protocolError{"SMB1 after negotiate"}
	}
	var a wire.NegotiateResponse
	n := &negotiated{dialect: wire.DialectWildcard, multiCredit: true}
	switch {
	case q.Has(wire.SMB1DialectWildcard) && r.srv().cfg.MaxDialect >= wire.Dialect210:
		r.srv().answerNegotiate(n, &a)
		a.Capabilities = 0
		if r.srv().cfg.MaxDialect >= wire.Dialect210 {
			a.Capabilities = wire.GlobalCapLargeMTU | wire.GlobalCapLeasing
		}
	case q.Has(wire.SMB1Dialect2002) && r.srv().cfg.MinDialect <= wire.Dialect202:
		n = &negotiated{dialect: wire.Dialect202, dialects: []wire.Dialect{wire.Dialect202}}
		r.srv().answerNegotiate(n, &a)
		c.client.Store(r.srv().joinClient(c, wire.GUID{}))
		c.neg.Store(n)
	default:
		return &protocolError{"SMB1 only"}
	}
	r.out.begin()
	r.hdr = wire.Header{Command: wire.CmdNegotiate, Credits: 1}
	r.out.b = a.Append(r.out.b)
	hdr := r.replyHeader(ntstatus.Success)
	r.out.end(&hdr, nil, nil)
	return nil
}
