package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// envPrefix is what the names of variables begin with.
const envPrefix = "LESSOR"

// maxFile is the largest configuration file in bytes.
const maxFile = 4 << 20

// Load reads the file at path, unless path is empty, and the environment, over
// the given defaults, and checks the result. The error joins one *Problem for
// each mistake.
func Load(path string, defaults *Config) (*Config, error) {
	c, err := Read(path, defaults)
	if err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// Read is Load without Validate, for programs that add settings of their own or
// need but a part of them.
func Read(path string, defaults *Config) (*Config, error) {
	c := defaults.clone()
	v := viper.New()
	if path != "" {
		doc, err := c.readFile(path)
		if err != nil {
			return nil, err
		}
		v.SetConfigType("yaml")
		if err := v.ReadConfig(bytes.NewReader(doc)); err != nil {
			return nil, &Problem{Origin: path, What: err.Error(), Remedy: "compare with \"lessor config default\""}
		}
	}
	if err := c.bindEnv(v); err != nil {
		return nil, err
	}
	if err := v.UnmarshalExact(c, decodeHooks); err != nil {
		return nil, &Problem{Origin: path, What: oneLine(err), Remedy: "compare with \"lessor config default\""}
	}
	if path != "" {
		c.resolvePaths(filepath.Dir(path))
	}
	return c, nil
}

func decodeHooks(d *mapstructure.DecoderConfig) {
	d.DecodeHook = mapstructure.ComposeDecodeHookFunc(
		shareDefaults,
		mapstructure.StringToTimeDurationHookFunc(),
		mapstructure.TextUnmarshallerHookFunc(),
		splitList,
		parseScalar,
	)
	d.WeaklyTypedInput = false
}

// splitList makes a list of the text of a variable.
func splitList(from, to reflect.Type, data any) (any, error) {
	if from.Kind() != reflect.String || to.Kind() != reflect.Slice {
		return data, nil
	}
	var list []string
	for item := range strings.SplitSeq(data.(string), ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, nil
}

// parseScalar makes a number or truth value of the text of a variable, by the
// rules of YAML. bindEnv has checked it.
func parseScalar(from, to reflect.Type, data any) (any, error) {
	if from.Kind() != reflect.String || to.Kind() != reflect.Int && to.Kind() != reflect.Bool {
		return data, nil
	}
	value := reflect.New(to)
	err := yaml.Unmarshal([]byte(data.(string)), value.Interface())
	return value.Elem().Interface(), err
}

// shareDefaults completes a share of the file, and the groups of settings in it.
func shareDefaults(_, to reflect.Type, data any) (any, error) {
	given, ok := data.(map[string]any)
	base, has := listDefaults[to]
	if !ok || !has {
		return data, nil
	}
	defaults := reflect.ValueOf(base)
	full := make(map[string]any)
	for i := range defaults.NumField() {
		name := defaults.Type().Field(i).Tag.Get("mapstructure")
		if value := defaults.Field(i); !value.IsZero() {
			full[name] = value.Interface()
		}
	}
	for name, value := range given {
		full[name] = value
	}
	return full, nil
}

// readFile reads and checks the file against the struct, and returns it with
// its values as text where a type reads itself.
func (c *Config) readFile(path string) ([]byte, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil // nothing but comments: the defaults
		}
		return nil, syntaxProblem(path, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &Problem{Origin: path, What: "the file holds more than one document", Remedy: "remove the line \"---\" and merge them"}
	}
	s := &schema{file: path, origins: c.origins}
	s.check(doc.Content[0], "", reflect.TypeFor[Config]())
	c.origins[""] = path
	if err := s.problems.err(); err != nil {
		return nil, err
	}
	return yaml.Marshal(&doc)
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileProblem(path, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fileProblem(path, err)
	}
	if len(data) > maxFile {
		return nil, &Problem{Origin: path, What: "the file is larger than 4 MiB", Remedy: "is it the right one?"}
	}
	return data, nil
}

func fileProblem(path string, err error) *Problem {
	p := &Problem{Origin: path, What: err.Error(), Remedy: "give the path of a readable YAML file"}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.What, p.Remedy = "no such file", "create it with \"lessor config default >"+path+"\""
	case errors.Is(err, fs.ErrPermission):
		p.What, p.Remedy = "permission denied", "make it readable for the user that runs the server"
	case errors.Is(err, syscall.EISDIR):
		p.What = "is a directory"
	}
	return p
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// syntaxProblem moves the line number of a YAML error to where ours stand.
func syntaxProblem(path string, err error) *Problem {
	text := oneLine(err)
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		return &Problem{Origin: path + ":" + m[1], What: strings.TrimPrefix(text, m[0]),
			Remedy: "check indentation, colons and quotes near this line"}
	}
	return &Problem{Origin: path, What: strings.TrimPrefix(text, "yaml: "), Remedy: "the file must be YAML"}
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// EnvName returns the variable that overrides a key.
func EnvName(key string) string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// bindEnv tells viper which variables count, and checks their values.
func (c *Config) bindEnv(v *viper.Viper) error {
	var bad problems
	v.AllowEmptyEnv(true)
	for _, key := range scalarKeys(reflect.TypeFor[Config](), "") {
		name := EnvName(key)
		if err := v.BindEnv(key, name); err != nil {
			return fmt.Errorf("config: %w", err)
		}
		value, ok := os.LookupEnv(name)
		if !ok {
			continue
		}
		c.SetOrigin(key, name)
		if p := checkEnv(key, name, value); p != nil {
			bad.add(p)
		}
	}
	return bad.err()
}

// checkEnv checks the text of a variable as if it stood in the file.
func checkEnv(key, name, value string) *Problem {
	t := reflect.TypeFor[Config]()
	for part := range strings.SplitSeq(key, ".") {
		t = fieldsOf(t)[part]
	}
	if t.Kind() == reflect.Slice || t == reflect.TypeFor[string]() {
		return nil
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
	n.Tag = n.ShortTag() // what plain text of this form is in YAML
	s := &schema{origins: make(map[string]string)}
	s.check(n, key, t)
	if len(s.problems) == 0 {
		return nil
	}
	var p *Problem
	errors.As(s.problems[0], &p)
	p.Origin = name
	return p
}

// files are the settings that name files which the server reads, perhaps again
// and again. A new one belongs here: its path is made absolute, and the sandbox lets
// it be read.
func (c *Config) files() []*string {
	q := &c.Server.QUIC
	return []*string{&c.UsersFile, &c.Auth.Kerberos.Keytab, &c.Directory.PasswordFile, &c.Directory.CAFile, &q.Certificate, &q.Key, &q.ClientCA}
}

// Files returns the files that the server reads, besides the configuration itself.
func (c *Config) Files() []string {
	var out []string
	for _, p := range c.files() {
		if *p != "" {
			out = append(out, *p)
		}
	}
	return out
}

// resolvePaths makes the paths of the file absolute.
func (c *Config) resolvePaths(dir string) {
	abs := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
		if full, err := filepath.Abs(*p); *p != "" && err == nil {
			*p = full
		}
	}
	abs(&c.StateDir)
	abs(&c.Log.File)
	for _, p := range c.files() {
		abs(p)
	}
	for i := range c.Shares {
		abs(&c.Shares[i].Path)
		abs(&c.Shares[i].Audit.File)
	}
}
