package wire

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuotaList(t *testing.T) {
	sid, _ := hex.DecodeString("010100000000000100000000")
	want := QuotaList{Entries: []FileQuotaInformation{
		{ChangeTime: 1, QuotaUsed: 2, QuotaThreshold: 3, QuotaLimit: NoQuota, Sid: sid},
		{QuotaUsed: 5, QuotaLimit: QuotaRemoved, Sid: sid[:8]},
	}}
	b := want.Append(nil)
	// MS-FSCC 2.4.41: NextEntryOffset, SidLength, ChangeTime, QuotaUsed, QuotaThreshold,
	// QuotaLimit, Sid, and padding to 8 bytes.
	const first = "38000000" + "0c000000" + "0100000000000000" + "0200000000000000" + "0300000000000000" + "ffffffffffffffff" +
		"010100000000000100000000" + "00000000"
	if got := hex.EncodeToString(b[:56]); got != first {
		t.Errorf("got  %s\nwant %s", got, first)
	}
	var got QuotaList
	if err := got.Decode(b); err != nil || !cmp.Equal(got, want) {
		t.Error(err, cmp.Diff(want, got))
	}
	for n := 1; n < len(b); n++ {
		if err := got.Decode(b[:n]); err == nil && n != 56 {
			t.Errorf("%d bytes are taken", n)
		}
	}
}

func TestQueryQuotaInfo(t *testing.T) {
	for _, want := range []QueryQuotaInfo{
		{ReturnSingle: true},
		{RestartScan: true, Sids: [][]byte{{1, 2, 3, 4}, {5, 6, 7, 8, 9}}},
		{StartSid: []byte{1, 2, 3}},
	} {
		b := want.Append(nil)
		var got QueryQuotaInfo
		if err := got.Decode(b); err != nil || !bytes.Equal(got.StartSid, want.StartSid) || len(got.Sids) != len(want.Sids) ||
			got.ReturnSingle != want.ReturnSingle || got.RestartScan != want.RestartScan {
			t.Errorf("%+v: %+v, %v", want, got, err)
		}
		for i := range got.Sids {
			if !bytes.Equal(got.Sids[i], want.Sids[i]) {
				t.Error(got.Sids[i])
			}
		}
		for n := range b {
			if err := got.Decode(b[:n]); err == nil {
				t.Errorf("%+v: %d bytes of %d are taken", want, n, len(b))
			}
		}
	}
}

func FuzzQuota(f *testing.F) {
	list := QuotaList{Entries: []FileQuotaInformation{{Sid: []byte{1}}, {Sid: []byte{2}}}}
	ask := QueryQuotaInfo{Sids: [][]byte{{1}, {2}}}
	f.Add(list.Append(nil))
	f.Add(ask.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l QuotaList
		if l.Decode(b) == nil {
			var again QuotaList
			if err := again.Decode(l.Append(nil)); err != nil || len(again.Entries) != len(l.Entries) {
				t.Error(err, l, again)
			}
		}
		var q QueryQuotaInfo
		_ = q.Decode(b)
	})
}
