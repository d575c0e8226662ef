//! What happens to one connection of a link, and to each byte in it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{self, Instant};

use super::{Cut, Link, Shared};

/// What a socket of the relay takes from its kernel at most: a link's queue, not a lake.
const BUFFER: u32 = 256 << 10;
/// Bytes that are sent in one piece.
const PIECE: usize = 16 << 10;
/// Pieces under way in one direction.
const UNDER_WAY: usize = 1024;
/// How late a timer may be without making the link narrower.
const LATE: Duration = Duration::from_millis(5);

pub(super) fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(1024)
}

/// Takes connections; while the link refuses them nothing listens on the port.
pub(super) async fn accept(mut listener: TcpListener, port: u16, shared: Arc<Shared>) {
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
    let passed = Mutex::new(Instant::now());
    let mut up = Way::new(laptop_in, server_out, &passed);
    let mut down = Way::new(server_in, laptop_out, &passed);
    let both = async {
        tokio::try_join!(up.run(number, 0, &shared), down.run(number, 1, &shared))
            .map_or(Some(Cut::Rst), |_| None)
    };
    let how = tokio::select! {
        how = both => how,
        how = until_cut(&mut link, number) => Some(how),
        () = until_idle(&shared, &passed) => Some(Cut::Rst),
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

/// Until nothing has passed, in either direction, for as long as the link allows.
async fn until_idle(shared: &Shared, passed: &Mutex<Instant>) {
    let mut link = shared.link.subscribe();
    loop {
        let last = *passed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(end) = link.borrow_and_update().idle.map(|idle| last + idle) else {
            let _ = link.changed().await;
            continue;
        };
        if end <= Instant::now() {
            shared.idle.fetch_add(1, Relaxed);
            return;
        }
        time::sleep_until(end).await;
    }
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
struct Way<'a> {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    /// When something last passed, in either direction.
    passed: &'a Mutex<Instant>,
}

/// Bytes, and when they arrive; none are the end.
type Piece = (Instant, Vec<u8>);

impl<'a> Way<'a> {
    fn new(from: OwnedReadHalf, to: OwnedWriteHalf, passed: &'a Mutex<Instant>) -> Self {
        Self { from, to, passed }
    }

    /// Until this direction has ended in order. An error is a reset by one of the ends.
    async fn run(&mut self, number: u64, direction: usize, shared: &Shared) -> io::Result<()> {
        let (pieces_tx, pieces_rx) = mpsc::channel(UNDER_WAY);
        let sent = send(&mut self.from, pieces_tx, number, direction, shared);
        let arrived = arrive(&mut self.to, pieces_rx, number, direction, shared, self.passed);
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
    passed: &Mutex<Instant>,
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
        *passed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
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
