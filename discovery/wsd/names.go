package wsd

// Names of XML.
const (
	nsSOAP = "http://www.w3.org/2003/05/soap-envelope"
	nsWSA  = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsWSD  = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
	nsWSDP = "http://schemas.xmlsoap.org/ws/2006/02/devprof"
	nsWSX  = "http://schemas.xmlsoap.org/ws/2004/09/mex"
	nsPNPX = "http://schemas.microsoft.com/windows/pnpx/2005/10"
	nsPUB  = "http://schemas.microsoft.com/windows/pub/2005/07"
)

// Actions.
const (
	actionHello          = nsWSD + "/Hello"
	actionBye            = nsWSD + "/Bye"
	actionProbe          = nsWSD + "/Probe"
	actionProbeMatches   = nsWSD + "/ProbeMatches"
	actionResolve        = nsWSD + "/Resolve"
	actionResolveMatches = nsWSD + "/ResolveMatches"
	actionGet            = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
	actionGetResponse    = "http://schemas.xmlsoap.org/ws/2004/09/transfer/GetResponse"
	actionFault          = nsWSA + "/fault"
)

const (
	// toAll is the address of the group, and toAsker that of whoever has asked.
	toAll   = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
	toAsker = nsWSA + "/role/anonymous"
	// urnUUID begins the address of a device.
	urnUUID = "urn:uuid:"
	// soapType is the type of messages over HTTP.
	soapType = "application/soap+xml"
)
