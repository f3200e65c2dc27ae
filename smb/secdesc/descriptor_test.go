package secdesc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var equalSIDs = cmp.Comparer(func(a, b SID) bool { return a == b })

// goldenDescriptor is what Windows stores for a file of the administrators
// with two entries, one of them inherited.
const goldenDescriptor = `
	01 00 0484 14000000 24000000 00000000 34000000
	0102000000000005 20000000 20020000
	0102000000000005 20000000 21020000
	02 00 3400 0200 0000
	00 10 1800 ff011f00 0102000000000005 20000000 20020000
	01 00 1400 02000000 0101000000000001 00000000`

func TestDescriptorGolden(t *testing.T) {
	want := &Descriptor{
		Control: SelfRelative | DACLPresent | DACLAutoInherited,
		Owner:   BuiltinAdministrators,
		Group:   BuiltinUsers,
		DACL: NewACL(Allow(BuiltinAdministrators, FileAllAccess, InheritedACE),
			Deny(World, FileWriteData, 0)),
	}
	raw := unhex(t, goldenDescriptor)
	got, err := Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equalSIDs); diff != "" {
		t.Errorf("Decode: -want +got\n%s", diff)
	}
	out, err := want.Append([]byte{0xee})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(raw, out[1:]); diff != "" {
		t.Errorf("Append: -want +got\n%s", diff)
	}
	if want.Len() != len(raw) {
		t.Errorf("Len = %d, want %d", want.Len(), len(raw))
	}
	for i := range raw {
		if _, err := Decode(raw[:i]); !errors.Is(err, ErrTruncated) {
			t.Errorf("prefix of %d bytes: %v", i, err)
		}
	}
}

func TestNullAndEmptyDACL(t *testing.T) {
	for _, tc := range []struct {
		name    string
		raw     string
		present bool
		list    bool
	}{
		{"absent", "01000080 00000000 00000000 00000000 00000000", false, false},
		{"null", "01000480 00000000 00000000 00000000 00000000", true, false},
		{"empty", "01000480 00000000 00000000 00000000 14000000 0200080000000000", true, true},
		{"offset without the bit", "01000080 00000000 00000000 00000000 14000000 0200080000000000", false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := Decode(unhex(t, tc.raw))
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Control&DACLPresent != 0; got != tc.present {
				t.Errorf("present %v, want %v", got, tc.present)
			}
			if got := d.DACL != nil; got != tc.list {
				t.Errorf("list %v, want %v", got, tc.list)
			}
			again, err := d.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			back, err := Decode(again)
			if diff := cmp.Diff(d, back, equalSIDs); err != nil || diff != "" {
				t.Errorf("round trip: %v\n%s", err, diff)
			}
		})
	}
}

func TestDecodeMalformed(t *testing.T) {
	for name, raw := range map[string]string{
		"revision":            "02000480 00000000 00000000 00000000 00000000",
		"owner in the header": "01000480 04000000 00000000 00000000 00000000",
		"owner revision":      "01000480 14000000 00000000 00000000 00000000 0200000000000005",
		"too many authorities": "01000480 14000000 00000000 00000000 00000000 0110000000000005" +
			"00000000000000000000000000000000000000000000000000000000000000000000000000000000" +
			"000000000000000000000000000000000000000000000000",
		"acl revision": "01000480 00000000 00000000 00000000 14000000 0100080000000000",
		"acl size":     "01000480 00000000 00000000 00000000 14000000 0200070000000000",
		"ace size 0":   "01000480 00000000 00000000 00000000 14000000 02000c0001000000 00000000",
		"ace size odd": "01000480 00000000 00000000 00000000 14000000 0200100001000000 ff00050000000000",
	} {
		if _, err := Decode(unhex(t, raw)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, raw := range map[string]string{
		"owner beyond the end": "01000480 15000000 00000000 00000000 00000000",
		"acl beyond the end":   "01000480 00000000 00000000 00000000 14000000 0200090000000000",
		"count beyond size":    "01000480 00000000 00000000 00000000 14000000 020008000a000000",
		"ace beyond the acl":   "01000480 00000000 00000000 00000000 14000000 0200100001000000 ff000c0000000000 00000000",
		"sid beyond the ace":   "01000480 00000000 00000000 00000000 14000000 0200180001000000 00001000 00000000 0101000000000001 00000000",
	} {
		if _, err := Decode(unhex(t, raw)); !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignACEsPassThrough(t *testing.T) {
	object := unhex(t, "01000000 01000000 000102030405060708090a0b0c0d0e0f 010100000000000100000000")
	acl := NewACL(
		ACE{Type: AccessAllowedObject, Data: object},
		ACE{Type: AccessAllowedCallback, Mask: 1, SID: World, Data: []byte("artx")},
		ACE{Type: 0x77, Flags: 0x33, Data: []byte{1, 2, 3, 4}},
		ACE{Type: 0x78},
	)
	raw, err := acl.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if raw[0] != aclRevisionObject {
		t.Errorf("revision %d with object entries", raw[0])
	}
	back, err := DecodeACL(raw)
	if err != nil {
		t.Fatal(err)
	}
	acl.Revision = aclRevisionObject
	if diff := cmp.Diff(acl, back, equalSIDs); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	raw[len(raw)-9] ^= 0xff
	if bytes.Equal(back.ACEs[2].Data, raw[len(raw)-12:len(raw)-8]) {
		t.Error("decoded data alias their source")
	}
}

func TestACLTooLarge(t *testing.T) {
	acl := NewACL()
	for acl.Len()+20 <= MaxACLSize {
		acl.ACEs = append(acl.ACEs, Allow(World, FileReadData, 0))
	}
	d := &Descriptor{DACL: acl}
	raw, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := Decode(raw); err != nil || len(back.DACL.ACEs) != len(acl.ACEs) {
		t.Fatalf("the largest list does not come back: %v", err)
	}
	acl.ACEs = append(acl.ACEs, Allow(World, FileReadData, 0))
	if b, err := d.Append([]byte("x")); !errors.Is(err, ErrTooLarge) || string(b) != "x" {
		t.Errorf("Append = %d bytes, %v", len(b), err)
	}
}

func TestDescriptorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDescriptor(t)
		raw, err := d.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) != d.Len() {
			t.Fatalf("Len %d, encoded %d", d.Len(), len(raw))
		}
		back, err := Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, back, equalSIDs); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
		if diff := cmp.Diff(d, d.Clone(), equalSIDs); diff != "" {
			t.Fatalf("Clone: -want +got\n%s", diff)
		}
	})
}

func drawACL(t *rapid.T, name string) *ACL {
	if !rapid.Bool().Draw(t, name) {
		return nil
	}
	sids := []SID{World, CreatorOwner, CreatorGroup, OwnerRights, System, UnixUser(1), UnixGroup(2)}
	a := &ACL{Revision: aclRevision, ACEs: []ACE{}}
	for range rapid.IntRange(0, 6).Draw(t, "aces") {
		a.ACEs = append(a.ACEs, ACE{
			Type:  rapid.SampledFrom([]ACEType{AccessAllowed, AccessDenied, SystemAudit}).Draw(t, "type"),
			Flags: ACEFlags(rapid.Byte().Draw(t, "flags")),
			Mask:  rapid.Uint32().Draw(t, "mask"),
			SID:   rapid.SampledFrom(sids).Draw(t, "sid"),
		})
	}
	return a
}

func drawDescriptor(t *rapid.T) *Descriptor {
	d := &Descriptor{
		Control: rapid.Uint16().Draw(t, "control")&^(DACLPresent|SACLPresent) | SelfRelative,
		Owner:   drawSID(t), SACL: drawACL(t, "sacl"), DACL: drawACL(t, "dacl"),
	}
	if d.SACL != nil {
		d.Control |= SACLPresent
	}
	if d.DACL != nil {
		d.Control |= DACLPresent
	}
	return d
}

func FuzzDecode(f *testing.F) {
	f.Add(unhex(f, goldenDescriptor))
	f.Add(unhex(f, "01000480 00000000 00000000 00000000 14000000 0200080000000000"))
	token := NewToken(UnixUser(1), PrivTakeOwnership, UnixGroup(2))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Decode(b)
		if err != nil {
			return
		}
		raw, err := d.Append(nil)
		if err != nil {
			return // padding an entry can push a list over its limit
		}
		back, err := Decode(raw)
		if err != nil {
			t.Fatalf("own encoding: %v", err)
		}
		again, err := back.Append(nil)
		if err != nil || !bytes.Equal(raw, again) {
			t.Fatalf("encoding is not stable: %v", err)
		}
		MaximumAllowed(d, token)
		Audited(d, token, ^uint32(0), true)
		Audited(d, token, ^uint32(0), false)
		d.SACL.Audits()
		Inherit(d, back, token.User, SID{}, true)
		Inherit(d, nil, token.User, UnixGroup(2), false)
		Merge(d, back, ^uint32(0))
		Select(d, ^uint32(0))
	})
}
