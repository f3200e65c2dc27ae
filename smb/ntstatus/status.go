package ntstatus

import "strconv"

// Status is an NTSTATUS (MS-ERREF 2.3): severity in bits 30 and 31, the
// customer bit, a facility of 12 bits and a code of 16 bits. It implements
// error.
type Status uint32

// The severities of MS-ERREF 2.3, as they stand in the two upper bits.
const (
	severityShift   = 30
	severityWarning = 2
	severityError   = 3
)

// String is the name of MS-ERREF with its STATUS_ prefix, or the value in
// hexadecimal when this package has no name for it.
func (s Status) String() string {
	if n, ok := names[s]; ok {
		return n
	}
	hex := strconv.FormatUint(uint64(s), 16)
	return "STATUS_0x" + "00000000"[len(hex):] + hex
}

// Error is String, which makes a Status an error.
func (s Status) Error() string { return s.String() }

// IsError reports whether the severity is "error": the request failed, and the
// reply carries an ERROR response unless its command says otherwise.
func (s Status) IsError() bool { return s>>severityShift == severityError }

// IsWarning reports whether the severity is "warning", as of BufferOverflow or
// NoMoreFiles.
func (s Status) IsWarning() bool { return s>>severityShift == severityWarning }
