// What is in an image's one layer.

package image

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Entry is a file, a folder or a symbolic link in the image.
type Entry struct {
	// Source is a file or folder of this machine; a folder is copied with all in it.
	Source string
	// Link is the target of a symbolic link. With neither it is an empty folder.
	Link string
	// Path is where it is in the image.
	Path string
	// Mode is its permission bits; 0 keeps the source's.
	Mode int64
	// Owner is its user and group.
	Owner int
}

// ParseFile reads `src=dst[:mode]`, mode in octal.
func ParseFile(s string) (Entry, error) {
	source, target, found := strings.Cut(s, "=")
	if !found || source == "" {
		return Entry{}, fmt.Errorf("%q: want source=path[:mode]", s)
	}
	e, err := parseTarget(target)
	e.Source = source
	return e, err
}

// ParseDir reads `path[:mode[:uid]]`: an empty folder.
func ParseDir(s string) (Entry, error) {
	e, err := parseTarget(s)
	if e.Mode == 0 {
		e.Mode = 0o755
	}
	return e, err
}

// ParseLink reads `path=target`: a symbolic link.
func ParseLink(s string) (Entry, error) {
	name, target, found := strings.Cut(s, "=")
	if !found || target == "" {
		return Entry{}, fmt.Errorf("%q: want path=target", s)
	}
	e, err := parseTarget(name)
	e.Link = target
	return e, err
}

func parseTarget(s string) (Entry, error) {
	parts := strings.Split(s, ":")
	e := Entry{Path: parts[0]}
	if !path.IsAbs(e.Path) || path.Clean(e.Path) == "/" || len(parts) > 3 {
		return e, fmt.Errorf("%q: want an absolute path in the image, then :mode", s)
	}
	var err error
	if len(parts) > 1 {
		if e.Mode, err = strconv.ParseInt(parts[1], 8, 16); err != nil {
			return e, fmt.Errorf("mode %q: want octal digits", parts[1])
		}
	}
	if len(parts) > 2 {
		if e.Owner, err = strconv.Atoi(parts[2]); err != nil {
			return e, fmt.Errorf("owner %q: want a number", parts[2])
		}
	}
	return e, nil
}

// writeLayer writes the entries, each after the folders it lies in.
func writeLayer(w io.Writer, entries []Entry) error {
	layer := &layerWriter{tar: tar.NewWriter(w), folders: map[string]bool{".": true}}
	for _, e := range entries {
		if err := layer.add(e); err != nil {
			return err
		}
	}
	return layer.tar.Close()
}

type layerWriter struct {
	tar     *tar.Writer
	folders map[string]bool
}

func (l *layerWriter) add(e Entry) error {
	name := strings.TrimPrefix(path.Clean(e.Path), "/")
	if err := l.parents(path.Dir(name)); err != nil {
		return err
	}
	header := &tar.Header{Name: name, Mode: e.Mode, Uid: e.Owner, Gid: e.Owner}
	switch {
	case e.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.Link, 0o777
		return l.tar.WriteHeader(header)
	case e.Source == "":
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
		l.folders[name] = true
		return l.tar.WriteHeader(header)
	}
	info, err := os.Stat(e.Source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return l.folder(e)
	}
	return l.file(header, e.Source, info)
}

func (l *layerWriter) parents(dir string) error {
	if l.folders[dir] {
		return nil
	}
	if err := l.parents(path.Dir(dir)); err != nil {
		return err
	}
	l.folders[dir] = true
	return l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755})
}

// folder adds a folder of this machine with what is in it.
func (l *layerWriter) folder(e Entry) error {
	return fs.WalkDir(os.DirFS(e.Source), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		below := Entry{Path: path.Join(e.Path, name), Mode: e.Mode, Owner: e.Owner}
		source := path.Join(e.Source, name)
		switch {
		case d.IsDir():
			below.Mode = 0o755
		case d.Type() == fs.ModeSymlink:
			if below.Link, err = os.Readlink(source); err != nil {
				return err
			}
		default:
			below.Source = source
		}
		return l.add(below)
	})
}

func (l *layerWriter) file(header *tar.Header, source string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a file", source)
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if header.Mode == 0 {
		header.Mode = int64(info.Mode().Perm())
	}
	if err := l.tar.WriteHeader(header); err != nil {
		return err
	}
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(l.tar, file)
	return err
}
