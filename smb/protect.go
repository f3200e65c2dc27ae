package smb

import (
	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// Signing and sealing of a conversation: which messages must be protected, and
// how. The algorithms are in package crypt.

// slowBytes is the length from which on a message is worth giving the turn away
// for, if it has to pass through one of the slow algorithms.
const slowBytes = 64 << 10

// slowCipher reports whether a cipher takes about a millisecond for a megabyte.
func slowCipher(c wire.Cipher) bool {
	return c == wire.CipherAES128CCM || c == wire.CipherAES256CCM
}

// slowSigning is slowCipher for signing.
func slowSigning(a wire.SigningAlgorithm) bool { return a != wire.SigningAESGMAC }

// verify checks the signature of a message with a session (MS-SMB2 3.3.5.2.4).
func (r *request) verify() error {
	h := &r.hdr
	if r.sealed != nil {
		return nil
	}
	s := r.sess
	if r.conn.mustSeal(s.encrypt) && r.chn.ready.Load() {
		return ntstatus.AccessDenied // MS-SMB2 3.3.5.2.9
	}
	if h.IsSigned() {
		if r.chn.signer == nil {
			// There is no key yet, or never will be: nothing can be verified.
			if s.guest || !s.valid() {
				return nil
			}
			return ntstatus.AccessDenied
		}
		if len(r.msg) >= slowBytes && slowSigning(r.conn.neg.Load().signing) {
			r.giveTurn()
		}
		if !r.chn.signer.Verify(r.msg) {
			r.srv().metrics.badSignature()
			return ntstatus.AccessDenied
		}
		r.signed = true
		return nil
	}
	if s.signing && r.chn.signer != nil {
		return ntstatus.AccessDenied
	}
	return nil
}

// verifyOptional checks the signature of a message that needs no session, such
// as ECHO, if it names one.
func (r *request) verifyOptional() error {
	if r.chn == nil || r.sealed != nil || !r.hdr.IsSigned() || r.hdr.Command == wire.CmdSessionSetup || !r.chn.ready.Load() {
		return nil
	}
	r.sess = r.chn.sess
	return r.verify()
}

// cancelGenuine checks the signature of a CANCEL (MS-SMB2 3.3.5.2.4). As it is never
// answered (3.3.5.16), one that should have been signed or sealed and was not, or is
// forged, is dropped in silence.
func (r *request) cancelGenuine() bool {
	ch := r.conn.channel(r.hdr.SessionID)
	if r.sealed != nil || ch == nil {
		return r.sealed != nil
	}
	chn, sess, signed := r.chn, r.sess, r.signed
	r.chn, r.sess = ch, ch.sess
	err := r.verify()
	r.chn, r.sess, r.signed = chn, sess, signed
	return err == nil
}

// signer returns what the reply with this header is to be signed with and sets
// its flag, or nil (MS-SMB2 3.3.4.1.1).
func (r *request) signer(hdr *wire.Header) crypt.Signer {
	if r.chn == nil || r.chn.signer == nil || r.sealFor() != nil {
		return nil
	}
	// The refusal of a wrong signature is signed as well.
	if !r.signed && !r.hdr.IsSigned() && (r.sess == nil || !r.sess.signing) {
		return nil
	}
	hdr.Flags |= wire.FlagSigned
	return r.chn.signer
}

// sealFor returns the session that the replies of the frame are sealed for, or
// nil (MS-SMB2 3.3.4.1.4): what came sealed is answered sealed.
func (r *request) sealFor() *channel { return r.sealed }

// protected reports whether the message was signed or sealed.
func (r *request) protected() bool { return r.signed || r.sealed != nil }
