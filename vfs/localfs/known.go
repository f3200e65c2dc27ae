//go:build linux

package localfs

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// What the extended attributes of a file say is remembered with the change time
// for which it holds, as every change of an extended attribute sets that. So a
// listing that is made again, and a file that is opened again, cost no more than
// their statx. A file that was changed just now is not remembered (settleTime).

const (
	knownChunks = 512
	chunkSlots  = 256
)

// known remembers that of up to 131,072 files, in up to 8 MiB of memory. Each file
// has one place, which it shares with others: neighbouring inodes lie in one chunk,
// and a chunk takes memory when its first file is remembered.
type known struct {
	chunks [knownChunks]knownChunk
}

type knownChunk struct {
	mu    sync.Mutex // leaf; guards slots
	slots *[chunkSlots]knownFile
}

// knownFile is what is known of one file.
type knownFile struct {
	id    vfs.NodeID // the zero NodeID: nothing
	ctime unix.StatxTimestamp
	birth int64 // that of dosInfo
	attrs uint32
	has   knownBits
}

type knownBits uint8

const (
	knownAttr  knownBits = 1 << iota // dosInfo.hasAttr
	knownList                        // the names of all extended attributes were looked at
	knownXattr                       // there are attributes of clients
	// Of what else knownList is about, there is this.
	knownStreams
	knownSecurity
	knownPosixACL
)

// lacks is what the file does not have.
func (k knownBits) lacks() (e vfs.Extras) {
	if k&knownList == 0 {
		return 0
	}
	if k&knownStreams == 0 {
		e |= vfs.ExtraStreams
	}
	if k&knownSecurity == 0 {
		e |= vfs.ExtraSecurity
	}
	if k&knownPosixACL == 0 {
		e |= vfs.ExtraPosixACL
	}
	return e
}

// chunk returns the chunk of a file.
func (k *known) chunk(id vfs.NodeID) *knownChunk {
	return &k.chunks[(id.Inode/chunkSlots*0x9e3779b97f4a7c15)>>(64-9)]
}

// get returns what is known of a file whose change time is ctime.
func (k *known) get(id vfs.NodeID, ctime unix.StatxTimestamp) (f knownFile, ok bool) {
	c := k.chunk(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		return f, false
	}
	f = c.slots[id.Inode%chunkSlots]
	return f, f.id == id && f.ctime == ctime
}

// put remembers what was read of a file after its change time was ctime and it was now,
// unless that does not prove enough or is too much to keep. A time after the reading would
// not do: what was changed in between may have the same change time.
func (k *known) put(id vfs.NodeID, ctime unix.StatxTimestamp, now time.Time, d *dosInfo, has knownBits) {
	if d.reparsed || !settledAt(ctime, now) {
		return
	}
	if d.hasAttr {
		has |= knownAttr
	}
	c := k.chunk(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		c.slots = new([chunkSlots]knownFile)
	}
	c.slots[id.Inode%chunkSlots] = knownFile{id: id, ctime: ctime, birth: d.birth, attrs: d.attrs, has: has}
}

// dosInfo is what was remembered of user.DOSATTRIB.
func (f *knownFile) dosInfo() dosInfo {
	return dosInfo{attrs: f.attrs, birth: f.birth, hasAttr: f.has&knownAttr != 0}
}
