package deploy_test

import (
	"fmt"
	"net"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// What one object says of another is so, in every environment.
func TestTheClustersObjectsFitTogether(t *testing.T) {
	t.Parallel()
	hosts := map[string]string{}
	for _, overlay := range overlays {
		c := build(t, overlay)
		for _, w := range c.ours() {
			c.checkSecrets(t, w)
			c.checkContainer(t, w)
			if w.kind == "Deployment" {
				c.checkProbes(t, w)
				c.checkRollout(t, w)
			}
		}
		for name, s := range c.services {
			c.checkService(t, name, s)
		}
		for _, b := range c.budgets {
			if !slices.ContainsFunc(c.work, func(w workload) bool { return selects(b.Spec.Selector.MatchLabels, w.labels) }) {
				t.Errorf("%s: the budget %s is for nobody", overlay, b.Name)
			}
		}
		for _, i := range c.ingresses {
			c.checkIngress(t, i)
			hosts[i.Spec.Rules[0].Host] = overlay
		}
		for name := range c.maps["tillhook"].Data {
			if !slices.Contains(settings(), name) {
				t.Errorf("%s: there is no setting %s", overlay, name)
			}
		}
		if got := c.maps["tillhook"].Data["APP_ENV"]; got != overlay {
			t.Errorf("%s: APP_ENV is %s", overlay, got)
		}
	}
	if len(hosts) != len(overlays) {
		t.Errorf("environments share a host: %v", hosts)
	}
	for _, name := range []string{"tillhook-ingest", "tillhook-api", "tillhook-worker"} {
		if c := build(t, "production"); !slices.ContainsFunc(c.budgets, func(b *policyv1.PodDisruptionBudget) bool { return b.Name == name }) {
			t.Errorf("there is no budget for %s", name)
		}
	}
}

// checkSecrets wants each file that a variable names to be mounted, from a key of
// the Secret, and that Secret to be of this overlay or made by hand.
func (c *cluster) checkSecrets(t *testing.T, w workload) {
	t.Helper()
	mounted := map[string]bool{}
	for _, m := range w.pod.Containers[0].VolumeMounts {
		for _, v := range w.pod.Volumes {
			if v.Name != m.Name || v.Secret == nil {
				continue
			}
			if v.Secret.SecretName != "tillhook" {
				t.Errorf("%s, %s: secret %s", c.overlay, w.name, v.Secret.SecretName)
			}
			for _, item := range v.Secret.Items {
				mounted[path.Join(m.MountPath, item.Path)] = true
				if s := c.secrets["tillhook"]; s != nil && s.Data[item.Key] == nil {
					t.Errorf("%s: the secret lacks %s", c.overlay, item.Key)
				}
			}
		}
	}
	for name, file := range c.env(t, w) {
		if strings.HasSuffix(name, "_FILE") && !mounted[file] {
			t.Errorf("%s, %s: nothing is mounted at %s=%s", c.overlay, w.name, name, file)
		}
	}
	if made := c.secrets["tillhook"] != nil; made != (c.overlay == "development") {
		t.Errorf("%s: a secret in the repository: %t", c.overlay, made)
	}
}

// checkContainer wants what the namespaces' pod security level "restricted" does,
// and no way to write.
func (c *cluster) checkContainer(t *testing.T, w workload) {
	t.Helper()
	pod, s := w.pod.SecurityContext, w.pod.Containers[0].SecurityContext
	if pod == nil || !*pod.RunAsNonRoot || pod.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) ||
		*w.pod.AutomountServiceAccountToken {
		t.Errorf("%s: %s may do more than it needs", c.overlay, w.name)
	}
	r := w.pod.Containers[0].Resources
	if r.Requests.Cpu().IsZero() || r.Requests.Memory().IsZero() || r.Limits.Memory().IsZero() {
		t.Errorf("%s: %s asks for %v", c.overlay, w.name, r)
	}
	if !slices.ContainsFunc(c.accounts, func(a *corev1.ServiceAccount) bool { return a.Name == w.pod.ServiceAccountName }) {
		t.Errorf("%s: %s runs as %q", c.overlay, w.name, w.pod.ServiceAccountName)
	}
}

// checkProbes wants the probes to ask what is served, on the ports that the
// configuration says.
func (c *cluster) checkProbes(t *testing.T, w workload) {
	t.Helper()
	env, ports := c.env(t, w), map[string]int32{}
	for _, p := range w.pod.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	served := map[string]string{"private": env["METRICS_ADDR"], "http": ":" + env["PORT"]}
	paths := []string{"/livez", "/readyz"}
	if env["ADMIN_ADDR"] != "" {
		served, paths = map[string]string{"http": env["ADMIN_ADDR"]}, []string{"/health"}
	}
	for name, port := range ports {
		if _, configured, err := net.SplitHostPort(served[name]); err != nil || configured != fmt.Sprint(port) {
			t.Errorf("%s: %s's port %s is %d, it listens on %q", c.overlay, w.name, name, port, served[name])
		}
	}
	first := w.pod.Containers[0]
	for kind, p := range map[string]*corev1.Probe{"startup": first.StartupProbe, "liveness": first.LivenessProbe, "readiness": first.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || ports[p.HTTPGet.Port.StrVal] == 0 || !slices.Contains(paths, p.HTTPGet.Path) {
			t.Errorf("%s: %s's %s probe is %v", c.overlay, w.name, kind, p)
		}
	}
	// A process that waits for its database is not mended by a restart.
	if got := first.LivenessProbe.HTTPGet.Path; got == "/readyz" {
		t.Errorf("%s: %s is killed while Postgres is away", c.overlay, w.name)
	}
}

