package wire

import "math"

// NegotiateContextType says what a negotiate context holds (MS-SMB2 2.2.3.1).
type NegotiateContextType uint16

// The types of negotiate contexts. A receiver ignores those it does not know.
const (
	ContextPreauthIntegrity NegotiateContextType = 0x0001
	ContextEncryption       NegotiateContextType = 0x0002
	ContextCompression      NegotiateContextType = 0x0003
	ContextNetname          NegotiateContextType = 0x0005
	ContextTransport        NegotiateContextType = 0x0006
	ContextRDMATransform    NegotiateContextType = 0x0007
	ContextSigning          NegotiateContextType = 0x0008
	// ContextPosix announces the POSIX extensions; see PosixExtensions.
	ContextPosix NegotiateContextType = 0x0100
)

// NegotiateContext is one entry of the list in a NEGOTIATE of dialect 3.1.1.
type NegotiateContext struct {
	Type NegotiateContextType
	// Data is decoded by the struct of its type; less than 64 KiB.
	Data []byte
}

// NewNegotiateContext encodes data as a context of type t.
func NewNegotiateContext(t NegotiateContextType, data Appender) NegotiateContext {
	return NegotiateContext{Type: t, Data: data.Append(nil)}
}

// FindNegotiateContext returns the data of the first context of type t.
func FindNegotiateContext(list []NegotiateContext, t NegotiateContextType) (data []byte, ok bool) {
	for _, c := range list {
		if c.Type == t {
			return c.Data, true
		}
	}
	return nil, false
}

const negotiateContextHeader = 8

// readNegotiateContexts reads count contexts at offset from the header of the
// message that r runs over; the cursor stays.
func readNegotiateContexts(r *Reader, offset uint32, count int) []NegotiateContext {
	if count == 0 || r.Err() != nil {
		return nil
	}
	if offset > math.MaxInt32 {
		r.Fail(ErrTruncated)
		return nil
	}
	start := int(offset)
	c := NewReader(r.b, start)
	// Every context takes its header at least, which bounds the allocation.
	list := make([]NegotiateContext, 0, min(count, c.Len()/negotiateContextHeader))
	for i := range count {
		if i > 0 {
			c.Skip(-(c.Offset() - start) & 7)
		}
		t := NegotiateContextType(c.U16())
		n := int(c.U16())
		c.Skip(4)
		data := c.Bytes(n)
		if c.Err() != nil {
			r.Fail(c.Err())
			return nil
		}
		list = append(list, NegotiateContext{Type: t, Data: data})
	}
	return list
}

func appendNegotiateContexts(dst []byte, list []NegotiateContext) []byte {
	start := len(dst)
	for i := range list {
		dst = Pad(dst, start, 8)
		dst = AppendU16(dst, uint16(list[i].Type))
		dst = AppendU16(dst, uint16(len(list[i].Data)))
		dst = AppendU32(dst, 0)
		dst = append(dst, list[i].Data...)
	}
	return dst
}
