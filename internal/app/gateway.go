package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store/file"
)

// Gateway serves as one replica of a rollout's gateway until ctx ends.
func Gateway(ctx context.Context, o cli.GatewayOptions) error {
	config, namespace, err := connection(o.Kubeconfig)
	if err != nil {
		return err
	}
	if o.Namespace == "" {
		o.Namespace = namespace
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("register types: %w", err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	gateway.TuneCollector()
	r := &replica{options: o, client: c}
	err = r.open()
	if err == nil {
		err = r.run(ctx)
	}
	return errors.Join(err, r.close())
}

// replica is one gateway of several, wired but not running.
type replica struct {
	options cli.GatewayOptions
	client  client.WithWatch
	// look finds all replicas, by host and port; nil looks for options.Peers.
	look func(ctx context.Context) ([]string, error)

	data, ops net.Listener
	store     *file.Store
	ledger    *feedback.Ledger
	relay     *feedback.Relay
	outcomes  *outcomes
	peers     *fleet.Peers
	recorders *fleet.Recorders
	gateway   *gateway.Gateway
	traces    traces
	carrier   *fleet.Carrier
	follower  *follower
	handler   http.Handler // of ops
	leaving   chan struct{}
}

// open takes the addresses and builds everything.
func (r *replica) open() error {
	o := &r.options
	r.leaving = make(chan struct{})
	m := &v1alpha1.ModelRollout{}
	dec := json.NewDecoder(bytes.NewReader([]byte(o.Settings)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return cli.Usage(fmt.Errorf("read the gateway's settings: %w: they are of another version of Haldane", err))
	}
	if m.Spec.Routing.Gateway == nil && m.Spec.Routing.Flag == nil {
		return cli.Usage(errors.New("the gateway's settings are of a rollout without spec.routing.gateway and spec.routing.flag"))
	}
	var err error
	if r.data, err = net.Listen("tcp", o.Listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if r.ops, err = net.Listen("tcp", o.Ops); err != nil {
		return fmt.Errorf("--ops: %w", err)
	}
	key, err := os.ReadFile(o.Key)
	if err != nil {
		return fmt.Errorf("read the key of prediction IDs: %w: it is in a Secret that the controller makes", err)
	}
	if err := r.build(m, key); err != nil {
		return err
	}
	return r.answer(m)
}

// build makes the gateway, and what it counts and keeps.
func (r *replica) build(m *v1alpha1.ModelRollout, key []byte) error {
	o := &r.options
	codec, err := predictionid.New(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.State), 0o700); err != nil {
		return fmt.Errorf("make the folder of feedback: %w: choose another with --state", err)
	}
	if r.store, err = file.Open(o.State, file.Options{}); err != nil {
		return err
	}
	kept := ledgerOptions(m, rollout.ID(client.ObjectKeyFromObject(m).String()), "", o.Logger)
	if r.ledger, err = feedback.Open(r.store.DB(), codec, kept); err != nil {
		return err
	}
	longest := cmp.Or(kept.Maturity, feedback.DefaultMaturity)
	r.outcomes = newOutcomes(r.ledger, maturities(m, longest), kept.Events, kept.Now)
	_, port, err := net.SplitHostPort(r.ops.Addr().String())
	if err != nil {
		return fmt.Errorf("--ops: %w", err)
	}
	if r.look == nil {
		r.look = lookUp(o.Peers, port)
	}
	r.peers = fleet.NewPeers(net.JoinHostPort(o.Self, port), r.look)
	r.relay = feedback.NewRelay(r.ledger, r.peers, peerToken(key))
	r.recorders = fleet.NewRecorders(recorderOptions(m), r.peers.Mine)
	if err := r.traces.open("", o.Logger); err != nil {
		return err
	}
	to := counting{
		recorder: r.recorders, codec: codec, ledger: r.ledger, feedback: r.relay,
		tracer: r.traces.tracer(), redial: redialWithin,
	}
	if events(m) != nil {
		to.events = r.relay.Events()
	}
	if m.Spec.Routing.Flag != nil {
		if to.token, err = tokenFile(o.Token, kept.Now, o.Logger); err != nil {
			return err
		}
	}
	if r.gateway, err = newGateway(m, to, "", o.Logger); err != nil {
		return cli.Usage(err) // all that can be wrong with it stands in the settings
	}
	r.carrier = fleet.NewCarrier(r.gateway, r.recorders, r.ledger.SetRevision)
	r.follower = newFollower(r.client, client.ObjectKey{Namespace: o.Namespace, Name: o.Table}, r.carrier.Take, o.Logger)
	return nil
}

// peerToken is by what replicas know each other: they have the key, and nobody
// else has. The key cannot be found from it.
func peerToken(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("haldane gateway peers 1"))
	return hex.EncodeToString(mac.Sum(nil))
}

// lookUp finds replicas by a name that has all their addresses, all of which
// answer at one port. Without a name there are none to be found.
func lookUp(name, port string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		if name == "" {
			return nil, nil
		}
		hosts, err := net.DefaultResolver.LookupHost(ctx, name)
		for i, h := range hosts {
			hosts[i] = net.JoinHostPort(h, port)
		}
		return hosts, err
	}
}

// redialWithin is more than it takes until a Service leads to pods that are
// ready, and no more to pods that have ended.
const redialWithin = 1500 * time.Millisecond

// closeGateway bounds what is done when a replica ends.
const closeGateway = 5 * time.Second

// close stops what was opened, in the opposite order.
func (r *replica) close() error {
	var errs []error
	for _, ln := range []net.Listener{r.data, r.ops} {
		if ln != nil {
			errs = append(errs, ln.Close())
		}
	}
	if r.gateway != nil {
		errs = append(errs, r.gateway.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeGateway)
	defer cancel()
	r.traces.close(ctx, r.options.Logger)
	if r.ledger != nil {
		errs = append(errs, r.ledger.Close())
	}
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	return errors.Join(errs...)
}
