package client_test

import (
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dial(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }
