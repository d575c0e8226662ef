// Package image writes container images from plain files, in the format of
// `docker save`, with no registry and no Dockerfile.
//
// The layer is not compressed: it is imported once, on the same machine. The same
// files give the same bytes.
package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
)

// Spec is one image.
type Spec struct {
	// Name is the reference with its tag: devbridge.test/web:1.
	Name       string
	Entrypoint []string
	Cmd        []string
	Env        []string
	User       string
	WorkingDir string
	Entries    []Entry
}

// Write writes the archive. Files are read twice, so that none is held in memory.
func Write(w io.Writer, s Spec) error {
	digest := sha256.New()
	var size counter
	if err := writeLayer(io.MultiWriter(digest, &size), s.Entries); err != nil {
		return err
	}
	layerDigest := hex.EncodeToString(digest.Sum(nil))
	config, err := configuration(s, layerDigest)
	if err != nil {
		return err
	}
	configName := hexDigest(config) + ".json"
	layerName := layerDigest + ".tar"
	manifest, err := json.Marshal([]map[string]any{{
		"Config": configName, "RepoTags": []string{s.Name}, "Layers": []string{layerName},
	}})
	if err != nil {
		return err
	}

	archive := tar.NewWriter(w)
	if err := archive.WriteHeader(&tar.Header{Name: layerName, Mode: 0o644, Size: int64(size)}); err != nil {
		return err
	}
	digest.Reset()
	if err := writeLayer(io.MultiWriter(digest, archive), s.Entries); err != nil {
		return err
	}
	if hex.EncodeToString(digest.Sum(nil)) != layerDigest {
		return fmt.Errorf("image %s: a file changed while it was read", s.Name)
	}
	for _, file := range []struct {
		name string
		data []byte
	}{{configName, config}, {"manifest.json", manifest}} {
		header := &tar.Header{Name: file.name, Mode: 0o644, Size: int64(len(file.data))}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(file.data); err != nil {
			return err
		}
	}
	return archive.Close()
}

func configuration(s Spec, layerDigest string) ([]byte, error) {
	type object = map[string]any
	return json.Marshal(object{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config": object{
			"Entrypoint": s.Entrypoint, "Cmd": s.Cmd, "Env": s.Env,
			"User": s.User, "WorkingDir": s.WorkingDir,
		},
		"rootfs": object{"type": "layers", "diff_ids": []string{"sha256:" + layerDigest}},
	})
}

func hexDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
