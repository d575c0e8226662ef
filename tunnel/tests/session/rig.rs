//! Two ends and a wire between them that can be cut.

use std::{
    future, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use devbridge_tunnel::{
    Connection, Flow, Incoming, LinkState, Priority, Token,
    accept::{self, Acceptor},
    carrier::{Carrier, Dial},
    connect::{Connect, ConnectError, connect},
    identity::KeyPair,
    message::Open,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, copy_bidirectional, duplex},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::AbortHandle,
    time::timeout,
};

/// Bounds how wrong a test may go; nothing that works takes nearly so long.
pub(crate) const LONG: Duration = Duration::from_secs(180);

/// What lies between the laptop and the agent.
pub(crate) enum Way {
    Memory(mpsc::UnboundedSender<Carrier>),
    Tcp(std::net::SocketAddr),
}

/// A way to the agent that counts, refuses and cuts.
pub(crate) struct Wire {
    way: Mutex<Way>,
    pub(crate) dials: AtomicUsize,
    pub(crate) refusing: AtomicBool,
    relays: Mutex<Vec<AbortHandle>>,
    freezing: Arc<Notify>,
}

impl Wire {
    pub(crate) fn new(way: Way) -> Arc<Self> {
        Arc::new(Self {
            way: Mutex::new(way),
            dials: AtomicUsize::new(0),
            refusing: AtomicBool::new(false),
            relays: Mutex::default(),
            freezing: Arc::default(),
        })
    }

    /// Ends all carriers; what is on its way is lost.
    pub(crate) fn cut(&self) {
        self.relays.lock().unwrap().drain(..).for_each(|relay| relay.abort());
    }

    /// Keeps the carriers that there are, but moves nothing on them any more.
    pub(crate) fn freeze(&self) {
        self.freezing.notify_waiters();
    }

    /// From now on carriers lead elsewhere.
    pub(crate) fn lead_to(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    /// Hands a carrier to the agent.
    pub(crate) fn give(&self, carrier: Carrier) {
        let Way::Memory(agent) = &*self.way.lock().unwrap() else { panic!("not in memory") };
        agent.send(carrier).unwrap();
    }

    fn relay<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        mut left: DuplexStream,
        mut right: T,
    ) {
        let freezing = self.freezing.clone();
        let relay = tokio::spawn(async move {
            tokio::select! {
                _ = copy_bidirectional(&mut left, &mut right) => {}
                () = freezing.notified() => future::pending().await,
            }
        });
        self.relays.lock().unwrap().push(relay.abort_handle());
    }
}

impl Dial for Wire {
    fn dial(&self) -> BoxFuture<'_, io::Result<Carrier>> {
        async move {
            self.dials.fetch_add(1, Relaxed);
            if self.refusing.load(Relaxed) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (laptop, left) = duplex(64 << 10);
            let addr = match &*self.way.lock().unwrap() {
                Way::Memory(agent) => {
                    let (right, theirs) = duplex(64 << 10);
                    let _ = agent.send(Carrier::from_io(theirs));
                    self.relay(left, right);
                    return Ok(Carrier::from_io(laptop));
                }
                Way::Tcp(addr) => *addr,
            };
            self.relay(left, TcpStream::connect(addr).await?);
            Ok(Carrier::from_io(laptop))
        }
        .boxed()
    }
}

/// Keys of both ends, and how long sessions live.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) laptop: KeyPair,
    pub(crate) agent: KeyPair,
    pub(crate) resume: Duration,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            laptop: KeyPair::from_seed([1; 32]),
            agent: KeyPair::from_seed([2; 32]),
            resume: Duration::from_secs(60),
        }
    }

    /// An agent whose carriers come from memory.
    pub(crate) fn agent_in_memory(&self) -> (Acceptor, Way) {
        let (carriers_tx, carriers_rx) = mpsc::unbounded_channel();
        let carriers =
            stream::unfold(carriers_rx, |mut rx| async move { rx.recv().await.map(|carrier| (carrier, rx)) });
        (self.agent_over(carriers.boxed()), Way::Memory(carriers_tx))
    }

    /// An agent on a TCP port.
    pub(crate) async fn agent_on_tcp(&self) -> (Acceptor, Way) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        (self.agent_over(accept::carriers(listener).boxed()), Way::Tcp(addr))
    }

    fn agent_over(&self, carriers: stream::BoxStream<'static, Carrier>) -> Acceptor {
        Acceptor::over(carriers, self.agent.clone(), self.laptop.public(), self.resume).unwrap()
    }

    pub(crate) async fn connect(&self, wire: &Arc<Wire>) -> Result<Connection, ConnectError> {
        let connection = connect(Connect {
            keys: self.laptop.clone(),
            agent: self.agent.public(),
            token: Token::generate().unwrap(),
            dial: wire.clone(),
            resume: self.resume,
        });
        timeout(LONG, connection).await.unwrap()
    }
}

/// A session.
pub(crate) struct Rig {
    pub(crate) laptop: Connection,
    pub(crate) agent: Connection,
    pub(crate) wire: Arc<Wire>,
    pub(crate) acceptor: Acceptor,
}

impl Rig {
    pub(crate) async fn in_memory() -> Self {
        let setup = Setup::new();
        let (acceptor, way) = setup.agent_in_memory();
        Self::new(&setup, acceptor, way).await
    }

    pub(crate) async fn on_tcp() -> Self {
        let setup = Setup::new();
        let (acceptor, way) = setup.agent_on_tcp().await;
        Self::new(&setup, acceptor, way).await
    }

    pub(crate) async fn new(setup: &Setup, mut acceptor: Acceptor, way: Way) -> Self {
        let wire = Wire::new(way);
        let laptop = setup.connect(&wire).await.unwrap();
        let agent = timeout(LONG, acceptor.accept()).await.unwrap().unwrap();
        Self { laptop, agent, wire, acceptor }
    }

    /// A flow that the laptop opened; the agent's end second.
    pub(crate) async fn flow(&self) -> (Flow, Flow) {
        let open = Open::Dns;
        let laptop = self.laptop.open(&open, Priority::Flow).await.unwrap();
        let (header, agent) = incoming(&self.agent).await.header().await.unwrap();
        assert_eq!(header, open);
        (laptop, agent)
    }
}

pub(crate) async fn incoming(connection: &Connection) -> Incoming {
    timeout(LONG, connection.accept()).await.unwrap().unwrap()
}

pub(crate) async fn wait_for_link(connection: &Connection, wanted: impl Fn(LinkState) -> bool) {
    let mut link = connection.link();
    timeout(LONG, link.wait_for(|state| wanted(*state))).await.unwrap().unwrap();
}
