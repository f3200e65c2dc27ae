// Package test holds no code: it is the place for tests of the whole server, as a
// client sees it. They start the real binary, so they need the packages below
// cmd/lessor to build, and talk to it over TCP on 127.0.0.1.
//
//	layer       what it answers                                        clients
//	harness     (the server under test: build, start, wait, end)       -
//	client      (our own client, on smb/wire: leases, oplocks,
//	            durable handles, which other clients do not ask for)   -
//	protocol    do leases, breaks, chains, time-outs and bad input end
//	            as specified? (time-outs: in the test's own process)   client
//	abuse       does the conversation hold against a man in the middle,
//	            and against any bytes at all? (in the test's process)  client
//	crash       does what clients were told hold after a SIGKILL?          client
//	interop     do files, directories and refusals work for others?    go-smb2, smbclient
//	smbtorture  does the server follow the protocol, case by case?     smbtorture
//	kernel      can Linux mount it?                                    cifs.ko in qemu
//	bench       what does it cost, beside other servers, does it
//	            stay so with a million files, and what can the
//	            machine do without a protocol? (programs, no tests)    client, any load generator
//
// # Running
//
//	make test                                          everything but the kernel
//	make test-kernel                                   the Linux client; needs qemu
//	make hostile                                       the sieges, with 10,000 idle clients
//	make crash                                         a server that is killed 100 times
//	go test ./test/interop -short                      without the files of 1 GiB
//	go test ./test/interop -run 'TestFiles/smbclient/sealed/3.1.1/rename' -v
//	go run ./test/smbtorture/run smb2.lease.break      one test of smbtorture
//	go run ./test/smbtorture/run -all -out all.tsv     all of them, as a table
//	go run ./test/kernel/run -logs /tmp/kernel         the Linux client, with its log
//
// A test whose tool is missing (smbclient, smbtorture) is skipped and says so;
// with LESSOR_TEST_REQUIRE_TOOLS=1, which make test sets, it fails.
//
// # Which server
//
// The harness builds lessor/cmd/lessor once for each test process. LESSOR_BIN
// names another program to test, and LESSOR_BUILD_FLAGS adds to the build:
//
//	LESSOR_BUILD_FLAGS='-race -tags=invariants' go test ./test/...
//
// When a test fails, the end of the server's log is part of its output. A panic
// or a data race in the log fails the test that the server belongs to.
//
// # A new test
//
// It begins with harness.Run(t, harness.Options{...}), which gives the address,
// a user, and the share's directory. Settings are given as YAML, in the words of
// config/default.yaml.
package test