// checkRollout wants an update to lose nothing.
func (c *cluster) checkRollout(t *testing.T, w workload) {
	t.Helper()
	total := inOrder
	if delay := c.env(t, w)["SHUTDOWN_DELAY"]; delay != "" {
		d, err := time.ParseDuration(delay)
		if err != nil {
			t.Error(err)
		}
		hook := w.pod.Containers[0].Lifecycle
		if hook == nil || hook.PreStop == nil || hook.PreStop.Sleep == nil || hook.PreStop.Sleep.Seconds < 1 {
			t.Fatalf("%s: %s gets SIGTERM before the cluster knows", c.overlay, w.name)
		}
		total += d + time.Duration(hook.PreStop.Sleep.Seconds)*time.Second
		if w.strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 {
			t.Errorf("%s: %s goes before another is ready", c.overlay, w.name)
		}
	}
	if grace := time.Duration(*w.pod.TerminationGracePeriodSeconds) * time.Second; grace <= total {
		t.Errorf("%s: %s is killed after %s, and may take %s", c.overlay, w.name, grace, total)
	}
}

func (c *cluster) checkService(t *testing.T, name string, s *corev1.Service) {
	t.Helper()
	for _, w := range c.work {
		if !selects(s.Spec.Selector, w.labels) {
			continue
		}
		for _, p := range s.Spec.Ports {
			if !slices.ContainsFunc(w.pod.Containers[0].Ports, func(have corev1.ContainerPort) bool {
				return have.Name == p.TargetPort.StrVal || have.ContainerPort == p.Port
			}) {
				t.Errorf("%s: the service %s leads to a port that %s hasn't", c.overlay, name, w.name)
			}
		}
		return
	}
	t.Errorf("%s: the service %s is for nobody", c.overlay, name)
}

func (c *cluster) checkIngress(t *testing.T, i *networkingv1.Ingress) {
	t.Helper()
	for _, rule := range i.Spec.Rules {
		for _, p := range rule.HTTP.Paths {
			s := c.services[p.Backend.Service.Name]
			if s == nil || !slices.ContainsFunc(s.Spec.Ports, func(have corev1.ServicePort) bool { return have.Name == p.Backend.Service.Port.Name }) {
				t.Errorf("%s: %s leads nowhere", c.overlay, p.Path)
			}
			if s != nil && s.Name == "tillhook-admin" {
				t.Errorf("%s: the panel is public", c.overlay)
			}
		}
		if c.overlay != "development" && (len(i.Spec.TLS) != 1 || !slices.Contains(i.Spec.TLS[0].Hosts, rule.Host)) {
			t.Errorf("%s: no TLS for %s", c.overlay, rule.Host)
		}
	}
}

// Nobody reaches the panel, and only Prometheus the metrics.
func TestThePanelAndTheMetricsAreNotPublic(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		c := build(t, overlay)
		for _, w := range c.ours() {
			closed := false
			for name, p := range c.policies {
				if !selects(p.Spec.PodSelector.MatchLabels, w.labels) || !slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
					continue
				}
				closed = closed || len(p.Spec.Ingress) == 0
				for _, rule := range p.Spec.Ingress {
					if len(rule.Ports) == 0 || len(rule.From) == 0 {
						t.Errorf("%s: %s opens everything", overlay, name)
						continue
					}
					port := rule.Ports[0].Port.StrVal
					switch from := rule.From[0]; {
					case port == "private" && from.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring",
						port == "http" && w.name != "tillhook-ingest" && w.name != "tillhook-api":
						t.Errorf("%s: %s opens %s of %s", overlay, name, port, w.name)
					}
				}
			}
			if !closed {
				t.Errorf("%s: anyone reaches %s", overlay, w.name)
			}
		}
	}
}

// The fleet grows by what waits, or by what it uses; each by metrics that exist.
func TestTheFleetIsScaled(t *testing.T) {
	t.Parallel()
	plain, keda := build(t, "staging"), build(t, "production")
	if len(plain.autoscaled) != 1 || len(keda.scaled) != 1 {
		t.Fatalf("%d plain, %d by KEDA", len(plain.autoscaled), len(keda.scaled))
	}
	hpa, scaled := plain.autoscaled[0].Spec, keda.scaled[0].Spec
	for name, replicas := range map[string]*int32{hpa.ScaleTargetRef.Name: plain.workload("tillhook-worker").replicas, scaled.ScaleTargetRef.Name: keda.workload("tillhook-worker").replicas} {
		if name != "tillhook-worker" || replicas != nil {
			t.Errorf("%s is scaled, and the file says %v", name, replicas)
		}
	}
	if *hpa.MinReplicas < 2 || scaled.MinReplicaCount < 2 || hpa.MaxReplicas != scaled.MaxReplicaCount {
		t.Errorf("%d to %d, and %d to %d", *hpa.MinReplicas, hpa.MaxReplicas, scaled.MinReplicaCount, scaled.MaxReplicaCount)
	}
	known := read(t, "prometheus/rules.yml") + read(t, "prometheus/dashboard.json") // whose metrics are looked for in live processes
	var named []string
	for _, trigger := range scaled.Triggers {
		if trigger.Type != "prometheus" || trigger.Metadata["threshold"] == "" || trigger.Metadata["serverAddress"] == "" {
			t.Errorf("%+v", trigger)
		}
		named = append(named, regexp.MustCompile(`tillhook_\w+`).FindAllString(trigger.Metadata["query"], -1)...)
	}
	if !slices.Equal(named, []string{"tillhook_queue_tasks", "tillhook_queue_latency_seconds"}) {
		t.Errorf("it is scaled by %v", named)
	}
	for _, metric := range named {
		if !strings.Contains(known, metric) {
			t.Errorf("no process is known to have %s", metric)
		}
	}
}
