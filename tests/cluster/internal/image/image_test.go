package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func entriesOf(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if found[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, s Spec) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("code"), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnArchiveHoldsTheLayerAndTheConfigurationItNames(t *testing.T) {
	spec := Spec{Name: "devbridge.test/web:1", Entrypoint: []string{"/bin/web"}, User: "65532",
		Entries: []Entry{{Source: program(t), Path: "/bin/web", Mode: 0o755}}}
	archive := write(t, spec)
	files := entriesOf(t, archive)
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	m := manifest[0]
	if m.RepoTags[0] != spec.Name {
		t.Errorf("tag %q", m.RepoTags[0])
	}
	var config struct {
		Config struct {
			User       string
			Entrypoint []string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(files[m.Config], &config); err != nil {
		t.Fatal(err)
	}
	layer := files[m.Layers[0]]
	if got := "sha256:" + hexDigest(layer); config.RootFS.DiffIDs[0] != got {
		t.Errorf("configuration names %s, the layer is %s", config.RootFS.DiffIDs[0], got)
	}
	if config.Config.User != "65532" || config.Config.Entrypoint[0] != "/bin/web" {
		t.Errorf("configuration %+v", config)
	}
	if got := entriesOf(t, layer)["bin/web"]; string(got) != "code" {
		t.Errorf("file holds %q", got)
	}
	if !bytes.Equal(archive, write(t, spec)) {
		t.Error("the same files gave another archive")
	}
}

func TestALayerMakesEachFolderOnceAndBeforeItsFiles(t *testing.T) {
	source := program(t)
	var b bytes.Buffer
	err := writeLayer(&b, []Entry{
		{Path: "/tmp", Mode: 0o1777, Owner: 7},
		{Source: source, Path: "/a/b/one"},
		{Source: source, Path: "/a/b/two", Mode: 0o755},
		{Source: filepath.Dir(source), Path: "/all"},
		{Path: "/a/link", Link: "b/one"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	modes := map[string]int64{}
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.Name)
		modes[h.Name] = h.Mode
	}
	want := []string{"tmp/", "a/", "a/b/", "a/b/one", "a/b/two", "all/", "all/program", "a/link"}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for n := range want {
		if got[n] != want[n] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	if modes["tmp/"] != 0o1777 || modes["a/b/one"] != 0o640 || modes["a/b/two"] != 0o755 {
		t.Errorf("modes %v", modes)
	}
}

func TestEntriesAreReadFromTheCommandLine(t *testing.T) {
	e, err := ParseFile("bin/x=/x:4755:10")
	if err != nil || e != (Entry{Source: "bin/x", Path: "/x", Mode: 0o4755, Owner: 10}) {
		t.Errorf("%+v, %v", e, err)
	}
	for _, bad := range []string{"", "x", "=/x", "a=b", "a=/", "a=/x:9", "a=/x:7:y", "a=/x:7:1:2"} {
		if e, err := ParseFile(bad); err == nil {
			t.Errorf("%q was taken as %+v", bad, e)
		}
	}
}
