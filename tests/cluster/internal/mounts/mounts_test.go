package mounts

import (
	"slices"
	"testing"
)

const sample = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime shared:9 master:2 - cgroup cgroup rw,devices
90 27 0:40 /sub /s/a\040b/x rw - tmpfs tmpfs rw
91 27 0:41 / /s/a rw - nsfs nsfs rw
92 27 0:41 / /s/ab rw - tmpfs tmpfs rw
broken line
`

func TestMountsAreReadWithAndWithoutTags(t *testing.T) {
	list := Parse(sample)
	if len(list) != 5 || list[1] != (Mount{"/", "/sys/fs/cgroup/devices", "cgroup"}) || list[2] != (Mount{"/sub", "/s/a b/x", "tmpfs"}) {
		t.Errorf("%+v", list)
	}
}

func TestOnlyWhatIsBelowAFolderIsListed(t *testing.T) {
	if got := Below(Parse(sample), "/s/a"); !slices.Equal(got, []string{"/s/a"}) {
		t.Error(got)
	}
	if got := Below(Parse(sample), "/s"); len(got) != 3 {
		t.Error(got)
	}
}
