package judge

import (
	"fmt"
	"math/bits"
	"os"
)

// spill is a temporary file of records of any length. A record is put into a
// slot whose size is a power of two; slots are used again, so the file grows with
// what is in it and not with how often it changed.
type spill struct {
	dir  string
	file *os.File
	end  int64
	free [40][]int64 // offsets of empty slots, by class
}

// slot is where a record is. The zero slot is nowhere.
type slot struct {
	off   int64
	size  int32 // of the record; 0 for none
	class uint8
}

// smallest is the class of the smallest slot: 512 bytes.
const smallest = 9

// put writes data, into at if it fits there, and returns where it is.
func (s *spill) put(at slot, data []byte) (slot, error) {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "haldane-judge-*")
		if err != nil {
			return at, fmt.Errorf("make a file for the rollouts that do not fit in memory: %w", err)
		}
		s.file = f
	}
	class := uint8(max(smallest, bits.Len(uint(len(data)-1))))
	if at.size == 0 || at.class != class {
		s.release(at)
		at.off, at.class = s.take(class), class
	}
	at.size = int32(len(data))
	if _, err := s.file.WriteAt(data, at.off); err != nil {
		return at, fmt.Errorf("put a rollout aside: %w", err)
	}
	return at, nil
}

// take returns the offset of an empty slot.
func (s *spill) take(class uint8) int64 {
	if n := len(s.free[class]); n > 0 {
		off := s.free[class][n-1]
		s.free[class] = s.free[class][:n-1]
		return off
	}
	off := s.end
	s.end += 1 << class
	return off
}

func (s *spill) release(at slot) {
	if at.size > 0 {
		s.free[at.class] = append(s.free[at.class], at.off)
	}
}

// get reads the record in a slot.
func (s *spill) get(at slot) ([]byte, error) {
	data := make([]byte, at.size)
	if _, err := s.file.ReadAt(data, at.off); err != nil {
		return nil, fmt.Errorf("read a rollout that was put aside: %w", err)
	}
	return data, nil
}

// close removes the file.
func (s *spill) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if e := os.Remove(s.file.Name()); err == nil {
		err = e
	}
	s.file = nil
	if err != nil {
		return fmt.Errorf("remove the file of rollouts put aside: %w", err)
	}
	return nil
}
