//! quinn, configured for a path that neither loses nor reorders, and that may be gone for a minute.

use std::{io, sync::Arc, time::Duration};

use quinn::{
    ClientConfig, Endpoint, EndpointConfig, ServerConfig, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    client::AlwaysResolvesClientRawPublicKeys, crypto::ring::default_provider,
    server::AlwaysResolvesServerRawPublicKeys, version::TLS13,
};

use crate::{
    congestion,
    frame::MAX_DATAGRAM,
    identity::{KeyPair, Pin, PublicKey},
    link::Link,
    runtime::Gathering,
};

/// RFC 7301. QUIC requires one (RFC 9001 §8.1).
const ALPN: &[u8] = b"devbridge";
/// What the path is taken to carry whatever happens. quinn pads its first datagrams to this, and their long
/// header has 14 bits of length: 16,384 would make it panic. It is also where the size falls to for good when
/// quinn thinks that large datagrams vanish, so the usual 1,200 would be a trap.
const MIN_DATAGRAM: u16 = 16_000;
/// Unread bytes per stream: 100 MB/s at a round trip of 40 ms. quinn's windows are static, and a stalled reader
/// holds a whole one.
pub(crate) const STREAM_WINDOW: u32 = 4 << 20;
/// Unread bytes of all streams together, at the laptop: no limit in effect, so that stalled readers never stall the
/// others.
const LAPTOP_WINDOW: u32 = 1 << 30;
/// The same at the agent. Its budget for stalled readers is less, so this is only for a laptop that floods it.
const AGENT_WINDOW: u32 = 128 << 20;
/// Sent bytes that the other end has not acknowledged yet, of all streams together.
const SEND_WINDOW: u64 = 64 << 20;
/// Streams that the other end may have open.
const STREAMS: u32 = 65_536;
/// Keeps the path measured, and shows within a second that it works again.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Before the first sample. A port-forward is rarely slower, and loopback finds out at once.
const FIRST_RTT: Duration = Duration::from_millis(100);
/// A session without a carrier is given up by its driver after the resume time, with a reason. QUIC's own
/// idle timeout is for a carrier that stays and is silent; it must not come first. The smaller one of both ends
/// counts.
const IDLE_MARGIN: Duration = Duration::from_secs(10);
/// Bytes of a handshake that quinn keeps before it is accepted: no more than the first flight.
const HANDSHAKE_BUFFER: u64 = 128 << 10;

/// Why quinn could not be set up; never by what the peer does.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// TLS refuses the configuration.
    #[error("TLS cannot be configured")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No endpoint.
    #[error("no QUIC endpoint")]
    Endpoint(#[source] io::Error),
}

impl SetupError {
    fn tls(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Tls(Box::new(error))
    }
}

/// How the laptop connects.
pub(crate) fn client(
    keys: &KeyPair,
    agent: PublicKey,
    resume: Duration,
    link: Arc<Link>,
) -> Result<ClientConfig, SetupError> {
    let crypto = Arc::new(default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(crypto.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(SetupError::tls)?
        .dangerous()
        .with_custom_certificate_verifier(Pin::new(agent, crypto))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(keys.certified())));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let tls = QuicClientConfig::try_from(tls).map_err(SetupError::tls)?;
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(transport(resume, LAPTOP_WINDOW, link));
    Ok(config)
}

/// How the agent is connected to, in any session; see [`serving`].
pub(crate) fn server(keys: &KeyPair, laptop: PublicKey) -> Result<ServerConfig, SetupError> {
    let crypto = Arc::new(default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(crypto.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(SetupError::tls)?
        .with_client_cert_verifier(Pin::new(laptop, crypto))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(keys.certified())));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // A session is resumed by its token; TLS has nothing to resume.
    tls.send_tls13_tickets = 0;
    let tls = QuicServerConfig::try_from(tls).map_err(SetupError::tls)?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config
        .migration(false)
        .max_incoming(1)
        .incoming_buffer_size(HANDSHAKE_BUFFER)
        .incoming_buffer_size_total(HANDSHAKE_BUFFER);
    Ok(config)
}

/// The agent's configuration for one session.
pub(crate) fn serving(server: &ServerConfig, resume: Duration, link: Arc<Link>) -> ServerConfig {
    let mut config = server.clone();
    config.transport_config(transport(resume, AGENT_WINDOW, link));
    config
}

/// One endpoint per session: a full socket holds back a whole endpoint.
pub(crate) fn endpoint(link: Arc<Link>, server: Option<ServerConfig>) -> Result<Endpoint, SetupError> {
    let mut config = EndpointConfig::default();
    // The peer never sends more than is announced here.
    config
        .max_udp_payload_size(MAX_DATAGRAM)
        .map_err(|error| SetupError::Endpoint(io::Error::other(error)))?;
    Endpoint::new_with_abstract_socket(config, server, link, Arc::new(Gathering))
        .map_err(SetupError::Endpoint)
}

fn transport(resume: Duration, window: u32, link: Arc<Link>) -> Arc<TransportConfig> {
    let idle = resume.saturating_add(IDLE_MARGIN).try_into().ok();
    let mut transport = TransportConfig::default();
    transport
        .initial_mtu(MAX_DATAGRAM)
        .min_mtu(MIN_DATAGRAM)
        .mtu_discovery_config(None)
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(window))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .initial_rtt(FIRST_RTT)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(idle)
        .congestion_controller_factory(Arc::new(congestion::Factory(link)));
    Arc::new(transport)
}
