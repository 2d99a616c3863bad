package node

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Image is what an image's name stands for.
type Image struct {
	// Program is the path of an executable on the host, or a name looked up
	// in PATH.
	Program string `json:"program"`
	// Args come before the container's own.
	Args []string `json:"args,omitempty"`
	// Env is added before the container's own.
	Env map[string]string `json:"env,omitempty"`
	// Dir is the working directory; / if empty.
	Dir string `json:"dir,omitempty"`
	// Mounts are files and folders of the host that the image holds, by the
	// path at which the container sees them. Whatever lies outside /tmp and
	// /run is visible at its own path without being named.
	Mounts map[string]string `json:"mounts,omitempty"`
}

// Images maps an image's name to what it stands for. A key that ends in *
// matches every name that begins with what stands before it; exact names come
// first, then the longest such key.
type Images map[string]Image

// LoadImages reads the table at path. A file that does not exist is an empty
// table.
func LoadImages(path string) (Images, error) {
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return Images{}, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the table of images: %w", err)
	}
	var images Images
	if err := json.Unmarshal(data, &images); err != nil {
		return nil, fmt.Errorf("read the table of images %s: %w", path, err)
	}
	return images, nil
}

// Save replaces the table at path at once, so that a reader sees either the
// old one or the new one.
func (images Images) Save(path string) error {
	data, err := json.MarshalIndent(images, "", "  ")
	if err != nil {
		return fmt.Errorf("write the table of images: %w", err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the table of images: %w", err)
	}
	return os.Rename(temporary, path)
}

// Find returns what name stands for.
func (images Images) Find(name string) (Image, bool) {
	if image, ok := images[name]; ok {
		return image, true
	}
	best, found := "", false
	for key := range images {
		prefix, wild := strings.CutSuffix(key, "*")
		if wild && strings.HasPrefix(name, prefix) && len(key) > len(best) {
			best, found = key, true
		}
	}
	return images[best], found
}
