// The configuration files of a node's components, except their kubeconfigs.
//
// What decides how fast Kubernetes reacts to probes, endpoints and rules is left at
// its defaults: it is what devbridge meets on other clusters.

package node

import (
	"os"

	"devbridge.dev/tests/cluster/internal/instance"
)

// WriteConfiguration writes all of them below the node's conf/ and cni/.
func WriteConfiguration(n instance.Node, cniPlugins string) error {
	i := n.Instance
	for _, dir := range []string{"conf", "cni", "pki"} {
		if err := os.MkdirAll(n.Path(dir), 0o755); err != nil {
			return err
		}
	}
	expand := func(text string) []byte {
		values := map[string]string{
			"cgroup":      n.Cgroup(),
			"cni_conf":    n.Path("cni"),
			"cni_plugins": cniPlugins,
			"conf":        n.Path("conf"),
			"ca":          i.Path("pki", "ca.crt"),
			"dns":         i.DNSServiceIP(),
			"node_pods":   n.PodSubnet(),
			"pause":       PauseImage,
			"pki":         n.Path("pki"),
			"pods":        i.PodSubnet(),
			"proxy":       i.Path("conf", "kube-proxy.kubeconfig"),
		}
		return []byte(os.Expand(text, func(name string) string { return values[name] }))
	}
	for _, file := range []struct{ path, text string }{
		{n.Path("conf", "containerd.toml"), containerdConfig},
		{n.Path("conf", "kubelet.yaml"), kubeletConfig},
		{n.Path("conf", "kube-proxy.yaml"), kubeProxyConfig},
		{n.Path("conf", "resolv.conf"), resolvConf},
		{n.Path("cni", "10-bridge.conflist"), cniConfig},
	} {
		if err := os.WriteFile(file.path, expand(file.text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// containerdConfig: not every machine lets root lower an OOM score.
const containerdConfig = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${pause}"
disable_apparmor = true
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${cni_plugins}"
conf_dir = "${cni_conf}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
`

// kubeletConfig: images are never collected, since they could not be pulled again.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: "${ca}"}
authorization: {mode: Webhook}
tlsCertFile: "${pki}/kubelet.crt"
tlsPrivateKeyFile: "${pki}/kubelet.key"
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: "${cgroup}"
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
clusterDNS: ["${dns}"]
clusterDomain: cluster.local
resolvConf: "${conf}/resolv.conf"
volumePluginDir: /var/lib/kubelet/plugins-exec
maxPods: 250
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
kubeAPIQPS: 500
kubeAPIBurst: 1000
syncFrequency: 5s
`

// kubeProxyConfig: the size of the connection table belongs to the whole machine.
const kubeProxyConfig = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: "${proxy}"}
mode: nftables
clusterCIDR: "${pods}"
conntrack: {maxPerCore: 0, min: 0}
oomScoreAdj: 0
`

// resolvConf: there is no resolver outside; see the last lines of the Corefile.
const resolvConf = "nameserver 127.0.0.1\n"

// cniConfig: pods are seen with their own addresses by other nodes too.
const cniConfig = `{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false, "hairpinMode": true,
     "ipam": {"type": "host-local", "dataDir": "/run/cni-addresses", "ranges": [[{"subnet": "${node_pods}"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`
