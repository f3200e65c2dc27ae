package client_test

import (
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(patient{m}) }

// patient gives goroutines that are about to end half a minute for it, and not the half
// second that goleak does.
type patient struct{ *testing.M }

func (p patient) Run() int {
	code := p.M.Run()
	for range 60 {
		if goleak.Find() == nil {
			break
		}
	}
	return code
}

func dial(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }
