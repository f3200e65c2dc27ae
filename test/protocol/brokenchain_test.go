package protocol

import (
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// A chain whose first message is good and whose second one ends the connection: the
// requests of that connection which wait end with it, and nothing of this reaches
// the requests of another connection, which wait and are cancelled meanwhile.
func TestBrokenChainAndWhoElseWaits(t *testing.T) {
	s := start(t, "")
	breakings := []struct {
		name string
		// second spoils the header of the second message.
		second func(*wire.Header)
		// mutate spoils its bytes.
		mutate func([]byte) []byte
	}{
		{"id out of the window", func(h *wire.Header) { h.MessageID += 1 << 20 }, nil},
		{"response", func(h *wire.Header) { h.Flags |= wire.FlagServerToRedir }, nil},
		{"bad header", nil, func(msg []byte) []byte { msg[0] = 0xff; return msg }},
		{"bad distance", func(h *wire.Header) { h.NextCommand = 12 }, nil},
		{"second negotiate", nil, nil},
	}
	s.run(t, "five ways", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		_, other := locked(t, tree, "bystander")
		for range 5 {
			for _, b := range breakings {
				victim := s.connect(t)
				_, waiter := locked(t, victim, "victim "+b.name)
				for range 3 {
					must(waitingLock(waiter).Interim(ctx))(t)
				}
				conn := victim.Session.Conn
				echo := victim.Session.Request(&wire.EchoRequest{})
				bad := victim.Session.Request(&wire.EchoRequest{})
				if b.name == "second negotiate" {
					bad = &client.Request{Body: conn.NegotiateRequest()}
				} else {
					bad.Header, bad.Mutate = b.second, b.mutate
				}
				var cancelled []*client.Call[struct{}]
				for range 4 {
					p := waitingLock(other)
					must(p.Interim(ctx))(t)
					cancelled = append(cancelled, p)
				}
				frame, _, err := conn.Prepare(false, echo, bad)
				check(t, err)
				check(t, conn.WriteRaw(frame))
				for _, p := range cancelled {
					check(t, p.Cancel())
				}
				for _, p := range cancelled {
					_, err := p.Wait(ctx)
					wantStatus(t, err, ntstatus.Cancelled)
				}
				wantCut(t, conn)
			}
		}
	})
}
