//! A link between the laptop and the API server that a test can spoil.
//!
//! Bytes of TCP connections go through, TLS untouched; from outside it is slow, narrow, cut, or silent. What a real
//! network drops, this link keeps until it is healed, as TCP's repetitions would bring it then. One thing differs:
//! kernels on both sides get their acknowledgements, so that TCP itself finds nothing wrong with a silent link. Whoever
//! wants to notice has to listen for words of the other end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{self, Instant};

/// What a socket of the relay takes from its kernel at most: a link's queue, not a lake.
const BUFFER: u32 = 256 << 10;
/// Bytes that are sent in one piece.
const PIECE: usize = 16 << 10;
/// Pieces under way in one direction.
const UNDER_WAY: usize = 1024;
/// How late a timer may be without making the link narrower.
const LATE: Duration = Duration::from_millis(5);

/// How connections are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both ends see the other end's orderly end.
    Fin,
    /// Both ends see a reset.
    Rst,
}

/// Which connections go silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// Those that there are.
    Existing,
    /// Those that are still to come: they are accepted, and nothing follows.
    New,
    /// Both.
    All,
}

/// A link that listens on 127.0.0.1. Dropped, all its connections are closed.
pub struct Relay {
    shared: Arc<Shared>,
    port: u16,
    _task: JoinSet<()>,
}

struct Shared {
    /// `host:port` that connections go to.
    target: String,
    link: watch::Sender<Link>,
    /// When each direction, to the server and from it, has sent all it has taken.
    free: [Mutex<Instant>; 2],
    bytes: [AtomicU64; 2],
    connections: AtomicU64,
    open: AtomicU64,
}

/// How the link is now. Connections are numbered in the order they came.
#[derive(Debug, Clone)]
struct Link {
    delay: Duration,
    /// Bytes a second, in each direction.
    limit: Option<u64>,
    silent: Range<u64>,
    /// Connections below this number have been cut, the last of them this way.
    cut: (u64, Cut),
    refuses: bool,
}

impl Relay {
    /// Starts a relay in front of `target`, a `host:port`.
    pub async fn start(target: &str) -> Self {
        let listener = listen(0).expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let link =
            Link { delay: Duration::ZERO, limit: None, silent: 0..0, cut: (0, Cut::Fin), refuses: false };
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            link: watch::Sender::new(link),
            free: [Mutex::new(Instant::now()), Mutex::new(Instant::now())],
            bytes: [AtomicU64::new(0), AtomicU64::new(0)],
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
        });
        let mut task = JoinSet::new();
        task.spawn(accept(listener, port, Arc::clone(&shared)));
        Self { shared, port, _task: task }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Each byte arrives so much later, in both directions: half of what it adds to a round trip.
    pub fn delay(&self, delay: Duration) {
        self.shared.link.send_modify(|link| link.delay = delay);
    }

    /// So many bytes a second pass in each direction, of all connections together.
    pub fn limit(&self, bytes: Option<u64>) {
        self.shared.link.send_modify(|link| link.limit = bytes);
    }

    /// Ends all connections that there are.
    pub fn cut(&self, how: Cut) {
        self.shared.link.send_modify(|link| link.cut = (self.connections(), how));
    }

    /// Swallows everything, both ways, until [`Self::heal`].
    pub fn swallow(&self, which: Silent) {
        let next = self.connections();
        let silent = match which {
            Silent::Existing => 0..next,
            Silent::New => next..u64::MAX,
            Silent::All => 0..u64::MAX,
        };
        self.shared.link.send_modify(|link| link.silent = silent);
    }

    /// Refuses new connections, as a closed port does, until [`Self::heal`]. Those that there are stay.
    pub fn refuse(&self) {
        self.shared.link.send_modify(|link| link.refuses = true);
    }

    /// Is silent no more and refuses no more. Delay and limit stay as they are.
    pub fn heal(&self) {
        self.shared.link.send_modify(|link| {
            link.silent = 0..0;
            link.refuses = false;
        });
    }

    /// How many connections came in all.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }

    /// How many connections there are.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Relaxed)
    }

    /// Bytes that reached the server.
    pub fn to_server(&self) -> u64 {
        self.shared.bytes[0].load(Relaxed)
    }

    /// Bytes that reached the laptop.
    pub fn to_laptop(&self) -> u64 {
        self.shared.bytes[1].load(Relaxed)
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(1024)
}

