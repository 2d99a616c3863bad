package judge

import (
	"bytes"
	"encoding/gob"
	"fmt"
)

// codec writes rollouts to the temporary file and reads them back within one run.
// The format is gob, which takes a fraction of the time of JSON; the types are
// written once, so that a record holds values alone. It belongs to one goroutine.
type codec struct {
	out, in bytes.Buffer
	enc     *gob.Encoder
	dec     *gob.Decoder
}

// kept is how a rollout is written to the file.
type kept struct {
	Live *Rollout
	Done []byte
}

// newCodec exchanges the types.
func newCodec() (*codec, error) {
	c := &codec{}
	c.enc, c.dec = gob.NewEncoder(&c.out), gob.NewDecoder(&c.in)
	text, err := c.encode(kept{Live: &Rollout{}})
	if err != nil {
		return nil, err
	}
	_, err = c.decode(text)
	return c, err
}

// encode returns the record of a rollout, which is valid until the next call.
func (c *codec) encode(k kept) ([]byte, error) {
	c.out.Reset()
	if err := c.enc.Encode(k); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return c.out.Bytes(), nil
}

// decode reads a record.
func (c *codec) decode(text []byte) (kept, error) {
	var k kept
	c.in.Reset()
	c.in.Write(text)
	if err := c.dec.Decode(&k); err != nil {
		return k, fmt.Errorf("decode: %w", err)
	}
	return k, nil
}
