//! A laptop end made for tests: it gives requests to a "process" at some address, or behaves badly.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinSet,
    time,
};
use tunnel::{
    Connection, Flow, Incoming, RecvHalf, SendHalf, Token,
    carrier::{Carrier, Dial},
    connect::{Connect, connect},
    message::{
        Counters, MAX_MESSAGE, MAX_OPEN, Open, Original, Refusal, Reply, ToAgent, ToLaptop, Unavailable,
    },
    splice::splice,
    version::PROTOCOL,
};

use crate::{rig::Rig, within};

/// What the laptop does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Its process is at this address; refused when it does not accept.
    Process(SocketAddr),
    /// Streams are read by nobody and get no reply.
    Mute,
    /// Streams are acknowledged without a process, and get no answer.
    #[allow(dead_code, reason = "for the tests of strain")]
    Accept,
}

pub(crate) struct Laptop {
    pub(crate) connection: Connection,
    /// test --what the laptop asks--> session task
    asks: mpsc::Sender<ToAgent>,
    /// session task --what the agent tells--> test
    told_rx: mpsc::Receiver<ToLaptop>,
    pub(crate) counters: watch::Receiver<Counters>,
    manner: watch::Sender<Manner>,
    pings: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

struct ToAgentPort(SocketAddr);

impl Dial for ToAgentPort {
    fn dial(&self) -> BoxFuture<'_, io::Result<Carrier>> {
        async {
            let tcp = TcpStream::connect(self.0).await?;
            tcp.set_nodelay(true)?;
            Ok(Carrier::from_io(tcp))
        }
        .boxed()
    }
}

/// The network between a laptop and its agent.
pub(crate) struct Network {
    /// What the laptop dials.
    pub(crate) addr: SocketAddr,
    weather: watch::Sender<Weather>,
    _relay: JoinSet<()>,
}

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fine,
    /// Connections stay and nothing moves on them.
    Still,
    /// Connections end, new ones too.
    Away,
}

impl Network {
    pub(crate) async fn start(control: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (weather, sky) = watch::channel(Weather::Fine);
        let mut relay = JoinSet::new();
        relay.spawn(async move {
            let mut carriers = JoinSet::new();
            while let Ok((laptop, _)) = listener.accept().await {
                let mut sky = sky.clone();
                if *sky.borrow() == Weather::Away {
                    continue;
                }
                let agent = TcpStream::connect(control).await.unwrap();
                carriers.spawn(async move {
                    let (from_laptop, to_laptop) = laptop.into_split();
                    let (from_agent, to_agent) = agent.into_split();
                    tokio::select! {
                        () = carry(from_laptop, to_agent, sky.clone()) => {}
                        () = carry(from_agent, to_laptop, sky.clone()) => {}
                        _ = sky.wait_for(|weather| *weather == Weather::Away) => {}
                    }
                });
            }
        });
        Self { addr, weather, _relay: relay }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut sky: watch::Receiver<Weather>) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if sky.wait_for(|weather| *weather != Weather::Still).await.is_err()
            || to.write_all(&bytes[..length]).await.is_err()
        {
            return;
        }
    }
}

/// A connection and its control stream, before the hello.
pub(crate) async fn dial(rig: &Rig) -> (Connection, Flow) {
    let connect = connect(Connect {
        keys: rig.laptop_keys.clone(),
        agent: rig.agent_key,
        token: Token::generate().unwrap(),
        dial: Arc::new(ToAgentPort(rig.control)),
        resume: tunnel::RESUME,
    });
    let connection = within("connection", connect).await.unwrap();
    let flow = connection.open(&Open::Control, tunnel::Priority::Control).await.unwrap();
    (connection, flow)
}

impl Laptop {
    /// A session that has said hello and pings.
    pub(crate) async fn connect(rig: &Rig, manner: Manner) -> Self {
        let (connection, mut flow) = dial(rig).await;
        let hello = ToAgent::Hello { protocol: PROTOCOL, release: "test".to_owned() };
        flow.send.message(&hello, MAX_MESSAGE).await.unwrap();
        let welcome = within("welcome", flow.recv.message(MAX_MESSAGE)).await.unwrap();
        assert!(matches!(welcome, Some(ToLaptop::Welcome { protocol: PROTOCOL, .. })), "{welcome:?}");

        let (manner, manners) = watch::channel(manner);
        let (pings, pinging) = watch::channel(true);
        let (counts, counters) = watch::channel(Counters::default());
        let (told, told_rx) = mpsc::channel(64);
        let (asks, asked) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        tasks.spawn(write(flow.send, asked, pinging));
        tasks.spawn(read(flow.recv, told, counts));
        tasks.spawn(streams(connection.clone(), manners));
        Self { connection, asks, told_rx, counters, manner, pings, _tasks: tasks }
    }

