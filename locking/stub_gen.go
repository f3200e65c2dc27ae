package locking

type file struct{ key Key }
type stream struct{ name string }
type openState struct{}
type shard struct{}
type leaseShard struct{}
type openShard struct{}
type gateShard struct{}
type committer struct{}
type breakTimer struct{}

const shardCount = 64

func newManager(opts Options) *OplockManager { return &OplockManager{opts: opts} }
func (m *OplockManager) open(Key, string, *OpenRequest) (*Open, Grant, error) {
	return nil, Grant{}, ErrClosed
}
func (m *OplockManager) ackLease(ClientID, LeaseKey, LeaseState) (LeaseState, error) {
	return 0, ErrNotFound
}
func (m *OplockManager) changed(Key, LeaseKey, bool, ClientID)   {}
func (m *OplockManager) enter(Key, string) func()                { return func() {} }
func (m *OplockManager) list(LockQuery) []EnhancedLock           { return nil }
func (m *OplockManager) close() error                            { return nil }
func (o *Open) ownerNow() Owner                                  { return Owner{} }
func (o *Open) setPayload(any)                                   {}
func (o *Open) payloadNow() any                                  { return nil }
func (o *Open) grantNow() Grant                                  { return Grant{} }
func (o *Open) breakOthers(Cause) error                          { return nil }
func (o *Open) ackOplock(OplockLevel) (OplockLevel, error)       { return 0, nil }
func (o *Open) lockRanges([]Range, bool) error                   { return nil }
func (o *Open) unlockRanges([]Range) error                       { return nil }
func (o *Open) checkIO(_, _ uint64, _ bool) error                { return nil }
func (o *Open) lockSequence(uint32, uint8) bool                  { return false }
func (o *Open) lockSequenceDone(uint32, uint8)                   {}
func (o *Open) setDelete(bool) error                             { return nil }
func (o *Open) deletePendingNow() bool                           { return false }
func (o *Open) pathNow() string                                  { return "" }
func (o *Open) renamed(string)                                   {}
func (o *Open) makeDurable(DurableRequest) (DurableGrant, error) { return DurableGrant{}, nil }
func (o *Open) disconnect() bool                                 { return false }
func (o *Open) close() Closed                                    { return Closed{} }
func (m *OplockManager) reclaim(OpenID, Claim) (*Open, Record, error) {
	return nil, Record{}, ErrNotReclaimable
}
func (m *OplockManager) byCreateGuid(ClientID, [16]byte) (*Open, bool) { return nil, false }
func (m *OplockManager) breakFile(Key, Cause, ClientID, LeaseKey, bool) (int, error) {
	return 0, nil
}
func (m *OplockManager) hasOpensUnder(uint64, string) bool   { return false }
func (m *OplockManager) breakUnder(uint64, string) error     { return nil }
func (m *OplockManager) renamedUnder(uint64, string, string) {}
