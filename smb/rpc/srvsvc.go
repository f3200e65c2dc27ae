package rpc

import (
	"lessor/smb/rpc/ndr"
)

// srvsvc is the Server Service, 4b324fc8-1670-01d3-1278-5a47bf6ee188 version
// 3.0 (MS-SRVS 3.1.4). Methods that would change the server's configuration
// are refused: shares come from its configuration file.
var srvsvc = &iface{
	name: "srvsvc",
	syntax: syntaxID{
		uuid:    [16]byte{0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88},
		version: 3,
	},
	methods: map[uint16]method{
		8:  on("NetrConnectionEnum", decodeConnectionEnum, (*call).connectionEnum),
		9:  on("NetrFileEnum", decodeFileEnum, (*call).fileEnum),
		10: on("NetrFileGetInfo", decodeFileGetInfo, (*call).fileGetInfo),
		11: on("NetrFileClose", decodeFileClose, (*call).fileClose),
		12: on("NetrSessionEnum", decodeSessionEnum, (*call).sessionEnum),
		13: on("NetrSessionDel", decodeSessionDel, (*call).sessionDel),
		14: on("NetrShareAdd", decodeNothing, (*call).refuseWithParm),
		15: on("NetrShareEnum", decodeShareEnum, (*call).shareEnum),
		16: on("NetrShareGetInfo", decodeShareGetInfo, (*call).shareGetInfo),
		17: on("NetrShareSetInfo", decodeNothing, (*call).refuseWithParm),
		18: on("NetrShareDel", decodeNothing, (*call).refuse),
		19: on("NetrShareDelSticky", decodeNothing, (*call).refuse),
		20: on("NetrShareCheck", decodeShareCheck, (*call).shareCheck),
		21: on("NetrServerGetInfo", decodeServerGetInfo, (*call).serverGetInfo),
		22: on("NetrServerSetInfo", decodeNothing, (*call).refuseWithParm),
		23: on("NetrServerDiskEnum", decodeDiskEnum, (*call).diskEnum),
		26: on("NetrServerTransportEnum", decodeTransportEnum, (*call).transportEnum),
		28: on("NetrRemoteTOD", decodeServerName, (*call).remoteTOD),
		33: on("NetprNameValidate", decodeNameValidate, (*call).nameValidate),
		36: on("NetrShareEnumSticky", decodeShareEnumSticky, (*call).shareEnumSticky),
	},
}

// nothing stands for parameters that do not matter.
type nothing struct{}

func decodeNothing(*ndr.Decoder) nothing { return nothing{} }

// decodeServerName reads the parameters of a method that has only a server
// name, which every server ignores.
func decodeServerName(d *ndr.Decoder) nothing {
	d.UniqueString()
	return nothing{}
}

// refuse answers a method that would change the configuration.
func (k *call) refuse(nothing) werr {
	if !k.admin() {
		return werrAccessDenied
	}
	return werrNotSupported
}

// refuseWithParm is refuse for a method that could name a wrong parameter.
func (k *call) refuseWithParm(q nothing) werr {
	k.out.Nil()
	return k.refuse(q)
}
