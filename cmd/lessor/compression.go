package main

import (
	"slices"

	"lessor/config"
	"lessor/smb"
	"lessor/smb/wire"
)

// compression are the algorithms of a configuration, whose names Validate has checked.
func compression(c *config.Compression) []wire.CompressionAlgorithm {
	if !c.Enabled {
		return nil
	}
	list := make([]wire.CompressionAlgorithm, 0, len(c.Algorithms))
	for _, name := range c.Algorithms {
		list = append(list, wire.CompressionAlgorithm(slices.Index(smb.CompressionNames[:], name)))
	}
	return list
}
