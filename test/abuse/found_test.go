package abuse

import (
	"testing"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/test/client"
)

// What FuzzConversation has found, in a form in which it happens each time.

// slowProof is an authenticator whose proofs take as long as a test wants.
type slowProof struct {
	auth.Authenticator
	begun   chan struct{} // gets a value when a proof is about to be looked at
	proceed chan struct{} // looked at when this gets one
}

type slowExchange struct {
	auth.Exchange
	a    *slowProof
	legs int
}

func (a *slowProof) NewExchange() auth.Exchange {
	return &slowExchange{Exchange: a.Authenticator.NewExchange(), a: a}
}

func (x *slowExchange) Step(token []byte) ([]byte, *auth.Identity, error) {
	if x.legs++; x.legs == 2 {
		x.a.begun <- struct{}{}
		<-x.a.proceed
	}
	return x.Exchange.Step(token)
}

// A client that hangs up while its proof is looked at leaves no session behind that is
// counted for ever: otherwise a few of them, as often as it takes, would be all that
// the limit allows.
func TestHangUpDuringProof(t *testing.T) {
	for name, after := range map[string]func(*server, *client.Conn){
		"hang up":            func(_ *server, c *client.Conn) { c.Close() },
		"cut by the server":  func(s *server, c *client.Conn) { _ = c.SendFrame([]byte("nonsense")) },
		"garbage behind it":  func(s *server, c *client.Conn) { _ = c.WriteRaw([]byte{1, 2, 3, 4}); c.Close() },
		"nothing, and it is": func(*server, *client.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			slow := &slowProof{}
			inBubble(t, func(t *testing.T, s *server) {
				slow.begun, slow.proceed = make(chan struct{}), make(chan struct{})
				for range 3 {
					c := must(client.NewConn(t.Context(), s.pipe(), options()))(t)
					done := make(chan struct{})
					go func() {
						defer close(done)
						_, _ = c.SessionSetup(t.Context())
					}()
					<-slow.begun
					after(s, c)
					s.settle()
					slow.proceed <- struct{}{}
					s.settle()
					c.Close()
					<-done
					s.settle()
					if n := len(s.Status().Sessions); n != 0 {
						t.Errorf("%d sessions are left", n)
					}
				}
				// There is room for one.
				go func() {
					<-slow.begun
					slow.proceed <- struct{}{}
				}()
				c := must(client.NewConn(t.Context(), s.pipe(), options()))(t)
				must(c.SessionSetup(t.Context()))(t)
				c.Close()
			}, func(c *smb.Config) {
				c.Limits.Sessions = 1
				slow.Authenticator, c.Auth = c.Auth, slow
			})
		})
	}
}
