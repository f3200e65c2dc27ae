package leaks

import (
	"testing"

	"go.uber.org/goleak"
)

// VerifyTestMain is goleak.VerifyTestMain that waits for half a minute at most.
func VerifyTestMain(m *testing.M, options ...goleak.Option) {
	goleak.VerifyTestMain(patient{m}, options...)
}

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