    /// Takes requests for the process at `process`.
    pub(crate) async fn armed(rig: &Rig, process: SocketAddr, originals: &[SocketAddr]) -> Self {
        Self::armed_with(rig, process, originals, Unavailable::Cluster).await
    }

    pub(crate) async fn armed_with(
        rig: &Rig,
        process: SocketAddr,
        originals: &[SocketAddr],
        unavailable: Unavailable,
    ) -> Self {
        let mut laptop = Self::connect(rig, Manner::Process(process)).await;
        laptop.push(rig.port(), originals).await;
        assert_eq!(laptop.ask(ToAgent::Arm(unavailable)).await, ToLaptop::Armed);
        laptop
    }

    pub(crate) async fn push(&self, port: u16, originals: &[SocketAddr]) {
        let list = originals.iter().map(|addr| Original { port, addr: *addr }).collect();
        self.asks.send(ToAgent::Originals(list)).await.unwrap();
    }

    /// Asks, and waits for the next message that is neither a pong nor counters.
    pub(crate) async fn ask(&mut self, question: ToAgent) -> ToLaptop {
        self.asks.send(question).await.unwrap();
        self.told().await
    }

    pub(crate) async fn told(&mut self) -> ToLaptop {
        within("an answer of the agent", self.told_rx.recv()).await.expect("the session is over")
    }

    pub(crate) fn set(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// From now on the agent hears nothing of this laptop, and its streams get no reply.
    pub(crate) fn fall_silent(&self) {
        self.pings.send_replace(false);
        self.manner.send_replace(Manner::Mute);
    }

    pub(crate) fn speak_again(&self, manner: Manner) {
        self.manner.send_replace(manner);
        self.pings.send_replace(true);
    }
}

async fn write(mut send: SendHalf, mut asked: mpsc::Receiver<ToAgent>, pinging: watch::Receiver<bool>) {
    let mut ticks = time::interval(Duration::from_millis(200));
    let mut number = 0;
    loop {
        let message = tokio::select! {
            Some(message) = asked.recv() => message,
            _ = ticks.tick() => {
                if !*pinging.borrow() {
                    continue;
                }
                number += 1;
                ToAgent::Ping(number)
            }
        };
        if send.message(&message, MAX_MESSAGE).await.is_err() {
            return;
        }
    }
}

async fn read(mut recv: RecvHalf, told: mpsc::Sender<ToLaptop>, counts: watch::Sender<Counters>) {
    while let Ok(Some(message)) = recv.message(MAX_MESSAGE).await {
        match message {
            ToLaptop::Pong(_) => {}
            ToLaptop::Counters(counters) => drop(counts.send_replace(counters)),
            other => drop(told.send(other).await),
        }
    }
}

async fn streams(connection: Connection, manner: watch::Receiver<Manner>) {
    let mut tasks = JoinSet::new();
    while let Some(incoming) = connection.accept().await {
        tasks.spawn(serve(incoming, *manner.borrow()));
    }
}

async fn serve(incoming: Incoming, manner: Manner) {
    let Ok((open, mut flow)) = incoming.header().await else { return };
    match (open, manner) {
        (_, Manner::Mute) => std::future::pending().await,
        (Open::Probe, _) => {
            flow.send.message(&Reply::Accepted, MAX_OPEN).await.unwrap();
            flow.send.finish();
        }
        (Open::Request { .. }, Manner::Process(process)) => match TcpStream::connect(process).await {
            Ok(tcp) => {
                tcp.set_nodelay(true).unwrap();
                if flow.send.message(&Reply::Accepted, MAX_OPEN).await.is_ok() {
                    splice(tcp, flow).await;
                }
            }
            Err(_) => {
                let _ = flow.send.message(&Reply::Refused(Refusal::NotListening), MAX_OPEN).await;
                flow.send.finish();
            }
        },
        (Open::Request { .. }, Manner::Accept) => {
            flow.send.message(&Reply::Accepted, MAX_OPEN).await.unwrap();
            std::future::pending().await
        }
        (open, _) => panic!("not for a laptop: {open:?}"),
    }
}
