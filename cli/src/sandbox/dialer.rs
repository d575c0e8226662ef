//! Connections to the process: sockets made inside the sandbox, connected from outside.
//!
//! A socket belongs to the network namespace in which it was made, not to the one of its owner. A small stock of
//! unconnected ones is kept ready, so that a request does not wait for the supervisor.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream as StdStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};

/// Sockets kept ready. Each is a descriptor of this process.
const STOCK: usize = 64;

/// At this many the supervisor is asked for more: soon enough for a burst, seldom enough to be cheap.
const LOW: usize = 48;

/// Makes TCP connections to the processes in the sandbox. Clones share one stock.
#[derive(Debug, Clone)]
pub struct Dialer {
    stock: Arc<Stock>,
    ipv6: bool,
}

impl Dialer {
    pub(super) fn new(stock: Arc<Stock>, ipv6: bool) -> Self {
        Self { stock, ipv6 }
    }

    /// Connects to 127.0.0.1, and where nobody listens there to ::1, as many programs bind `localhost` to one of them.
    /// Has no time limit of its own: a process that does not accept lets it wait.
    ///
    /// Cancel safe: a half-made connection is dropped.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when nobody listens; `NotConnected` when the sandbox has ended.
    pub async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        let v4 = self.connect(Ipv4Addr::LOCALHOST, port).await;
        match v4 {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && self.ipv6 => {
                self.connect(Ipv6Addr::LOCALHOST, port).await
            }
            done => done,
        }
    }

    pub(super) fn has_ipv6(&self) -> bool {
        self.ipv6
    }

    pub(super) async fn connect(&self, ip: impl Into<IpAddr>, port: u16) -> io::Result<TcpStream> {
        let socket = TcpSocket::from_std_stream(StdStream::from(self.stock.take().await?));
        let ip = match ip.into() {
            // The stock's sockets are of the IPv6 kind then, which reach both.
            IpAddr::V4(v4) if self.ipv6 => v4.to_ipv6_mapped().into(),
            ip => ip,
        };
        let stream = socket.connect(SocketAddr::new(ip, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Unconnected sockets: put in by the link's task, taken by dialers.
#[derive(Debug)]
pub(super) struct Stock {
    sockets: Mutex<VecDeque<OwnedFd>>,
    /// One permit per socket.
    ready: Semaphore,
    taken: Notify,
}

impl Stock {
    pub(super) fn new() -> Arc<Self> {
        let sockets = Mutex::new(VecDeque::with_capacity(STOCK));
        Arc::new(Self { sockets, ready: Semaphore::new(0), taken: Notify::new() })
    }

    async fn take(&self) -> io::Result<OwnedFd> {
        let Ok(permit) = self.ready.acquire().await else { return Err(io::ErrorKind::NotConnected.into()) };
        permit.forget();
        let socket = self.lock().pop_front();
        self.taken.notify_one();
        socket.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Waits until the stock is low; answers how many are missing. Cancel safe.
    pub(super) async fn wanted(&self) -> usize {
        loop {
            let left = self.lock().len();
            if left <= LOW {
                return STOCK - left;
            }
            self.taken.notified().await;
        }
    }

    pub(super) fn put(&self, sockets: Vec<OwnedFd>) {
        let count = sockets.len();
        self.lock().extend(sockets);
        self.ready.add_permits(count);
    }

    /// No dial succeeds from now on.
    pub(super) fn close(&self) {
        self.ready.close();
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<OwnedFd>> {
        // Poisoned or not, a queue of sockets is whole.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