/// Takes connections; while the link refuses them nothing listens on the port.
async fn accept(mut listener: TcpListener, port: u16, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut link = shared.link.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => Some(accepted),
            _ = link.wait_for(|link| link.refuses) => None,
        };
        let Some(accepted) = accepted else {
            drop(listener);
            let _ = link.wait_for(|link| !link.refuses).await;
            listener = listen(port).expect("the port that was ours");
            continue;
        };
        let Ok((laptop, _)) = accepted else { continue };
        let number = shared.connections.fetch_add(1, Relaxed);
        connections.spawn(serve(laptop, number, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// Counts a connection while it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Relaxed);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// One connection, from its beginning to its end.
async fn serve(laptop: TcpStream, number: u64, shared: Arc<Shared>) {
    let _open = Open::new(Arc::clone(&shared));
    let mut link = shared.link.subscribe();
    let dialled = tokio::select! {
        dialled = dial(number, &shared) => dialled,
        how = until_cut(&mut link, number) => return end(how, laptop, None).await,
    };
    let Ok(server) = dialled else {
        return end(Cut::Rst, laptop, None).await;
    };
    let _ = (laptop.set_nodelay(true), server.set_nodelay(true));
    let (laptop_in, laptop_out) = laptop.into_split();
    let (server_in, server_out) = server.into_split();
    let mut up = Way::new(laptop_in, server_out);
    let mut down = Way::new(server_in, laptop_out);
    let both = async {
        tokio::try_join!(up.run(number, 0, &shared), down.run(number, 1, &shared))
            .map_or(Some(Cut::Rst), |_| None)
    };
    let how = tokio::select! {
        how = both => how,
        how = until_cut(&mut link, number) => Some(how),
    };
    let Some(how) = how else { return };
    let laptop = up.from.reunite(down.to).expect("two halves of one connection");
    let server = down.from.reunite(up.to).expect("two halves of one connection");
    end(how, laptop, Some(server)).await;
}

async fn dial(number: u64, shared: &Shared) -> io::Result<TcpStream> {
    until_heard(&mut shared.link.subscribe(), number).await;
    let server = lookup_host(&shared.target).await?.next().ok_or(io::ErrorKind::NotFound)?;
    let socket = if server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_recv_buffer_size(BUFFER)?;
    socket.connect(server).await
}

async fn until_cut(link: &mut watch::Receiver<Link>, number: u64) -> Cut {
    match link.wait_for(|link| number < link.cut.0).await {
        Ok(link) => link.cut.1,
        Err(_) => Cut::Rst,
    }
}

async fn until_heard(link: &mut watch::Receiver<Link>, number: u64) {
    let _ = link.wait_for(|link| !link.silent.contains(&number)).await;
}

/// Ends both connections. What was not read yet would turn an end into a reset, so it is read.
async fn end(how: Cut, laptop: TcpStream, server: Option<TcpStream>) {
    for mut stream in [Some(laptop), server].into_iter().flatten() {
        if how == Cut::Rst {
            let _ = stream.set_zero_linger();
            continue;
        }
        let _ = stream.shutdown().await;
        let mut sink = tokio::io::sink();
        let rest = tokio::io::copy(&mut stream, &mut sink);
        let _ = time::timeout(Duration::from_millis(200), rest).await;
    }
}

/// One direction of one connection.
struct Way {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
}

/// Bytes, and when they arrive; none are the end.
type Piece = (Instant, Vec<u8>);

impl Way {
    fn new(from: OwnedReadHalf, to: OwnedWriteHalf) -> Self {
        Self { from, to }
    }

    /// Until this direction has ended in order. An error is a reset by one of the ends.
    async fn run(&mut self, number: u64, direction: usize, shared: &Shared) -> io::Result<()> {
        let (pieces_tx, pieces_rx) = mpsc::channel(UNDER_WAY);
        let sent = send(&mut self.from, pieces_tx, number, direction, shared);
        let arrived = arrive(&mut self.to, pieces_rx, number, direction, shared);
        tokio::try_join!(sent, arrived).map(|_| ())
    }
}

/// Takes bytes from one end as fast as the link is wide.
async fn send(
    from: &mut OwnedReadHalf,
    pieces: mpsc::Sender<Piece>,
    number: u64,
    direction: usize,
    shared: &Shared,
) -> io::Result<()> {
    let mut link = shared.link.subscribe();
    let mut buffer = vec![0; PIECE];
    loop {
        until_heard(&mut link, number).await;
        let read = match from.read(&mut buffer).await {
            Ok(read) => read,
            Err(error) => {
                // A reset is swallowed as well.
                until_heard(&mut link, number).await;
                return Err(error);
            }
        };
        let (delay, limit) = {
            let link = link.borrow_and_update();
            (link.delay, link.limit)
        };
        if let Some(limit) = limit {
            time::sleep_until(shared.take(direction, read, limit)).await;
        }
        let bytes = buffer.get(..read).unwrap_or_default().to_vec();
        if pieces.send((Instant::now() + delay, bytes)).await.is_err() || read == 0 {
            return Ok(());
        }
    }
}

/// Gives bytes to the other end when it is their time.
async fn arrive(
    to: &mut OwnedWriteHalf,
    mut pieces: mpsc::Receiver<Piece>,
    number: u64,
    direction: usize,
    shared: &Shared,
) -> io::Result<()> {
    let mut link = shared.link.subscribe();
    while let Some((when, bytes)) = pieces.recv().await {
        if when > Instant::now() {
            time::sleep_until(when).await;
        }
        until_heard(&mut link, number).await;
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        to.write_all(&bytes).await?;
        if let Some(counted) = shared.bytes.get(direction) {
            counted.fetch_add(bytes.len() as u64, Relaxed);
        }
    }
    Ok(())
}

impl Shared {
    /// Takes the link for so many bytes; gives when they have passed.
    fn take(&self, direction: usize, bytes: usize, limit: u64) -> Instant {
        let Some(free) = self.free.get(direction) else { return Instant::now() };
        let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = Instant::now().checked_sub(LATE).unwrap_or(*free);
        *free = (*free).max(earliest) + Duration::from_secs_f64(bytes as f64 / limit.max(1) as f64);
        *free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says again what it hears, and a relay in front of it.
    async fn echo() -> (Relay, JoinSet<()>) {
        let server = listen(0).unwrap();
        let relay = Relay::start(&server.local_addr().unwrap().to_string()).await;
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = server.accept().await {
                connections.spawn(async move {
                    let (mut from, mut to) = client.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (relay, task)
    }

    async fn connect(relay: &Relay) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).await.unwrap()
    }

    async fn ask(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
        stream.write_all(b"ping").await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    async fn is_silent(stream: &mut TcpStream) -> bool {
        time::timeout(Duration::from_millis(100), ask(stream)).await.is_err()
    }

    #[tokio::test]
    async fn bytes_and_ends_go_through_and_are_counted() {
        let (relay, _server) = echo().await;
        let mut client = connect(&relay).await;
        assert_eq!(&ask(&mut client).await.unwrap(), b"ping");
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        assert_eq!((relay.connections(), relay.to_server(), relay.to_laptop()), (1, 4, 4));
    }

    #[tokio::test]
    async fn a_cut_is_an_end_or_a_reset_and_new_connections_work() {
        let (relay, _server) = echo().await;
        let mut client = connect(&relay).await;
        ask(&mut client).await.unwrap();
        relay.cut(Cut::Fin);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);

        let mut client = connect(&relay).await;
        ask(&mut client).await.unwrap();
        relay.cut(Cut::Rst);
        assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        ask(&mut connect(&relay).await).await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_link_says_after_it_was_healed_what_it_kept() {
        let (relay, _server) = echo().await;
        let mut old = connect(&relay).await;
        ask(&mut old).await.unwrap();
        relay.swallow(Silent::New);
        ask(&mut old).await.unwrap();
        let mut new = connect(&relay).await;
        assert!(is_silent(&mut new).await);

        relay.heal();
        relay.swallow(Silent::Existing);
        assert!(is_silent(&mut old).await);
        ask(&mut connect(&relay).await).await.unwrap();
        relay.heal();
        let mut kept = [0; 4];
        old.read_exact(&mut kept).await.unwrap();
        assert_eq!(&kept, b"ping");
    }

    #[tokio::test]
    async fn a_reset_is_swallowed_too() {
        let server = listen(0).unwrap();
        let relay = Relay::start(&server.local_addr().unwrap().to_string()).await;
        let client = connect(&relay).await;
        let (mut accepted, _) = server.accept().await.unwrap();
        relay.swallow(Silent::All);
        client.set_zero_linger().unwrap();
        drop(client);
        let read = time::timeout(Duration::from_millis(100), accepted.read(&mut [0])).await;
        assert!(read.is_err(), "{read:?}");
        relay.heal();
        assert!(accepted.read(&mut [0]).await.is_err());
    }

    #[tokio::test]
    async fn refused_connections_meet_a_closed_port() {
        let (relay, _server) = echo().await;
        let mut old = connect(&relay).await;
        ask(&mut old).await.unwrap();
        relay.refuse();
        let address = (Ipv4Addr::LOCALHOST, relay.port());
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        ask(&mut old).await.unwrap();
        relay.heal();
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_link_is_as_slow_and_narrow_as_asked() {
        let (relay, _server) = echo().await;
        let mut client = connect(&relay).await;
        relay.delay(Duration::from_millis(20));
        let began = Instant::now();
        ask(&mut client).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(40));

        relay.delay(Duration::ZERO);
        relay.limit(Some(1 << 20));
        let (mut from, mut to) = client.into_split();
        let began = Instant::now();
        let mut sent = JoinSet::new();
        sent.spawn(async move { to.write_all(&vec![7; 256 << 10]).await });
        from.read_exact(&mut vec![0; 256 << 10]).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    }
}
