package wire

import (
	"encoding/binary"
	"net/netip"
)

// Bits of Capability of a network interface (MS-SMB2 2.2.32.5).
const (
	NetworkInterfaceRSSCapable  uint32 = 0x00000001
	NetworkInterfaceRDMACapable uint32 = 0x00000002
)

const (
	netifSize     = 152
	netifAlign    = 8
	sockaddrSize  = 128
	addressINET   = 0x0002
	addressINET6  = 0x0017
	sockaddrINET  = 4 // where an IPv4 address stands in the storage
	sockaddrINET6 = 8 // where an IPv6 address stands
)

// NetworkInterface is one address of the server (MS-SMB2 2.2.32.5).
type NetworkInterface struct {
	IfIndex    uint32
	Capability uint32
	// LinkSpeed is in bits per second.
	LinkSpeed uint64
	// Addr has no zone. The zero Addr stands for an unknown address family.
	Addr netip.Addr
}

// NetworkInterfaceInfo is the output of FsctlQueryNetworkInterfaceInfo.
type NetworkInterfaceInfo struct {
	Interfaces []NetworkInterface
}

// Decode reads the output buffer of the IOCTL. The empty list is valid.
func (m *NetworkInterfaceInfo) Decode(b []byte) error {
	m.Interfaces = m.Interfaces[:0]
	it := entries(b, netifAlign)
	for it.next() {
		r := NewReader(it.entry, 4)
		e := NetworkInterface{IfIndex: r.U32(), Capability: r.U32()}
		r.Skip(4)
		e.LinkSpeed = r.U64()
		storage := r.Bytes(sockaddrSize)
		if r.Err() != nil {
			return r.Err()
		}
		switch binary.LittleEndian.Uint16(storage) {
		case addressINET:
			e.Addr = netip.AddrFrom4([4]byte(storage[sockaddrINET:]))
		case addressINET6:
			e.Addr = netip.AddrFrom16([16]byte(storage[sockaddrINET6:]))
		}
		m.Interfaces = append(m.Interfaces, e)
	}
	return it.err
}

// Append appends the output buffer of the IOCTL.
func (m *NetworkInterfaceInfo) Append(dst []byte) []byte {
	l := NewEntryList(dst, unlimited, netifAlign)
	for i := range m.Interfaces {
		e := &m.Interfaces[i]
		l.begin(netifSize)
		b := AppendU32(l.Bytes, 0)
		b = AppendU32(b, e.IfIndex)
		b = AppendU32(b, e.Capability)
		b = AppendU32(b, 0)
		b = AppendU64(b, e.LinkSpeed)
		l.Bytes = appendSockaddr(b, e.Addr)
	}
	return l.Bytes
}

// appendSockaddr appends a SOCKADDR_STORAGE (MS-SMB2 2.2.32.5.1). Port, flow and
// scope are 0.
func appendSockaddr(b []byte, addr netip.Addr) []byte {
	start := len(b)
	b = AppendZeros(b, sockaddrSize)
	storage := b[start:]
	switch {
	case addr.Is4():
		a := addr.As4()
		putU16(storage, addressINET)
		copy(storage[sockaddrINET:], a[:])
	case addr.Is6():
		a := addr.As16()
		putU16(storage, addressINET6)
		copy(storage[sockaddrINET6:], a[:])
	}
	return b
}
