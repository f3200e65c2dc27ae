package main

import (
	"slices"
	"testing"

	"lessor/config"
	"lessor/smb"
)

// The names and the order of the settings are those of the server.
func TestCompressionSettings(t *testing.T) {
	c := config.Default().Server.Compression
	if got := compression(&c); !slices.Equal(got, smb.DefaultCompression()) {
		t.Errorf("%v, want %v", got, smb.DefaultCompression())
	}
	c.Algorithms = []string{"pattern_v1", "lz77+huffman"}
	if got := compression(&c); len(got) != 2 || smb.CompressionNames[got[0]] != "pattern_v1" || smb.CompressionNames[got[1]] != "lz77+huffman" {
		t.Error(got)
	}
	c.Enabled = false
	if got := compression(&c); got != nil {
		t.Error(got)
	}
}
