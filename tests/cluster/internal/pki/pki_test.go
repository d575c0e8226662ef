package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestACertificateIsSignedForItsUserAndHosts(t *testing.T) {
	dir := t.TempDir()
	ca, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Save(dir, "ca"); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := loaded.Issue(Subject{Name: "dev", Groups: []string{"g"}, Hosts: []string{"10.0.0.1", "host"}})
	if err != nil {
		t.Fatal(err)
	}
	both, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Cert)
	for _, host := range []string{"10.0.0.1", "host"} {
		if _, err := both.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if s := both.Leaf.Subject; s.CommonName != "dev" || s.Organization[0] != "g" {
		t.Errorf("subject %v", s)
	}
}

func TestAUsersCertificateIsNoServers(t *testing.T) {
	ca, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := ca.IssueKubeconfig(path, "c", "https://127.0.0.1:1", Subject{Name: "dev"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Users []struct {
			User map[string]string
		}
	}
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	cert, err := base64.StdEncoding.DecodeString(config.Users[0].User["client-certificate-data"])
	if err != nil {
		t.Fatal(err)
	}
	key, _ := base64.StdEncoding.DecodeString(config.Users[0].User["client-key-data"])
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if usage := pair.Leaf.ExtKeyUsage; len(usage) != 1 || usage[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("usage %v", usage)
	}
}
