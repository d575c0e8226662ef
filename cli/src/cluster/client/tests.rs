use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that accepts one token at a time, and a kubeconfig whose plugin gives what a file says.
struct Login {
    folder: tempfile::TempDir,
    accepted: Arc<Mutex<String>>,
    /// What is read on connections below this number is not answered.
    silent: Arc<AtomicUsize>,
    _server: Tasks,
}

impl Login {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let plugin = format!(
            "cd {} && echo >> runs && cat token",
            folder.path().to_str().expect("temporary folders have simple names")
        );
        let exec = serde_json::json!({ "command": "sh", "args": ["-c", plugin], "interactiveMode": "Never" });
        let kubeconfig = serde_json::json!({
            "clusters": [{ "name": "c", "cluster": { "server": server } }],
            "users": [{ "name": "u", "user": { "exec": exec } }],
            "contexts": [{ "name": "laptop", "context": { "cluster": "c", "user": "u" } }],
        });
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        let accepted = Arc::new(Mutex::new("first".to_owned()));
        let tasks = Tasks::default();
        let silent = Arc::new(AtomicUsize::new(0));
        tasks.spawn_until_stopped(serve(listener, accepted.clone(), silent.clone()));
        let login = Self { folder, accepted, silent, _server: tasks };
        login.gives("first", None);
        login
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn gives(&self, token: &str, until: Option<Timestamp>) {
        let status = serde_json::json!({ "token": token, "expirationTimestamp": until });
        std::fs::write(self.path("token"), serde_json::json!({ "status": status }).to_string()).unwrap();
    }

    fn accepts(&self, token: &str) {
        token.clone_into(&mut self.accepted.lock().unwrap());
    }

    fn runs(&self) -> usize {
        std::fs::read(self.path("runs")).map_or(0, |runs| runs.len())
    }

    async fn client(&self) -> (Client, Upkeep) {
        let source = Source::File { path: Some(self.path("kubeconfig")), context: "laptop".into() };
        let config = source.config().await.unwrap();
        client(source, config).await.unwrap()
    }
}

/// Answers each request with 200 or 401, and its body.
async fn serve(listener: TcpListener, accepted: Arc<Mutex<String>>, silent: Arc<AtomicUsize>) {
    let connections = Tasks::default();
    for number in 0.. {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (accepted, silent) = (accepted.clone(), silent.clone());
        connections.spawn_until_stopped(async move {
            let mut head = Vec::new();
            while let Ok(byte) = stream.read_u8().await {
                head.push(byte);
                if !head.ends_with(b"\r\n\r\n") {
                    continue;
                }
                let text = String::from_utf8(std::mem::take(&mut head)).unwrap().to_lowercase();
                let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
                let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
                stream.read_exact(&mut body).await.unwrap();
                if number < silent.load(Relaxed) {
                    continue;
                }
                // A watch is never over.
                let length = if text.contains("watch=true") { 100 } else { body.len() };
                let right = format!("authorization: bearer {}\r", accepted.lock().unwrap());
                let status = if text.contains(&right) { "200 OK" } else { "401 Unauthorized" };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
            }
        });
    }
}

async fn ask(client: &Client) -> Result<String, kube::Error> {
    client.request_text(Request::post("/x").body(b"\"hello\"".to_vec()).unwrap()).await
}

#[tokio::test]
async fn a_request_that_was_refused_is_sent_again_after_a_login() {
    let login = Login::new().await;
    let (client, upkeep) = login.client().await;
    assert_eq!(ask(&client).await.unwrap(), "\"hello\"");
    assert_eq!(login.runs(), 1, "one login is enough for a client");
    login.gives("second", None);
    login.accepts("second");
    let asked = futures::future::join_all((0..8).map(|_| ask(&client))).await;
    assert!(asked.iter().all(|answer| answer.as_deref().ok() == Some("\"hello\"")), "{asked:?}");
    assert_eq!(login.runs(), 2, "all of them need one login");
    assert_eq!(upkeep.trouble(), None);
}

#[tokio::test]
async fn a_login_that_gives_nothing_better_is_not_tried_again_at_once() {
    let login = Login::new().await;
    let (client, upkeep) = login.client().await;
    login.accepts("second");
    for _ in 0..3 {
        assert!(no_login(&ask(&client).await.unwrap_err()));
    }
    assert_eq!(login.runs(), 2);
    std::fs::remove_file(login.path("token")).unwrap();
    time::pause();
    time::advance(AGAIN).await;
    time::resume();
    assert!(no_login(&ask(&client).await.unwrap_err()));
    assert_eq!(upkeep.trouble().as_deref(), Some("`sh` failed with exit status: 1"));
}

#[tokio::test]
async fn a_login_is_renewed_before_it_ends() {
    let login = Login::new().await;
    let soon = Timestamp::now() + jiff::SignedDuration::from_secs(EARLY - 1);
    login.gives("first", Some(soon));
    let (client, _) = login.client().await;
    login.gives("second", None);
    login.accepts("second");
    assert!(ask(&client).await.is_ok());
    assert_eq!(login.runs(), 2);
}

#[tokio::test]
async fn a_login_that_fails_at_the_start_says_what_failed() {
    let login = Login::new().await;
    std::fs::remove_file(login.path("token")).unwrap();
    let source = Source::File { path: Some(login.path("kubeconfig")), context: "laptop".into() };
    let config = source.config().await.unwrap();
    let failure = client(source, config).await.err().unwrap();
    assert_eq!(
        (failure.code, failure.why.as_deref()),
        ("DB-CLUSTER-004", Some("`sh` failed with exit status: 1"))
    );
}

#[tokio::test]
async fn what_reads_is_asked_again_when_its_connection_is_left_and_watches_end() {
    let login = Login::new().await;
    let (client, upkeep) = login.client().await;
    let get = |path: &str| Request::get(path).body(Vec::new()).unwrap();
    let watch = client.request_stream(get("/x?watch=true")).await.unwrap();
    // In the pool, and dead soon.
    assert!(client.request_text(get("/x")).await.is_ok());
    login.silent.store(usize::MAX, Relaxed);
    let hangs = client.request_text(get("/x"));
    tokio::pin!(hangs);
    let early = time::timeout(Duration::from_millis(200), &mut hangs).await;
    assert!(early.is_err(), "{early:?}");
    login.silent.store(2, Relaxed);
    upkeep.leave_connections().await;
    assert!(hangs.await.is_ok());
    let mut line = String::new();
    let ended = futures::AsyncBufReadExt::read_line(&mut Box::pin(watch), &mut line).await;
    assert!(ended.unwrap_err().to_string().contains("went silent"));
    assert_eq!(login.runs(), 1, "the login was no matter");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let login = Login::new().await;
    let source = Source::File { path: Some(login.path("kubeconfig")), context: "laptop".into() };
    let mut config = source.config().await.unwrap();
    // Nobody but root may listen there, and nobody does.
    config.cluster_url = "http://127.0.0.1:1".parse().unwrap();
    let (client, _) = client(source, config).await.unwrap();
    let failed = chain(&ask(&client).await.unwrap_err());
    assert!(failed.contains("http://127.0.0.1:1/: ") && failed.contains("refused"), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn logins_in_vain_become_rare_and_one_after_a_while_is_the_first_again() {
    let mut tries = Tries::default();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        assert!(tries.may());
        tries.done();
        let begin = Instant::now();
        while !tries.may() {
            time::advance(Duration::from_secs(1)).await;
        }
        pauses.push(begin.elapsed().as_secs());
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
    time::advance(RARELY * 2).await;
    tries.done();
    time::advance(AGAIN).await;
    assert!(tries.may());
}
