package aesmac

const (
	// BlockSize is the length of a block in bytes.
	BlockSize = 16
	// Lanes is how many messages go through the processor together.
	Lanes = 8
	// piece is how many bytes of each message are done between two looks at the
	// others, and of counter mode and the MAC between one and the other: it stays in
	// the first-level cache.
	piece = 4 << 10
	// stretch is how many bytes the assembly does in one call: it cannot be
	// interrupted, which would hold up the garbage collector.
	stretch = 64 << 10
	// wide is how many bytes counter mode does at a time.
	wide = 8 * BlockSize
)

// Mode says what happens to the text of a message.
type Mode uint8

const (
	// MAC leaves the text as it is.
	MAC Mode = iota
	// Seal takes the MAC of the text and encrypts it in place.
	Seal
	// Open decrypts the text in place and takes the MAC of what comes out.
	Open
)

// Stream is a message that others go together with.
type Stream struct {
	// MAC is the last block of the chain so far; zero in the beginning.
	MAC [BlockSize]byte
	// Counter is the counter block of the first block of Text, its last 4 bytes a
	// little-endian number, unlike in CCM. It goes on by one for each block. With the
	// mode MAC it has no meaning.
	Counter [BlockSize]byte
	// Text is what is still to be done: whole blocks.
	Text []byte
}

func check(text []byte) {
	if len(text)%BlockSize != 0 {
		panic("aesmac: not whole blocks")
	}
}
