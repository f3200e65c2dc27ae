package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// check looks over the whole file, of which tx is a reader.
func check(path string, file *os.File, tx *bbolt.Tx) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("lock store %s: %w", path, err)
	}
	if info.Size() < tx.Size() {
		return corrupt(path, "%d bytes of %d are missing", tx.Size()-info.Size(), tx.Size())
	}
	// First the pages: bbolt cannot be trusted with them before.
	pageSize := int64(tx.DB().Info().PageSize)
	w := pageWalk{file: file, pageSize: pageSize, end: uint64(tx.Size() / pageSize), seen: make(map[uint64]struct{})}
	if err := w.page(uint64(tx.Cursor().Bucket().Root())); err != nil {
		return corrupt(path, "%v", err)
	}
	if err := checkVersion(path, tx.Bucket(bucketMeta)); err != nil {
		return err
	}
	locks, owned := tx.Bucket(bucketLocks), tx.Bucket(bucketOwned)
	for _, b := range []struct {
		name   []byte
		keyLen int
		ok     func(k, v []byte) bool
	}{
		{bucketOpens, 8, func(_, _ []byte) bool { return true }},
		{bucketLocks, 8, func(k, v []byte) bool {
			return len(v) >= 12 && owned != nil && owned.Get(ownedKey(ownerOf(v), k)) != nil
		}},
		{bucketOwned, 16, func(k, _ []byte) bool {
			v := locks.Get(k[8:])
			return v != nil && bytes.Equal(ownerOf(v), k[:8])
		}},
	} {
		if err := checkBucket(path, tx, b.name, b.keyLen, b.ok); err != nil {
			return err
		}
	}
	return nil
}

// checkVersion refuses what was not written by this version or an older one.
func checkVersion(path string, meta *bbolt.Bucket) error {
	if meta == nil {
		return corrupt(path, "the database of another program")
	}
	stamp, err := unseal(bucketMeta, keyVersion, meta.Get(keyVersion))
	if err != nil || len(stamp) != 8 {
		return corrupt(path, "no version")
	}
	// Nothing else may be expected of what a newer version wrote.
	if v := binary.BigEndian.Uint64(stamp); v > formatVersion {
		return newer(path, v)
	}
	guid, err := unseal(bucketMeta, keyGUID, meta.Get(keyGUID))
	epoch, err2 := unseal(bucketMeta, keyEpoch, meta.Get(keyEpoch))
	if err != nil || err2 != nil || len(guid) != 16 || len(epoch) != 8 {
		return corrupt(path, "no identity")
	}
	return nil
}

// checkBucket looks over the entries of a bucket: their order, that they are
// found by their keys, the length of those, their checksums, and what ok says.
func checkBucket(path string, tx *bbolt.Tx, name []byte, keyLen int, ok func(k, v []byte) bool) error {
	b := tx.Bucket(name)
	if b == nil {
		return corrupt(path, "no bucket %s", name)
	}
	var last []byte
	return b.ForEach(func(k, v []byte) error {
		_, err := unseal(name, k, v)
		switch {
		case err != nil:
			return corrupt(path, "%s: %x: %v", name, k, err)
		case bytes.Compare(last, k) >= 0, b.Get(k) == nil:
			return corrupt(path, "%s: %x is out of order", name, k)
		case len(k) != keyLen, !ok(k, v):
			return corrupt(path, "%s: %x has no counterpart", name, k)
		}
		last = k
		return nil
	})
}
