//! The laptop or the network between is silent: what asks is answered by originals or ended, what is in the middle
//! of its bytes goes on when the network is back.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use tunnel::message::{ToAgent, ToLaptop};

use crate::{
    laptop::{Laptop, Manner, Network, Weather},
    rig::Rig,
    server::{Caller, Server},
    within,
};

/// Both kinds of silence.
const OUTAGES: [Weather; 2] = [Weather::Still, Weather::Away];
/// Two seconds of silence, and what a busy machine needs.
const DECIDED: Duration = Duration::from_secs(4);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// An agent, an original, and a laptop behind a network; its process does what the test does.
struct Outage {
    rig: Rig,
    network: Network,
    original: Server,
    process: TcpListener,
    laptop: Laptop,
    /// Connections that the process has accepted.
    taken: u64,
}

impl Outage {
    async fn start() -> Self {
        let (mut rig, original) = (Rig::start().await, Server::start("original").await);
        let network = Network::start(rig.control).await;
        rig.control = network.addr;
        let (process, addr) = listener().await;
        let laptop = Laptop::armed(&rig, addr, &[original.addr]).await;
        Self { rig, network, original, process, laptop, taken: 0 }
    }

    /// A caller that has sent `bytes`, and the process's end, which has read them; the agent knows that it has.
    async fn asked(&mut self, bytes: &[u8]) -> (TcpStream, TcpStream) {
        let mut caller = TcpStream::connect(self.rig.callers).await.unwrap();
        caller.write_all(bytes).await.unwrap();
        let (mut process, _) = within("a connection", self.process.accept()).await.unwrap();
        let mut got = vec![0; bytes.len()];
        within("the question", process.read_exact(&mut got)).await.unwrap();
        self.taken += 1;
        let acknowledged = self.laptop.counters.wait_for(|counters| counters.laptop == self.taken);
        within("the acknowledgement", acknowledged).await.unwrap();
        (caller, process)
    }
}

async fn until_the_end(mut caller: TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    within("the end", caller.read_to_end(&mut bytes)).await.map(|_| bytes)
}

