package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"devbridge.dev/tests/cluster/internal/instance"
)

func TestConfigurationHasNoGapsAndTheNetworksIsJSON(t *testing.T) {
	i, err := instance.New("x", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := i.Node(2, "edge")
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteConfiguration(n, "/plugins"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(n.Path("c*", "*"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), `""`) || strings.Contains(string(data), "$") {
			t.Errorf("%s has a value that is not filled in:\n%s", file, data)
		}
		if filepath.Ext(file) == ".conflist" && !json.Valid(data) {
			t.Errorf("%s: not JSON", file)
		}
	}
}
