package config

import "fmt"

// What a share does for clients of Apple.

// Macos are the extensions that macOS and iOS use.
type Macos struct {
	// Enabled answers clients that ask for them, and gives the streams of the Finder their
	// rules.
	Enabled bool `mapstructure:"enabled"`
	// Import makes named streams of AppleDouble files and of what Netatalk and Samba have
	// stored, and takes slashes in paths as Samba does.
	Import bool `mapstructure:"import"`
	// ZeroFileIDs tells these clients no file ids.
	ZeroFileIDs bool `mapstructure:"zero_file_ids"`
	// Model is the machine whose icon the Finder shows.
	Model string `mapstructure:"model"`
}

func defaultMacos() Macos { return Macos{Enabled: true, Model: "MacSamba"} }

// maxModel is the longest name of a machine, in bytes.
const maxModel = 64

// leastTimeMachine is the smallest size of a share for backups.
const leastTimeMachine = 32 << 10

func (v *validation) macos(key string, s *Share) {
	if m := s.Macos.Model; m == "" || len(m) > maxModel {
		v.problem(key+".macos.model", fmt.Sprintf("bad name %q", m), "give the name of a model such as MacSamba, RackMac or TimeCapsule8,119")
	}
	if s.TimeMachine && !s.Macos.Enabled {
		v.problem(key+".time_machine", "Time Machine needs the extensions for macOS", "set macos.enabled to true")
	}
	if s.TimeMachine && s.ReadOnly {
		v.problem(key+".time_machine", "nothing can be stored on a share that is read-only", "set read_only to false")
	}
	if s.TimeMachineMaxSize != 0 && s.TimeMachineMaxSize < leastTimeMachine {
		v.problem(key+".time_machine_max_size", "less than 32 KiB", "give a size such as 500GiB, or 0 for that of the volume")
	}
	if s.TimeMachineMaxSize != 0 && !s.TimeMachine {
		v.problem(key+".time_machine_max_size", "the share is not for Time Machine", "set time_machine to true, or use size_limit")
	}
}
