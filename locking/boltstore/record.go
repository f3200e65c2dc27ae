package boltstore

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is what unseal answers.
var errDamaged = errors.New("wrong checksum")

// number is a number as it stands in keys.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// checksum covers where an entry stands as well as what it says.
func checksum(bucket, key, content []byte) uint32 {
	c := crc32.Update(0, castagnoli, bucket)
	c = crc32.Update(c, castagnoli, key)
	return crc32.Update(c, castagnoli, content)
}

// seal makes the value of an entry: its checksum and its content.
func seal(bucket, key []byte, content ...[]byte) []byte {
	n := 4
	for _, c := range content {
		n += len(c)
	}
	v := make([]byte, 4, n)
	for _, c := range content {
		v = append(v, c...)
	}
	binary.BigEndian.PutUint32(v, checksum(bucket, key, v[4:]))
	return v
}

// unseal returns the content of an entry.
func unseal(bucket, key, value []byte) ([]byte, error) {
	if len(value) < 4 || binary.BigEndian.Uint32(value) != checksum(bucket, key, value[4:]) {
		return nil, errDamaged
	}
	return value[4:], nil
}

// ownedKey is the key in the bucket owned of a lock and the open that owns it.
func ownedKey(open, lock []byte) []byte {
	return append(append(make([]byte, 0, 16), open...), lock...)
}

// ownerOf is the id of the open that owns the lock with this value.
func ownerOf(value []byte) []byte { return value[4:12] }
