package rpc

import (
	"lessor/smb/rpc/ndr"
)

// dssetup is Directory Services Setup, 3919286a-b10c-11d0-9ba8-00c04fd92ef5
// version 0.0 (MS-DSSP). The dialogue that picks users for an access control
// list asks it whether the server is in a domain.
var dssetup = &iface{
	name: "dssetup",
	syntax: syntaxID{
		uuid: [16]byte{0x6a, 0x28, 0x19, 0x39, 0x0c, 0xb1, 0xd0, 0x11, 0x9b, 0xa8, 0x00, 0xc0, 0x4f, 0xd9, 0x2e, 0xf5},
	},
	methods: map[uint16]method{
		0: on("DsRolerGetPrimaryDomainInformation", decodeDomainInformation, (*call).domainInformation),
	},
}

type domainInformation struct{ level uint16 }

func decodeDomainInformation(d *ndr.Decoder) domainInformation { return domainInformation{d.U16()} }

// domainInformation is DsRolerGetPrimaryDomainInformation (MS-DSSP 3.2.5.1):
// a standalone server that is not being promoted.
func (k *call) domainInformation(q domainInformation) werr {
	const standaloneServer = 2
	e := &k.out
	var arm func()
	switch q.level {
	case 1: // DSROLER_PRIMARY_DOMAIN_INFO_BASIC
		arm = func() {
			e.U16(standaloneServer)
			e.U32(0) // flags
			e.StringPointer(k.b.Domain())
			e.Nil()                   // DNS name
			e.Nil()                   // forest
			e.Bytes(make([]byte, 16)) // GUID
		}
	case 2: // DSROLE_UPGRADE_STATUS_INFO
		arm = func() {
			e.U32(0)
			e.U16(0)
		}
	case 3: // DSROLE_OPERATION_STATE_INFO
		arm = func() { e.U16(0) }
	default:
		e.Nil()
		return werrInvalidParameter
	}
	e.Pointer(func() {
		e.U16(q.level)
		e.Align(4)
		arm()
	})
	return werrOK
}
