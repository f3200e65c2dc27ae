package client_test

import (
	"net"
	"testing"

	"lessor/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

func dial(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }
