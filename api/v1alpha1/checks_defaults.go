package v1alpha1

import "time"

// defaultTolerance is that of two numbers in JSON answers.
const defaultTolerance = 0.01

func (c *Check) setDefaults() {
	if c.Request != nil {
		c.Request.setDefaults()
		if c.Expect == "" {
			c.Expect = "status >= 200 && status < 300"
		}
	}
	if g := c.Golden; g != nil && g.Tolerance == nil {
		tolerance := defaultTolerance
		g.Tolerance = &tolerance
	}
	orDuration(&c.Every, 30*time.Second)
	orDuration(&c.Timeout, 5*time.Second)
	if c.Failures == 0 {
		c.Failures = 3
	}
	if c.Effect == "" {
		c.Effect = "Rollback"
	}
	if len(c.When) == 0 {
		c.When = []string{CheckStart, CheckRunning}
		if c.Effect == "Warn" {
			c.When = []string{CheckRunning}
		}
	}
	if c.Against == "" {
		c.Against = "both"
	}
}

func (r *Request) setDefaults() {
	if r.Path == "" {
		r.Path = "/"
	}
	if r.Method == "" {
		r.Method = "GET"
		if r.hasBody() {
			r.Method = "POST"
		}
	}
}

func (r *Request) hasBody() bool {
	return r.Body != "" || r.JSON != nil || r.BodyFile != "" || r.BodyFrom != nil
}
