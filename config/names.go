package config

// NameForms says whether the two ways in which Unicode can write many a name are one.
type NameForms string

// The values of NameForms.
const (
	// NamesOff takes them for two names, as Windows does.
	NamesOff NameForms = "off"
	// NamesMatch takes them for one, stored and shown as it came.
	NamesMatch NameForms = "match"
	// NamesNFC takes them for one, stored and shown in normal form C.
	NamesNFC NameForms = "nfc"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *NameForms) UnmarshalText(text []byte) error {
	return parseWord(n, text, NamesOff, NamesMatch, NamesNFC)
}
