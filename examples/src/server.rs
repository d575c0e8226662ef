//! A TCP server that ends as Kubernetes expects.
//!
//! SIGTERM comes at about the time at which the pod's address is taken out of its Services, and other machines
//! learn of that a little later. A server that closed its port at once would refuse their last connections. This
//! one goes on accepting for a moment, tells clients to come back on another connection, and leaves when they did.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

/// For how long new connections are accepted after SIGTERM.
const ACCEPT_ON: Duration = Duration::from_secs(3);
/// For how long open connections may go on after that.
const FINISH: Duration = Duration::from_secs(20);
/// How often an idle connection looks whether the program is about to end.
const IDLE_LOOK: Duration = Duration::from_millis(500);
/// How long a client may take for each part of what it has begun to send.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells a connection's thread how near the program's end is.
#[derive(Debug, Clone, Default)]
pub struct Stopping(Arc<AtomicU8>);

const ASKED: u8 = 1;
const CLOSED: u8 = 2;

impl Stopping {
    /// The program was asked to end: clients should come back on another connection.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= ASKED
    }

    /// Nothing new is accepted any more: idle connections end.
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= CLOSED
    }

    fn set(&self, how_near: u8) {
        self.0.store(how_near, Ordering::Relaxed);
    }
}

/// Serves `port` on all addresses until SIGTERM or SIGINT, each connection in a thread of its own.
///
/// # Errors
///
/// When the port cannot be listened on.
pub fn run(port: u16, talk: impl Fn(TcpStream, &Stopping) + Send + Sync + 'static) -> io::Result<()> {
    // Blocked here, so that the threads made below inherit that, and one place takes the signal: the first
    // process of a container gets no signal that it did not ask for.
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals.thread_block()?;

    // One socket for both families, where the machine has both.
    let listener =
        TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).or_else(|_| TcpListener::bind(("0.0.0.0", port)))?;
    let address = listener.local_addr()?;
    let stopping = Stopping::default();
    let open = Arc::new(AtomicUsize::new(0));
    let accepting = thread::spawn({
        let (stopping, open) = (stopping.clone(), Arc::clone(&open));
        move || accept(&listener, &stopping, &open, Arc::new(talk))
    });

    signals.wait()?;
    stopping.set(ASKED);
    thread::sleep(ACCEPT_ON);
    stopping.set(CLOSED);
    wake(address);
    let _ = accepting.join();
    let deadline = Instant::now() + FINISH;
    while open.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn accept<T>(listener: &TcpListener, stopping: &Stopping, open: &Arc<AtomicUsize>, talk: Arc<T>)
where
    T: Fn(TcpStream, &Stopping) + Send + Sync + 'static,
{
    for stream in listener.incoming() {
        if stopping.is_closed() {
            return;
        }
        let Ok(stream) = stream else { continue };
        let (stopping, open, talk) = (stopping.clone(), Arc::clone(open), Arc::clone(&talk));
        open.fetch_add(1, Ordering::Relaxed);
        thread::spawn(move || {
            talk(stream, &stopping);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Lets the accepting thread look at its flag.
fn wake(mut address: SocketAddr) {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { [127, 0, 0, 1].into() });
    }
    let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
}

/// Waits while a connection is idle: true when the client sends something, false when the connection is over or
/// the program is about to end. After true, each read waits 10 seconds at most.
///
/// # Errors
///
/// When the connection breaks.
pub fn wait_for_input(reader: &mut BufReader<TcpStream>, stopping: &Stopping) -> io::Result<bool> {
    reader.get_ref().set_read_timeout(Some(IDLE_LOOK))?;
    loop {
        match reader.fill_buf() {
            Ok(bytes) => {
                let begun = !bytes.is_empty();
                reader.get_ref().set_read_timeout(Some(PATIENCE))?;
                return Ok(begun);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if stopping.is_closed() {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
    }
}
