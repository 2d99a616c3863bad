module github.com/haldane-dev/haldane/examples/churn/convert

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/ulikunitz/xz v0.5.17
)
