package node

import (
	"maps"
	"testing"
)

func TestImagesAreReadWithWhatTheyStandForAndOnlyOnce(t *testing.T) {
	table := `REF                     TYPE                                      DIGEST        SIZE     PLATFORMS   LABELS
devbridge.test/pause:1  application/vnd.oci.image.manifest.v1+json sha256:0a1b  1.4 MiB  linux/amd64 io.cri-containerd.image=managed
sha256:77ff             application/vnd.oci.image.manifest.v1+json sha256:0a1b  1.4 MiB  linux/amd64 io.cri-containerd.image=managed
`
	want := map[string]string{"devbridge.test/pause:1": "sha256:0a1b"}
	if got := ParseImages(table); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