#[tokio::test]
async fn a_post_without_an_answer_is_reset_within_two_seconds_of_silence() {
    for outage in OUTAGES {
        let mut run = Outage::start().await;
        let (caller, _process) = run.asked(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab").await;
        run.network.set(outage);
        let since = Instant::now();
        let error = until_the_end(caller).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(since.elapsed() < DECIDED, "{outage:?}: {:?}", since.elapsed());
        assert_eq!(run.original.answered(), 0);
    }
}

#[tokio::test]
async fn a_put_without_an_answer_is_sent_to_an_original_within_two_seconds_of_silence() {
    for outage in OUTAGES {
        let mut run = Outage::start().await;
        let (mut caller, _process) = run.asked(b"PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab").await;
        run.network.set(outage);
        let since = Instant::now();
        let mut answer = vec![0; 54];
        within("an answer", caller.read_exact(&mut answer)).await.unwrap();
        assert!(answer.ends_with(b"original PUT ab"), "{}", String::from_utf8_lossy(&answer));
        assert!(since.elapsed() < DECIDED, "{outage:?}: {:?}", since.elapsed());
        // When the network is back, so are requests.
        run.network.set(Weather::Fine);
        within("the laptop", async {
            loop {
                let mut caller = Caller::connect(run.rig.callers).await;
                caller.send(b"GET / HTTP/1.1\r\n\r\n").await;
                tokio::select! {
                    process = run.process.accept() => return drop(process.unwrap()),
                    () = sleep(Duration::from_millis(200)) => {}
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_gone_continue_is_not_an_answer() {
    let mut run = Outage::start().await;
    let (mut caller, mut process) =
        run.asked(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n").await;
    process.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    let mut interim = [0; 25];
    within("100", caller.read_exact(&mut interim)).await.unwrap();
    caller.write_all(b"ab").await.unwrap();
    let mut body = [0; 2];
    within("body", process.read_exact(&mut body)).await.unwrap();
    run.network.set(Weather::Still);
    let since = Instant::now();
    assert_eq!(until_the_end(caller).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(since.elapsed() < DECIDED, "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_question_over_http2_is_reset_within_two_seconds_of_silence() {
    let mut run = Outage::start().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let (mut caller, mut process) = run.asked(preface).await;
    process.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut settings = [0; 9];
    within("settings", caller.read_exact(&mut settings)).await.unwrap();
    run.network.set(Weather::Still);
    sleep(DECIDED).await;
    // It asks only now.
    let since = Instant::now();
    caller.write_all(b"\0\0\x01\x01\x05\0\0\0\x01\x82").await.unwrap();
    assert_eq!(until_the_end(caller).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(since.elapsed() < DECIDED, "{:?}", since.elapsed());
}

#[tokio::test]
async fn bytes_that_nobody_has_acknowledged_go_to_one_original_whatever_the_protocol() {
    let mut run = Outage::start().await;
    let (server, addr) = listener().await;
    run.laptop.push(run.rig.port(), &[addr]).await;
    let probed = run.laptop.ask(ToAgent::ProbeOriginals);
    let (probed, probe) = within("the new list", async { tokio::join!(probed, server.accept()) }).await;
    assert!(matches!(probed, ToLaptop::OriginalsProbed(list) if list.len() == 1));
    drop(probe.unwrap());
    run.laptop.set(Manner::Mute);
    run.network.set(Weather::Still);
    // One that speaks, and one that waits for its server to.
    for question in [&b"\0question"[..], b""] {
        let since = Instant::now();
        let mut caller = TcpStream::connect(run.rig.callers).await.unwrap();
        caller.write_all(question).await.unwrap();
        let (mut original, _) = within("the original", server.accept()).await.unwrap();
        assert!(since.elapsed() < DECIDED, "{:?}", since.elapsed());
        let mut got = vec![0; question.len()];
        within("question", original.read_exact(&mut got)).await.unwrap();
        assert_eq!(got, question);
        original.write_all(b"220 ready\r\n").await.unwrap();
        let mut answer = [0; 11];
        within("answer", caller.read_exact(&mut answer)).await.unwrap();
        run.network.set(Weather::Fine);
        sleep(Duration::from_secs(1)).await;
        let more = tokio::time::timeout(Duration::from_millis(100), server.accept()).await;
        assert!(more.is_err(), "twice");
        run.network.set(Weather::Still);
    }
    let late = tokio::time::timeout(Duration::from_millis(100), run.process.accept()).await;
    assert!(late.is_err(), "the process got it too");
}

/// Ten seconds without network, in the middle of transfers both ways and of an idle connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_seconds_of_outage_lose_no_flow_that_is_in_the_middle_of_its_bytes() {
    const LENGTH: usize = 32 << 20;
    let bytes = |seed: usize| (0..LENGTH).map(|i| ((i * 31 + seed) >> 3) as u8).collect::<Vec<_>>();
    let (question, answer) = (bytes(7), bytes(1_000_003));
    let outage = async |weather: Weather| {
        let mut run = Outage::start().await;
        let (mut quiet, mut quiet_process) = run.asked(b"\0idle").await;
        let (caller, process) = run.asked(b"\0busy").await;
        // An answer that has begun, with its length.
        let (mut http, mut http_process) = run.asked(b"GET / HTTP/1.1\r\n\r\n").await;
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {LENGTH}\r\n\r\n");
        http_process.write_all(head.as_bytes()).await.unwrap();
        within("the head", http.read_exact(&mut vec![0; head.len()])).await.unwrap();
        let exchange = async |tcp: TcpStream, sends: &[u8], expects: &[u8]| {
            let (mut read, mut write) = tcp.into_split();
            let writing = async {
                for part in sends.chunks(LENGTH / 50) {
                    write.write_all(part).await.unwrap();
                    sleep(Duration::from_millis(20)).await;
                }
                write.shutdown().await.unwrap();
            };
            let reading = async {
                let mut got = Vec::new();
                read.read_to_end(&mut got).await.unwrap();
                assert!(got == expects, "changed bytes: {} of {}", got.len(), expects.len());
            };
            tokio::join!(writing, reading);
        };
        let weather = async {
            sleep(Duration::from_millis(200)).await;
            run.network.set(weather);
            sleep(Duration::from_secs(10)).await;
            run.network.set(Weather::Fine);
        };
        let answering = async {
            for part in answer.chunks(LENGTH / 50) {
                http_process.write_all(part).await.unwrap();
                sleep(Duration::from_millis(20)).await;
            }
            http_process.shutdown().await.unwrap();
        };
        let (_, _, got, _, _) = tokio::join!(
            exchange(caller, &question, &answer),
            exchange(process, &answer, &question),
            until_the_end(http),
            answering,
            weather
        );
        assert!(got.unwrap() == answer, "changed answer");
        quiet.write_all(b"?").await.unwrap();
        assert_eq!(within("the idle one", quiet_process.read_u8()).await.unwrap(), b'?');
    };
    let (still, away) = (outage(Weather::Still), outage(Weather::Away));
    tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(still, away) }).await.unwrap();
}
