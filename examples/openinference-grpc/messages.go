package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The part of the Open Inference Protocol's gRPC messages that is used here, as
// a descriptor: so no generated code is needed. Inputs and outputs are alike.
const descriptor = `
name: "inference.proto" package: "inference" syntax: "proto3"
message_type {
  name: "InferTensorContents"
  field { name: "fp64_contents"  number: 7 label: LABEL_REPEATED type: TYPE_DOUBLE }
  field { name: "bytes_contents" number: 8 label: LABEL_REPEATED type: TYPE_BYTES }
}
message_type {
  name: "Tensor"
  field { name: "name"     number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "datatype" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "shape"    number: 3 label: LABEL_REPEATED type: TYPE_INT64 }
  field { name: "contents" number: 5 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".inference.InferTensorContents" }
}
message_type {
  name: "ModelInferRequest"
  field { name: "model_name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "id"         number: 3 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "tensors"    number: 5 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".inference.Tensor" }
  field { name: "raw"        number: 7 label: LABEL_REPEATED type: TYPE_BYTES }
}
message_type {
  name: "ModelInferResponse"
  field { name: "model_name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "id"         number: 3 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "tensors"    number: 5 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".inference.Tensor" }
  field { name: "raw"        number: 6 label: LABEL_REPEATED type: TYPE_BYTES }
}`

var messages = build()

func build() protoreflect.MessageDescriptors {
	var file descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(descriptor), &file); err != nil {
		panic(err) // the text is above
	}
	built, err := protodesc.NewFile(&file, nil)
	if err != nil {
		panic(err)
	}
	return built.Messages()
}

// message is one request or response.
type message struct{ *dynamicpb.Message }

func newRequest() message { return message{dynamicpb.NewMessage(messages.ByName("ModelInferRequest"))} }
func newResponse() message {
	return message{dynamicpb.NewMessage(messages.ByName("ModelInferResponse"))}
}

func field(m protoreflect.Message, name protoreflect.Name) protoreflect.FieldDescriptor {
	return m.Descriptor().Fields().ByName(name)
}

func (m message) text(name protoreflect.Name) string { return m.Get(field(m, name)).String() }

func (m message) setText(name protoreflect.Name, s string) {
	m.Set(field(m, name), protoreflect.ValueOfString(s))
}

// add appends a tensor of texts or of numbers, one for each instance, with its
// elements as raw bytes or typed. All tensors of a message must be alike in that.
func (m message) add(name string, texts []string, numbers []float64, raw bool) {
	list := m.Mutable(field(m, "tensors")).List()
	t := list.AppendMutable().Message()
	t.Set(field(t, "name"), protoreflect.ValueOfString(name))
	t.Mutable(field(t, "shape")).List().Append(protoreflect.ValueOfInt64(int64(len(texts) + len(numbers))))
	datatype, into := "BYTES", protoreflect.Name("bytes_contents")
	if texts == nil {
		datatype, into = "FP64", "fp64_contents"
	}
	t.Set(field(t, "datatype"), protoreflect.ValueOfString(datatype))
	if raw {
		var b []byte
		for _, s := range texts {
			b = append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
		}
		for _, x := range numbers {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
		m.Mutable(field(m, "raw")).List().Append(protoreflect.ValueOfBytes(b))
		return
	}
	contents := t.Mutable(field(t, "contents")).Message()
	elements := contents.Mutable(field(contents, into)).List()
	for _, s := range texts {
		elements.Append(protoreflect.ValueOfBytes([]byte(s)))
	}
	for _, x := range numbers {
		elements.Append(protoreflect.ValueOfFloat64(x))
	}
}

// isRaw reports whether the elements of the tensors are raw bytes.
func (m message) isRaw() bool { return m.Get(field(m, "raw")).List().Len() > 0 }

var errTruncated = errors.New("the bytes end too early")

// visit calls f with every element of every tensor: its tensor's name, its
// number in it, and its value, a float64 or a string.
func (m message) visit(f func(name string, i int, v any)) error {
	tensors, raws := m.Get(field(m, "tensors")).List(), m.Get(field(m, "raw")).List()
	for i := range tensors.Len() {
		t := tensors.Get(i).Message()
		name := t.Get(field(t, "name")).String()
		isText := t.Get(field(t, "datatype")).String() == "BYTES"
		if raws.Len() > 0 {
			if i >= raws.Len() {
				return fmt.Errorf("tensor %s has no raw contents", name)
			}
			if err := visitRaw(raws.Get(i).Bytes(), isText, func(n int, v any) { f(name, n, v) }); err != nil {
				return fmt.Errorf("tensor %s: %w", name, err)
			}
			continue
		}
		contents := t.Get(field(t, "contents")).Message()
		numbers, texts := contents.Get(field(contents, "fp64_contents")).List(), contents.Get(field(contents, "bytes_contents")).List()
		for n := range numbers.Len() {
			f(name, n, numbers.Get(n).Float())
		}
		for n := range texts.Len() {
			f(name, n, string(texts.Get(n).Bytes()))
		}
	}
	return nil
}

func visitRaw(b []byte, isText bool, f func(i int, v any)) error {
	for i := 0; len(b) > 0; i++ {
		if !isText {
			if len(b) < 8 {
				return errTruncated
			}
			f(i, math.Float64frombits(binary.LittleEndian.Uint64(b)))
			b = b[8:]
			continue
		}
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return errTruncated
		}
		n := binary.LittleEndian.Uint32(b)
		f(i, string(b[4:4+n]))
		b = b[4+n:]
	}
	return nil
}
