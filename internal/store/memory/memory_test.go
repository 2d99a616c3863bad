package memory_test

import (
	"testing"

	"github.com/haldane-dev/haldane/internal/store/memory"
	"github.com/haldane-dev/haldane/internal/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		s := memory.New(50)
		return storetest.Harness{Store: s, Journal: s, MaxRecords: 50}
	})
}
