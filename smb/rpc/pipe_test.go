package rpc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"
)

func TestExists(t *testing.T) {
	for name, want := range map[string]bool{
		"srvsvc": true, `\wkssvc`: true, "LsaRpc": true, `\\srvsvc`: false, "spoolss": false, "": false, `\`: false, "srvsvc ": false,
	} {
		if Exists(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
		if p, err := Open(name, newBackend(t), ""); (err == nil) != want || !want && (p != nil || !errors.Is(err, fs.ErrNotExist)) {
			t.Errorf("%q: %v, %v", name, p, err)
		}
	}
}

func TestReadInPieces(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	request := requestUnit(flagWhole, 2, 0, todOpnum, todRequest)
	whole, more, err := p.Transact(request, 1000)
	if err != nil || more || len(whole) != responseSize+4+48+4 {
		t.Fatalf("%x, %v, %v", whole, more, err)
	}
	var got []byte
	data, more, err := p.Transact(request, 10)
	for i := 1; ; i++ {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, data...)
		if p.Pending() != len(whole)-len(got) {
			t.Errorf("%d bytes pending after %d of %d", p.Pending(), len(got), len(whole))
		}
		if more != (len(got) < len(whole)) {
			t.Errorf("more is %v after %d of %d", more, len(got), len(whole))
		}
		if !more {
			break
		}
		if n := p.Pending(); n == 30 {
			if data, more, err := p.Read(0); len(data) != 0 || !more || err != nil {
				t.Errorf("Read(0): %x, %v, %v", data, more, err)
			}
			if data, more, err := p.Read(-5); len(data) != 0 || !more || err != nil {
				t.Errorf("Read(-5): %x, %v, %v", data, more, err)
			}
		}
		data, more, err = p.Read(10)
	}
	if !bytes.Equal(got, whole) {
		t.Errorf("%x\nwant\n%x", got, whole)
	}
	if _, _, err := p.Read(10); err != ErrNoData {
		t.Error(err)
	}
}

// Each data unit is a message: a read never takes from two.
func TestReadStopsAtMessages(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	request := requestUnit(flagWhole, 2, 0, todOpnum, todRequest)
	if _, err := p.Write(append(bytes.Clone(request), request...)); err != nil {
		t.Fatal(err)
	}
	const size = responseSize + 4 + 48 + 4
	if data, length, messages, broken := p.Peek(20); len(data) != 20 || length != size || messages != 2 || broken {
		t.Errorf("Peek: %x, %d, %d, %v", data, length, messages, broken)
	}
	if p.Pending() != 2*size {
		t.Errorf("%d bytes pending", p.Pending())
	}
	for range 2 {
		if data, more, err := p.Read(1000); len(data) != size || more || err != nil {
			t.Errorf("%x, %v, %v", data, more, err)
		}
	}
	if data, length, messages, broken := p.Peek(20); len(data)+length+messages != 0 || broken {
		t.Errorf("Peek: %x, %d, %d, %v", data, length, messages, broken)
	}
}

func TestTransactNeedsAnEmptyPipe(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	request := requestUnit(flagWhole, 2, 0, todOpnum, todRequest)
	if _, _, err := p.Transact(request, 10); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Transact(request, 10); err != ErrBusy {
		t.Errorf("%v", err)
	}
	if _, _, err := p.Read(1000); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Transact(request, 10); err != nil {
		t.Errorf("%v", err)
	}
}

func TestWriteStopsWhenNobodyReads(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	request := requestUnit(flagWhole, 2, 0, todOpnum, todRequest)
	writes := 0
	for ; ; writes++ {
		if n, err := p.Write(request); err != nil {
			if !errors.Is(err, ErrBusy) || n != 0 {
				t.Fatal(n, err)
			}
			break
		}
		if writes > 10_000 {
			t.Fatal("no end")
		}
	}
	if n := p.Pending(); n <= maxQueued || n > maxQueued+100 {
		t.Errorf("%d bytes pending", n)
	}
	if _, _, err := p.Read(1000); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(request); err != nil {
		t.Errorf("after a read: %v", err)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestWait(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	first, second := p.Wait(), p.Wait()
	if isClosed(first) || isClosed(second) {
		t.Fatal("closed without data")
	}
	request := requestUnit(flagWhole, 2, 0, todOpnum, todRequest)
	if _, err := p.Write(request[:20]); err != nil {
		t.Fatal(err)
	}
	if isClosed(first) {
		t.Error("closed by half a request")
	}
	if _, err := p.Write(request[20:]); err != nil {
		t.Fatal(err)
	}
	if !isClosed(first) || !isClosed(second) || !isClosed(p.Wait()) {
		t.Error("not closed with data")
	}
	if _, _, err := p.Read(1000); err != nil {
		t.Fatal(err)
	}
	if isClosed(p.Wait()) {
		t.Error("closed after the data is read")
	}
}

func TestClose(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	waiting := p.Wait()
	p.Close()
	p.Close()
	if !isClosed(waiting) || !isClosed(p.Wait()) {
		t.Error("Close does not wake who waits")
	}
	if _, _, err := p.Read(1000); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if _, err := p.Write([]byte{5}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if _, _, err := p.Transact([]byte{5}, 10); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Transact: %v", err)
	}
	if _, _, _, broken := p.Peek(10); !broken {
		t.Error("Peek sees no end")
	}
}

func TestCloseDropsWhatWasNotRead(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	if _, err := p.Write(requestUnit(flagWhole, 2, 0, todOpnum, todRequest)); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if _, _, err := p.Read(1000); !errors.Is(err, fs.ErrClosed) || p.Pending() != 0 {
		t.Errorf("Read: %v, %d bytes pending", err, p.Pending())
	}
}

// A request that runs blocks nobody who reads, waits or closes, and its reply
// is dropped when the pipe is closed meanwhile.
func TestNobodyWaitsForARequest(t *testing.T) {
	b := &slowBackend{fakeBackend: newBackend(t), running: make(chan struct{}), resume: make(chan struct{})}
	p := open(t, b, "srvsvc", alice)
	result := make(chan error)
	go func() {
		_, _, err := p.Transact(requestUnit(flagWhole, 2, 0, 15, enumStub(1, 0xffffffff, nil)), 1000)
		result <- err
	}()
	<-b.running
	if _, _, err := p.Read(10); err != ErrNoData {
		t.Errorf("Read: %v", err)
	}
	if p.Pending() != 0 {
		t.Error("bytes are pending")
	}
	waiting := p.Wait()
	p.Close()
	if !isClosed(waiting) {
		t.Error("Close does not wake")
	}
	close(b.resume)
	if err := <-result; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Transact: %v", err)
	}
}

// slowBackend stops in Shares.
type slowBackend struct {
	*fakeBackend
	running, resume chan struct{}
}

func (b *slowBackend) Until(time.Time) Backend { return b }

func (b *slowBackend) Shares(user string) []ShareInfo {
	close(b.running)
	<-b.resume
	return b.fakeBackend.Shares(user)
}

// Requests of many goroutines on one pipe: each is answered once, whole.
func TestConcurrentUse(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", admin)
	const writers, calls = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range calls {
				unit := requestUnit(flagWhole, uint32(w*calls+i), 0, 15, enumStub(1, 0xffffffff, nil))
				for {
					if _, err := p.Write(unit); err == nil {
						break
					} else if !errors.Is(err, ErrBusy) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	seen := map[string]bool{}
	for len(seen) < writers*calls {
		<-p.Wait()
		data, more, err := p.Read(65536)
		if err != nil || more {
			t.Fatal(more, err)
		}
		key := fmt.Sprintf("%x", data[12:16])
		if seen[key] || data[2] != typeResponse {
			t.Fatalf("%x", data)
		}
		seen[key] = true
	}
	wg.Wait()
	if p.Pending() != 0 {
		t.Errorf("%d bytes are left", p.Pending())
	}
}
