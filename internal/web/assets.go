package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// dist is the built dashboard; `make verify` compares it with its source.
//
//go:embed all:dist
var dist embed.FS

// asset is one file of the bundle.
type asset struct {
	body  []byte
	media string
	tag   string // entity tag, of the content
}

// types are given here, because a machine's own table may say otherwise.
var types = map[string]string{
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".svg":   "image/svg+xml",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

func loadAssets(bundle fs.FS) (map[string]asset, error) {
	out := make(map[string]asset)
	err := fs.WalkDir(bundle, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(bundle, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		media, known := types[path.Ext(name)]
		if !known {
			media = mime.TypeByExtension(path.Ext(name))
		}
		out["/"+name] = asset{body: body, media: media, tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	out["/"] = out["/index.html"]
	return out, err
}

// asset serves a file of the bundle. It is the same for everybody and holds no
// data, so it needs no token.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "the dashboard is read with GET; commands go to /api/v1/rollouts/{name}/commands")
		return
	}
	a, ok := s.assets[r.URL.Path]
	if !ok || len(a.body) == 0 {
		fail(w, http.StatusNotFound, "no such address: "+strings.ToValidUTF8(r.URL.Path, "?"))
		return
	}
	w.Header().Set("Content-Type", a.media)
	w.Header().Set("Cache-Control", "no-cache") // ask each time; the tag answers 304
	w.Header().Set("ETag", a.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}
