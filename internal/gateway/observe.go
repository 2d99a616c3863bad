package gateway

import (
	"math/rand/v2"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/telemetry"
)

// Identify implements Policy.
func (p *policy) Identify(d *Decision, res *Result) string {
	p.read(d, res)
	if p.cfg.Codec == nil {
		return ""
	}
	var buf [predictionid.MaxLen]byte
	res.id, res.inID = string(p.cfg.Codec.AppendEncode(buf[:0], p.claims(d, res))), len(res.preds) == 1
	return res.id
}

// claims is what the prediction ID of an answer says.
func (p *policy) claims(d *Decision, res *Result) predictionid.Claims {
	c := predictionid.Claims{
		Rollout: d.route.rollout, Revision: d.route.revision,
		Arm: uint8(d.Arm), Time: p.cfg.Date(d.Start), Nonce: rand.Uint64(), Count: 1,
	}
	if d.Forced {
		c.Flags |= predictionid.Forced
	}
	if d.Keyed {
		c.Group = uint8(telemetry.GroupOf(d.Bucket) + 1)
	}
	if d.Warmup || d.Load { // what comes back for either is no label of a user's
		c.Flags |= predictionid.WarmUp
	}
	switch n := len(res.preds); {
	case n == 1:
		c.Class = res.preds[0].Class
		score, ok := scoreOf(&res.preds[0])
		c.Score, c.HasScore = float32(score), ok
	case n > 1:
		c.Count = uint16(min(n, predictionid.MaxCount))
	}
	return c
}

// scoreOf is the number of a prediction: its value, else its confidence.
func scoreOf(p *inference.Prediction) (float64, bool) {
	if p.HasValue {
		return p.Value, true
	}
	return p.Confidence, p.HasConfidence
}

// read looks for predictions in the whole body of an answer, once.
func (p *policy) read(d *Decision, res *Result) {
	if res.looked || res.Body == nil || !p.readable(d, res) {
		return
	}
	res.looked = true
	if res.Encoded {
		return
	}
	if res.BinaryHead > 0 {
		res.preds, res.read = p.cfg.Reader.ReadBinary(res.preds[:0], res.RequestBody, res.Body, res.BinaryHead)
		return
	}
	res.preds, res.read = p.cfg.Reader.Read(res.preds[:0], d.Protocol, res.RequestBody, res.Body, res.ContentType)
}

// readable reports whether an answer should hold predictions.
func (p *policy) readable(d *Decision, res *Result) bool {
	return p.cfg.Reader != nil && d.Protocol != inference.Unknown && res.Status >= 200 && res.Status < 300
}

// Observe implements Policy.
func (p *policy) Observe(d *Decision, res *Result) {
	whole := !res.Failed && !res.Cancelled && res.Stream == nil
	if whole {
		p.read(d, res)
	}
	if s := res.Stream; s != nil {
		res.Failed = res.Failed || s.Failed
		if prediction := s.Prediction(); !prediction.Unread() {
			res.preds, res.read, res.looked = append(res.preds[:0], prediction), true, true
		}
	}
	res.Failed = !res.Cancelled && (res.Failed || res.Status >= 500)
	x := &res.exchange
	*x = telemetry.Exchange{
		Arm: d.Arm, Generation: d.route.table.Split.Generation,
		Forced: d.Forced, Warmup: d.Warmup, Keyed: d.Keyed, Bucket: d.Bucket,
		Half: uint8(rand.Uint32() & 1), Alone: d.route.table.Split.Canary == 0,
		Start: d.Start, Latency: res.Latency, Status: res.Status,
		Failed: res.Failed, Cancelled: res.Cancelled,
		Protocol: d.Protocol,
		Readable: res.looked || whole && p.readable(d, res), Read: res.read,
		Predictions: res.preds, Stream: res.Stream,
	}
	p.cfg.Recorder.Observe(x)
	if !res.Failed && !res.Cancelled && d.Protocol != inference.Unknown && res.Status < 300 {
		p.tell(d, res, false)
	}
}

// user tells whom a request is made for, forced or not.
func (d *Decision) user(head Head) uint64 {
	if d.Keyed {
		return d.KeyHash
	}
	if !d.Forced || head == nil {
		return 0
	}
	return d.route.pick.KeyHash(&Request{Head: head})
}

// tell hands an answered prediction to whoever waits for its label.
func (p *policy) tell(d *Decision, res *Result, mirrored bool) {
	if p.cfg.OnPrediction == nil || d.Warmup || d.Load {
		return
	}
	e := PredictionEvent{
		RequestID: inference.RequestID(d.Protocol, res.RequestBody,
			res.Head.Header("X-Request-Id"), res.Head.Header("Traceparent")),
		PredictionID: res.id, Arm: d.Arm, Time: p.cfg.Date(d.Start),
		Count: len(res.preds), InID: res.inID, Forced: d.Forced, Mirrored: mirrored,
		User: d.user(res.Head), Keyed: d.Keyed, Bucket: d.Bucket,
	}
	if len(res.preds) == 1 {
		e.Class, e.HasClass = res.preds[0].Class, res.preds[0].HasClass
		e.Score, e.HasScore = scoreOf(&res.preds[0])
	}
	p.cfg.OnPrediction(e)
}
