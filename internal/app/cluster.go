package app

import (
	"errors"
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/cli"
	kubeclient "github.com/haldane-dev/haldane/internal/kube/client"
	statestore "github.com/haldane-dev/haldane/internal/store/kube"
)

// errNoConfig stands for what the library says of variables that nobody sets.
var errNoConfig = errors.New("there is no kubeconfig")

// noConfig makes err fit for people.
func noConfig(err error) error {
	if clientcmd.IsEmptyConfig(err) {
		return errNoConfig
	}
	return err
}

// Cluster reaches the rollouts of a cluster as kubectl would.
func Cluster(o cli.ClusterOptions) (cli.Rollouts, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	files := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
	config, err := files.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w: name a kubeconfig, or use --server to ask a haldane that runs by itself", noConfig(err))
	}
	namespace := o.Namespace
	if namespace == "" {
		if namespace, _, err = files.Namespace(); err != nil {
			return nil, fmt.Errorf("find the namespace: %w", err)
		}
	}
	scheme, err := kubeclient.Scheme()
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return kubeclient.New(kubeclient.Config{
		Client: c, Namespace: namespace, All: o.AllNamespaces, Decode: statestore.Decode,
	}), nil
}
