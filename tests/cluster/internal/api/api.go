// Package api is the little that the harness itself asks of the API server.
//
// Plain HTTP with a client certificate: Kubernetes' own client would make this
// package, and all that uses it, as slow to build as Kubernetes.
package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"devbridge.dev/tests/cluster/internal/pki"
)

// requestLimit is how long one request may take.
const requestLimit = 5 * time.Second

// Client talks to one API server.
type Client struct {
	server string
	http   http.Client
}

// New makes a client; dial is how connections are made, nil for the usual way.
func New(server string, ca []byte, client pki.Pair, dial func(context.Context, string, string) (net.Conn, error)) (*Client, error) {
	pair, err := tls.X509KeyPair(client.Cert, client.Key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &Client{server: server, http: http.Client{
		Timeout: requestLimit,
		Transport: &http.Transport{
			DialContext:     dial,
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
		},
	}}, nil
}

// Get reads an object into out, which may be nil.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	_, body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(body, out)
}

// Create creates the object described by a YAML document; that it exists is no error.
func (c *Client) Create(ctx context.Context, path string, document []byte) error {
	status, _, err := c.do(ctx, http.MethodPost, path, document)
	if status == http.StatusConflict {
		return nil
	}
	return err
}

// Delete deletes an object; that it does not exist is no error.
func (c *Client) Delete(ctx context.Context, path string) error {
	status, _, err := c.do(ctx, http.MethodDelete, path, nil)
	if status == http.StatusNotFound {
		return nil
	}
	return err
}

func (c *Client) do(ctx context.Context, method, path string, document []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(document))
	if err != nil {
		return 0, nil, err
	}
	if document != nil {
		r.Header.Set("Content-Type", "application/yaml")
	}
	response, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, response.Status, body)
	}
	return response.StatusCode, body, err
}
