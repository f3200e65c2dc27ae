// Package config knows the settings of the server: their names, defaults,
// bounds, and the YAML file and environment they come from. It knows nothing of
// SMB, and nothing else in the program reads files or variables for settings.
//
// # One way in
//
//	Load(path, defaults)  file and environment  ->  *Config, checked
//	Read                  Load without the checks, to add settings in between
//	Validate              the checks alone, for settings that were put together
//	                      in the program
//	Diff                  what a new configuration changes, and whether at once
//
// A setting is identified by its key, as in "shares[1].path". What is given
// later in this list wins: the defaults, the file, the environment
// (LESSOR_SERVER_LISTEN for server.listen; lists are separated by commas). Lists
// of shares and users come from the file alone: their names are values, not
// keys, because keys are compared without regard to case.
//
// # Errors
//
// Every mistake is a Problem, which prints as one line with the place, the key,
// what is wrong and what to do about it. The file is read twice for that: once
// into a tree of nodes with line numbers, which is checked against the Config
// struct, and once by viper, whose result is copied into the struct. All
// mistakes of one kind are reported together, joined by errors.Join.
//
// # State
//
// A Config is plain data. Whoever loads it owns it; viper is gone when Load
// returns. There are no goroutines and no locks.
package config
