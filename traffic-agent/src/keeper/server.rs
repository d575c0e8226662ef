//! The API server as a pod reaches it: address from the environment, certificate authority and token from the mounted
//! service account.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem::PemObject as _},
};
use tokio::{io::BufReader, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::http::{self, Answer};

/// Where every pod has its service account.
pub(super) const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A connection to the API server.
pub(super) type Connection = BufReader<TlsStream<TcpStream>>;

/// The API server.
pub(super) struct Server {
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: TlsConnector,
    token: PathBuf,
}

/// The pod does not say how to reach the API server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A variable that every pod has is missing or malformed.
    #[error("variable {0} is not set as in a pod")]
    Variable(&'static str),
    /// The API server's host is neither an address nor a name.
    #[error("the API server has no usable name")]
    Name(#[source] InvalidDnsNameError),
    /// The service account's files can't be read.
    #[error("cannot read {0}")]
    File(PathBuf, #[source] io::Error),
    /// The certificate authority's file holds no certificate.
    #[error("{0} holds no certificate")]
    Authority(PathBuf),
    /// TLS can't be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Server {
    /// Reads where the API server is; `account` is the directory of the service account.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub(super) fn of_pod(variables: &HashMap<String, String>, account: &Path) -> Result<Self, ServerError> {
        let text =
            |name| variables.get(name).filter(|text| !text.is_empty()).ok_or(ServerError::Variable(name));
        let host = text("KUBERNETES_SERVICE_HOST")?.clone();
        let port = text("KUBERNETES_SERVICE_PORT")?.parse();
        let port = port.map_err(|_| ServerError::Variable("KUBERNETES_SERVICE_PORT"))?;
        let name = ServerName::try_from(host.clone()).map_err(ServerError::Name)?;
        let authority = account.join("ca.crt");
        let pem = std::fs::read(&authority).map_err(|error| ServerError::File(authority.clone(), error))?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
        if roots.is_empty() {
            return Err(ServerError::Authority(authority));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(ServerError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { host, port, name, tls: TlsConnector::from(Arc::new(config)), token: account.join("token") })
    }

    /// Asks. `path` begins with `/` and is encoded already; `body` has its media type with it.
    ///
    /// # Errors
    /// The API server can't be reached, or what answers is not HTTP.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> io::Result<Answer<Connection>> {
        // Read each time: the kubelet replaces it before it expires.
        let token = tokio::fs::read_to_string(&self.token).await?;
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}:{}\r\nAuthorization: Bearer {}\r\nAccept: application/json\r\n\
             User-Agent: devbridge-keeper/{}\r\nConnection: close\r\n",
            self.port,
            token.trim(),
            tunnel::version::RELEASE
        )
        .into_bytes();
        if let Some((kind, body)) = body {
            let length = body.len();
            let fields = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
            request.extend_from_slice(fields.as_bytes());
            request.extend_from_slice(body);
        } else {
            request.extend_from_slice(b"\r\n");
        }
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        let tls = self.tls.connect(self.name.clone(), tcp).await?;
        http::exchange(BufReader::new(tls), &request).await
    }
}
