//! A session that is none: a control socket that tells of events as fast as a test wants, to see what its readers make of it.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{self, Instant};

use crate::World;
use crate::laptop::give;

/// Events that are told in one go.
const AT_ONCE: u64 = 100;

/// Tells of events until dropped.
pub struct Flood {
    told: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl World {
    /// A session of `deployment/flood` that tells so many events a second, each with its number: `event 12`.
    pub fn flood(&self, a_second: u64) -> Flood {
        let folder = self.path("run").join("devbridge");
        std::fs::create_dir_all(&folder).expect("a folder for sockets");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("own folder");
        let path = folder.join("f100d000.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        for path in [&folder, &path] {
            give(path);
        }
        let told = Arc::<AtomicU64>::default();
        let mut task = JoinSet::new();
        let count = Arc::clone(&told);
        task.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                clients.spawn(serve(stream, a_second, Arc::clone(&count)));
            }
        });
        Flood { told, _task: task }
    }
}

impl Flood {
    /// How many were told.
    pub fn told(&self) -> u64 {
        self.told.load(Relaxed)
    }
}

async fn serve(stream: UnixStream, a_second: u64, told: Arc<AtomicU64>) {
    let mut stream = BufReader::new(stream);
    let mut asked = String::new();
    if stream.read_line(&mut asked).await.is_err() {
        return;
    }
    let mut stream = stream.into_inner();
    if asked.contains("\"requests\"") {
        let _ = stream.write_all(b"{\"now\":{\"dropped\":0}}\n").await;
        return std::future::pending().await;
    }
    let _ = stream.write_all(format!("{}\n", session(asked.contains("status"))).as_bytes()).await;
    if asked.contains("status") {
        return;
    }
    let started = Instant::now();
    for number in (0..).step_by(AT_ONCE as usize) {
        time::sleep_until(started + Duration::from_millis(number * 1000 / a_second)).await;
        let lines: String = (number..number + AT_ONCE).map(event).collect();
        if stream.write_all(lines.as_bytes()).await.is_err() {
            return;
        }
        told.fetch_add(AT_ONCE, Relaxed);
    }
}

fn event(number: u64) -> String {
    format!(
        "{}\n",
        json!({ "event": { "atMs": number, "level": "info", "text": format!("event {number}") } })
    )
}

fn session(status: bool) -> serde_json::Value {
    let session = json!({
        "id": "f100d000", "context": "laptop", "namespace": "none", "target": "deployment/flood",
        "services": ["flood"], "pid": std::process::id(), "since": "2026-01-01T00:00:00Z", "phase": "attached",
        "link": { "state": "up", "roundTripUs": 1000 }, "process": { "state": "none" }, "serving": { "by": "laptop" },
        "unavailable": "cluster", "ports": [],
        "requests": { "laptop": 0, "originals": 0, "failed": 0, "stalled": 0, "open": 0 },
        "outbound": { "connections": 0, "failed": 0 }, "dns": { "answered": 0, "failed": 0 },
    });
    if status { json!({ "status": session }) } else { json!({ "session": session }) }
}
