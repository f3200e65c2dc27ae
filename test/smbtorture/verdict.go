package smbtorture

import (
	"fmt"
	"regexp"
	"strings"
)

// Verdict is how a test ended.
type Verdict string

// The verdicts.
const (
	Pass    Verdict = "pass"    // passed; some of its parts may have been skipped
	Fail    Verdict = "fail"    // the server did not do what the test wants
	Error   Verdict = "error"   // the test could not be carried out
	Skip    Verdict = "skip"    // the test found that it does not apply here
	Timeout Verdict = "timeout" // it did not end in time
	Crash   Verdict = "crash"   // the server died, or its log tells of a panic
	NotHere Verdict = "nothere" // this user or machine cannot run it
)

// Verdicts are all verdicts in the order in which a summary names them.
var Verdicts = []Verdict{Pass, Fail, Error, Skip, Timeout, Crash, NotHere}

// resultLine is a line by which smbtorture reports the end of a test, in the
// words of the subunit protocol.
var resultLine = regexp.MustCompile(`(?m)^(success|failure|error|skip|xfail|uxsuccess): ?(.*)$`)

// noise are lines that say nothing about the reason of a failure.
var noise = regexp.MustCompile(`^(time|test|progress|smbtorture|Using seed)`)

// judge reads what smbtorture wrote and how it ended.
func judge(output string, exit error) (Verdict, string) {
	output = strings.ReplaceAll(output, "\r", "")
	count := map[string]int{}
	reason := ""
	for _, m := range resultLine.FindAllStringSubmatchIndex(output, -1) {
		word := output[m[2]:m[3]]
		bad := word == "failure" || word == "error" || word == "uxsuccess"
		if count[word]++; reason == "" && (bad || word == "skip") {
			reason = detail(output[m[4]:])
			if reason == "" {
				reason = last(output[:m[0]])
			}
		}
	}
	failed := count["failure"] + count["error"] + count["uxsuccess"]
	passed := count["success"] + count["xfail"]
	switch {
	case failed > 0 && (count["failure"] == 0 || strings.Contains(reason, "Establishing SMB2 connection failed")):
		return Error, reason
	case failed > 0:
		return Fail, reason
	case passed > 0 && exit != nil:
		return Fail, fmt.Sprintf("%v without a failure: %s", exit, last(output))
	case passed > 0 && count["skip"] > 0:
		return Pass, fmt.Sprintf("%d of %d parts skipped", count["skip"], passed+count["skip"])
	case passed > 0:
		return Pass, ""
	case count["skip"] > 0:
		return Skip, reason
	case strings.Contains(output, "Unknown torture operation"):
		return Error, "smbtorture does not know this test"
	}
	return Error, fmt.Sprintf("no result, %v: %s", exit, last(output))
}

// detail is the explanation behind a result line: "name [", lines, "]".
func detail(text string) string {
	_, text, found := strings.Cut(text, "[")
	if !found {
		return ""
	}
	text, _, _ = strings.Cut(text, "\n]")
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "time:") {
			lines = append(lines, line)
		}
		if len(lines) == 2 {
			break
		}
	}
	return strings.Join(lines, " | ")
}

// last is the last line that says something.
func last(output string) string {
	found := ""
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && !noise.MatchString(line) {
			found = line
		}
	}
	return found
}
