//! What comes out of the sandbox: connections with the address they were meant for, and DNS queries.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::network::CAPTURE_PORT;

/// Largest UDP packet that is taken as a query; with EDNS they are still far smaller.
pub const MAX_QUERY: usize = 4096;

/// Pause when the system has no more descriptors: connections wait in the kernel meanwhile.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// TCP connections that processes inside make to anything but their own loopback.
#[derive(Debug)]
pub struct CapturedTcp {
    v4: TcpListener,
    v6: Option<TcpListener>,
}

impl CapturedTcp {
    pub(super) fn new(v4: OwnedFd, v6: Option<OwnedFd>) -> io::Result<Self> {
        let listener = |fd: OwnedFd| {
            let listener = std::net::TcpListener::from(fd);
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        Ok(Self { v4: listener(v4)?, v6: v6.map(listener).transpose()? })
    }

    pub(super) fn has_ipv6(&self) -> bool {
        self.v6.is_some()
    }

    /// The next connection, and where it was to go. The process sees it as established already. Connections that
    /// wait are limited by the kernel (4096); nothing is read here.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// Only what ends the listener; a single bad connection or a lack of descriptors does not.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let accepted = tokio::select! {
                accepted = self.v4.accept() => accepted,
                accepted = accept_if(self.v6.as_ref()) => accepted,
            };
            match accepted {
                Ok((stream, _)) => match original_destination(&stream) {
                    Ok(destination) if !is_capture(destination) => {
                        // Small writes of either side are passed on as they come.
                        drop(stream.set_nodelay(true));
                        return Ok((stream, destination));
                    }
                    // Somebody inside dialled the capture socket itself, or has gone already.
                    Ok(_) | Err(_) => {}
                },
                Err(error) => pause_or_give_up(error).await?,
            }
        }
    }
}

async fn accept_if(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn pause_or_give_up(error: io::Error) -> io::Result<()> {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
            tracing::warn!(%error, "cannot take a connection from the sandbox yet");
            tokio::time::sleep(EXHAUSTED).await;
            Ok(())
        }
        Some(libc::ECONNABORTED | libc::EINTR) => Ok(()),
        _ => Err(error),
    }
}

fn original_destination(stream: &TcpStream) -> io::Result<SocketAddr> {
    if stream.local_addr()?.is_ipv4() {
        let address = getsockopt(stream, sockopt::OriginalDst)?;
        let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
        return Ok((ip, u16::from_be(address.sin_port)).into());
    }
    let address = getsockopt(stream, sockopt::Ip6tOriginalDst)?;
    let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
    Ok((ip, u16::from_be(address.sin6_port)).into())
}

fn is_capture(destination: SocketAddr) -> bool {
    destination.port() == CAPTURE_PORT && destination.ip().is_loopback()
}

/// DNS queries that processes inside send by UDP, to whichever server. Those by TCP are captured connections to port 53.
#[derive(Debug)]
pub struct CapturedDns {
    v4: UdpSocket,
    v6: Option<UdpSocket>,
}

/// Whom to answer. The answer comes from the server that was asked: the kernel puts its address there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker(SocketAddr);

impl CapturedDns {
    pub(super) fn new(v4: OwnedFd, v6: Option<OwnedFd>) -> io::Result<Self> {
        let socket = |fd: OwnedFd| {
            let socket = std::net::UdpSocket::from(fd);
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket)
        };
        Ok(Self { v4: socket(v4)?, v6: v6.map(socket).transpose()? })
    }

    /// The next query: its bytes as sent, not checked, cut at [`MAX_QUERY`]. Queries that wait are limited by the
    /// socket's buffer; clients repeat those that are lost.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// Only what ends the socket: a client that went away without its answer is none.
    pub async fn recv(&self) -> io::Result<(Vec<u8>, Asker)> {
        let mut v4 = Vec::with_capacity(MAX_QUERY);
        let mut v6 = Vec::with_capacity(MAX_QUERY);
        tokio::select! {
            received = self.v4.recv_buf_from(&mut v4) => received.map(|(_, from)| (v4, Asker(from))),
            received = recv_if(self.v6.as_ref(), &mut v6) => received.map(|(_, from)| (v6, Asker(from))),
        }
    }

    /// Answers a query; may be called from any task, in any order. Cancel safe.
    pub async fn reply(&self, asker: Asker, answer: &[u8]) -> io::Result<()> {
        let socket = match (asker.0, &self.v6) {
            (SocketAddr::V6(_), Some(v6)) => v6,
            _ => &self.v4,
        };
        socket.send_to(answer, asker.0).await?;
        Ok(())
    }
}

async fn recv_if(socket: Option<&UdpSocket>, bytes: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_buf_from(bytes).await,
        None => std::future::pending().await,
    }
}
