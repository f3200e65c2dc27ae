//go:build race

package transport

// raceEnabled: pools forget at random under the race detector.
const raceEnabled = true
