package deploy_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

var overlays = []string{"development", "staging", "production"}

// cluster is all that an overlay brings, typed.
type cluster struct {
	overlay    string
	namespaces []*corev1.Namespace
	accounts   []*corev1.ServiceAccount
	maps       map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
	services   map[string]*corev1.Service
	budgets    []*policyv1.PodDisruptionBudget
	policies   map[string]*networkingv1.NetworkPolicy
	ingresses  []*networkingv1.Ingress
	scaled     []*scaledObject
	autoscaled []*autoscalingv2.HorizontalPodAutoscaler
	work       []workload
}

// workload is whatever has pods.
type workload struct {
	kind, name string
	labels     map[string]string
	replicas   *int32
	strategy   appsv1.DeploymentStrategy
	pod        corev1.PodSpec
}

// scaledObject is as much of KEDA's as ours uses.
type scaledObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace,omitempty"`
		Labels    map[string]string `json:"labels,omitempty"`
	} `json:"metadata"`
	Spec struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
		PollingInterval int32 `json:"pollingInterval"`
		CooldownPeriod  int32 `json:"cooldownPeriod"`
		Fallback        struct {
			FailureThreshold int32 `json:"failureThreshold"`
			Replicas         int32 `json:"replicas"`
		} `json:"fallback"`
		Advanced struct {
			HorizontalPodAutoscalerConfig struct {
				Behavior autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
		Triggers []struct {
			Type     string            `json:"type"`
			Name     string            `json:"name"`
			Metadata map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// build runs kustomize on an overlay and decodes each object strictly: a field
// that its type doesn't have fails.
func build(t *testing.T, overlay string) *cluster {
	t.Helper()
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "kubernetes/overlays/"+overlay)
	if err != nil {
		t.Fatalf("%s: %v", overlay, err)
	}
	c := &cluster{overlay: overlay, maps: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{},
		services: map[string]*corev1.Service{}, policies: map[string]*networkingv1.NetworkPolicy{}}
	for _, o := range objects.Resources() {
		text, err := o.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if ns := o.GetNamespace(); ns != "tillhook-"+overlay && o.GetKind() != "Namespace" {
			t.Errorf("%s: %s is in the namespace %q", overlay, o.CurId(), ns)
		}
		c.add(t, o.GetApiVersion()+" "+o.GetKind(), text)
	}
	return c
}

func strict[T any](t *testing.T, text []byte) *T {
	t.Helper()
	v := new(T)
	if err := yaml.UnmarshalStrict(text, v); err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
	return v
}

func (c *cluster) add(t *testing.T, kind string, text []byte) {
	t.Helper()
	switch kind {
	case "v1 Namespace":
		c.namespaces = append(c.namespaces, strict[corev1.Namespace](t, text))
	case "v1 ServiceAccount":
		c.accounts = append(c.accounts, strict[corev1.ServiceAccount](t, text))
	case "v1 ConfigMap":
		m := strict[corev1.ConfigMap](t, text)
		c.maps[m.Name] = m
	case "v1 Secret":
		s := strict[corev1.Secret](t, text)
		c.secrets[s.Name] = s
	case "v1 Service":
		s := strict[corev1.Service](t, text)
		c.services[s.Name] = s
	case "policy/v1 PodDisruptionBudget":
		c.budgets = append(c.budgets, strict[policyv1.PodDisruptionBudget](t, text))
	case "networking.k8s.io/v1 NetworkPolicy":
		p := strict[networkingv1.NetworkPolicy](t, text)
		c.policies[p.Name] = p
	case "networking.k8s.io/v1 Ingress":
		c.ingresses = append(c.ingresses, strict[networkingv1.Ingress](t, text))
	case "keda.sh/v1alpha1 ScaledObject":
		c.scaled = append(c.scaled, strict[scaledObject](t, text))
	case "autoscaling/v2 HorizontalPodAutoscaler":
		c.autoscaled = append(c.autoscaled, strict[autoscalingv2.HorizontalPodAutoscaler](t, text))
	case "apps/v1 Deployment":
		d := strict[appsv1.Deployment](t, text)
		c.work = append(c.work, workload{"Deployment", d.Name, d.Spec.Template.Labels, d.Spec.Replicas, d.Spec.Strategy, d.Spec.Template.Spec})
		if !selects(d.Spec.Selector.MatchLabels, d.Spec.Template.Labels) {
			t.Errorf("%s: %s does not select its own pods", c.overlay, d.Name)
		}
	case "apps/v1 StatefulSet":
		s := strict[appsv1.StatefulSet](t, text)
		c.work = append(c.work, workload{"StatefulSet", s.Name, s.Spec.Template.Labels, s.Spec.Replicas, appsv1.DeploymentStrategy{}, s.Spec.Template.Spec})
	case "batch/v1 Job":
		j := strict[batchv1.Job](t, text)
		c.work = append(c.work, workload{"Job", j.Name, j.Spec.Template.Labels, nil, appsv1.DeploymentStrategy{}, j.Spec.Template.Spec})
	default:
		t.Errorf("%s: %s is of no kind that is known here", c.overlay, kind)
	}
}

// selects reports whether a selector is for these labels.
func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// ours are the workloads that run the image of deploy/Dockerfile.
func (c *cluster) ours() (all []workload) {
	for _, w := range c.work {
		if strings.Contains(w.pod.Containers[0].Image, "tillhook") {
			all = append(all, w)
		}
	}
	return all
}

func (c *cluster) workload(name string) *workload {
	for i := range c.work {
		if c.work[i].name == name {
			return &c.work[i]
		}
	}
	return nil
}

// env is a container's environment, with what it takes from ConfigMaps.
func (c *cluster) env(t *testing.T, w workload) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, e := range w.pod.Containers[0].Env {
		env[e.Name] = e.Value
		if e.ValueFrom == nil {
			continue
		}
		ref := e.ValueFrom.ConfigMapKeyRef
		if ref == nil || c.maps[ref.Name] == nil {
			t.Errorf("%s, %s: %s is from nowhere", c.overlay, w.name, e.Name)
			continue
		}
		value, found := c.maps[ref.Name].Data[ref.Key]
		if !found {
			t.Errorf("%s, %s: there is no %s in the ConfigMap %s", c.overlay, w.name, ref.Key, ref.Name)
		}
		env[e.Name] = value
	}
	return env
}

func clusterServices(t *testing.T, overlay string) (all []service) {
	c := build(t, overlay)
	for _, w := range c.ours() {
		all = append(all, service{"kubernetes/overlays/" + overlay, w.name, w.pod.Containers[0].Command, c.env(t, w)})
	}
	return all
}
