package rds

import (
	"bytes"
	"encoding/binary"
	"math"
)

// writer spells out serialisations byte by byte, independently of the reader.
type writer struct{ bytes.Buffer }

// serialised starts a document of format version 2 or 3.
func serialised(version int32) *writer {
	w := &writer{}
	w.WriteString("X\n")
	w.ints(version, 0x00040202, 0x00020300)
	if version == 3 {
		w.ints(5)
		w.WriteString("UTF-8")
	}
	return w
}

func (w *writer) ints(values ...int32) *writer {
	for _, v := range values {
		_ = binary.Write(&w.Buffer, binary.BigEndian, v) // a bytes.Buffer never fails
	}
	return w
}

func (w *writer) doubles(values ...float64) *writer {
	for _, v := range values {
		_ = binary.Write(&w.Buffer, binary.BigEndian, math.Float64bits(v))
	}
	return w
}

// chars writes string elements; "NA" stands for a missing one.
func (w *writer) chars(values ...string) *writer {
	for _, v := range values {
		if v == "NA" {
			w.ints(codeChar, -1)
			continue
		}
		w.ints(0x00040009, int32(len(v)))
		w.WriteString(v)
	}
	return w
}

// tag opens an attribute with a new name.
func (w *writer) tag(name string) *writer {
	w.ints(codePairlist|flagTag, codeSymbol)
	return w.chars(name)
}

// seen opens an attribute whose name is the i-th one written, from 1.
func (w *writer) seen(i int32) *writer {
	return w.ints(codePairlist|flagTag, i<<8|codeReference)
}

func (w *writer) end() *writer { return w.ints(codeNil) }

// naReal is R's missing double.
func naReal() float64 { return math.Float64frombits(0x7FF00000000007A2) }

// tinyFrame is data.frame(plan = factor(c("b", NA, "a")), paid = c(1.5, NA, -2),
// months = c(3L, NA, 0L)), as R 4.2 writes it.
func tinyFrame() []byte {
	const object = 0x100
	w := serialised(3)
	w.ints(codeList|object|flagAttributes, 3)
	w.ints(codeInteger|object|flagAttributes, 3, 2, NAInt, 1)
	w.tag("levels").ints(codeCharacter, 2).chars("a", "b")
	w.tag("class").ints(codeCharacter, 1).chars("factor").end()
	w.ints(codeDouble, 3).doubles(1.5, naReal(), -2)
	w.ints(codeInteger, 3, 3, NAInt, 0)
	w.tag("names").ints(codeCharacter, 3).chars("plan", "paid", "months")
	w.seen(2).ints(codeCharacter, 1).chars("data.frame")
	w.tag("row.names").ints(codeInteger, 2, NAInt, -3).end()
	return w.Bytes()
}
