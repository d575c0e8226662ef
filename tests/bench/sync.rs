//! From a save on the laptop to a file in the pod: by `sync`, and by what people do without it (`kubectl cp`, a tar through
//! `kubectl exec`), in turn in one run. A program in the pod that looks three times a millisecond tells when it sees the new
//! contents; laptop and pod have the same clock here.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use harness::{Echo, Exec, Person, Process, Rights, World, deadline};
use nix::sys::signal::Signal;
use tokio::time;

use super::{median, part};

harness::tests![
    one_file,
    a_thousand_files_at_once,
    a_thousand_files_at_once_in_memory,
    a_tree_for_the_first_time,
    a_save_that_starts_the_code_anew
];

const ROUNDS: usize = 50;
/// `kubectl` takes its time.
const FEW: usize = 10;
/// A save is over before the next.
const APART: Duration = Duration::from_millis(150);
const SEEN: Duration = Duration::from_secs(120);

async fn session(world: &World) -> (Process, String) {
    session_of(world, "code", "/app/code").await
}

async fn session_of(world: &World, from: &str, to: &str) -> (Process, String) {
    let serve = ["--restart", "never", "--", "/tool", "serve", "--port", "8080", "--name", "laptop"];
    let args = [&["sync", "web", "--from", from, "--to", to][..], &serve].concat();
    let mut session = world.devbridge(&args);
    session.line("ready:", SEEN).await;
    let (pod, _) = world.pod("devbridge.dev/agent").await;
    (session, pod)
}

fn folder(world: &World) -> std::path::PathBuf {
    let code = world.path("code");
    std::fs::create_dir_all(&code).unwrap();
    std::fs::set_permissions(&code, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    code
}

/// Contents that begin with a line of their own.
fn contents(line: &str, size: usize) -> Vec<u8> {
    let mut text = format!("{line}\n").into_bytes();
    while text.len() < size {
        text.extend_from_slice(b"let text = \"what a line of code is like\";\n");
    }
    text.truncate(size);
    text
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() * 1e3
}

/// Milliseconds from `since` until the pod has the contents that begin with `line`.
async fn seen(looking: &mut Exec, line: &str, since: f64) -> f64 {
    loop {
        let told = looking.line(SEEN).await.expect("it looks on");
        if told["seen"] == line {
            return told["ms"].as_f64().unwrap() - since;
        }
    }
}

async fn looking(world: &World, pod: &str, folder: &str, files: usize) -> Exec {
    let files = files.to_string();
    let mut looking = world.exec(pod, &["/tool", "seen", folder, "--files", &files]).await;
    looking.line(SEEN).await.expect("it looks");
    looking
}

/// `kubectl` of the test's cluster, for the shell.
async fn kubectl(world: &World) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/bin/cluster");
    let kubeconfig = world.user(Rights::Edit).await;
    format!("{} kubectl --kubeconfig {} -n {}", program.display(), kubeconfig.display(), world.namespace())
}

async fn shell(world: &World, command: &str) {
    let mut shell = world.start("sh", &["-c", command], Rights::Edit, Person::Unprivileged);
    assert_eq!(shell.exit(SEEN).await, 0, "{shell:?}");
}

fn said(values: &[f64]) -> String {
    format!("p50 {:.1}, p99 {:.1} ms ({} rounds)", median(values.to_vec()), part(values, 0.99), values.len())
}

async fn ends(mut session: Process) {
    session.signal(Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
}

async fn one_file(world: World) {
    world.echo(Echo::new("web").app(&[])).await;
    let file = folder(&world).join("file-0");
    std::fs::write(&file, contents("first", 10_240)).unwrap();
    let (session, pod) = session(&world).await;
    let kubectl = kubectl(&world).await;
    let mut by_sync = looking(&world, &pod, "/app/code", 1).await;
    let mut by_hand = looking(&world, &pod, "/tmp", 1).await;
    let (mut syncs, mut copies, mut tars) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let line = format!("round {round}");
        let since = now();
        std::fs::write(&file, contents(&line, 10_240)).unwrap();
        syncs.push(seen(&mut by_sync, &line, since).await);
        if round < FEW {
            for (values, command) in [
                (&mut copies, format!("{kubectl} cp code/file-0 {pod}:/tmp/file-0")),
                (
                    &mut tars,
                    format!("tar -C code -cf - file-0 | {kubectl} exec -i {pod} -- tar -C /tmp -xf -"),
                ),
            ] {
                let line = format!("{line}, {}", values.len() + command.len());
                std::fs::write(world.path("code/file-0"), contents(&line, 10_240)).unwrap();
                // What is measured is the copy: `sync` has it before.
                seen(&mut by_sync, &line, 0.0).await;
                let since = now();
                shell(&world, &command).await;
                values.push(seen(&mut by_hand, &line, since).await);
            }
        }
        time::sleep(APART).await;
    }
    println!("sync     a saved file of 10 KB is in the pod: {}", said(&syncs));
    println!("sync     the same by kubectl cp: {}", said(&copies));
    println!("sync     the same by tar through kubectl exec: {}", said(&tars));
    ends(session).await;
}

/// On the disk, which the laptop and the pod share here. ext4 gives no inode away that was deleted in the last minutes, and
/// looks at each of those for every new file: rounds cost what the rounds before have replaced.
async fn a_thousand_files_at_once(world: World) {
    let code = folder(&world);
    a_thousand_files(world, &code, "/app/code", "/tmp", "on a disk").await;
}

/// Without the file system's part in it.
async fn a_thousand_files_at_once_in_memory(world: World) {
    let memory = tempfile::Builder::new().prefix("dbt-").tempdir_in("/dev/shm").unwrap();
    std::fs::set_permissions(memory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    a_thousand_files(world, memory.path(), "/dev/shm/code", "/dev/shm", "in memory").await;
}

/// `to`: the folder in the pod for `sync`; what is copied by hand goes beside it, into `beside`.
async fn a_thousand_files(world: World, code: &Path, to: &str, beside: &str, place: &str) {
    const FILES: usize = 1000;
    world.echo(Echo::new("web").app(&[])).await;
    let sh = |line: &str| {
        let done = std::process::Command::new("sh").args(["-c", line]).current_dir(code).status();
        assert!(done.unwrap().success(), "{line}");
    };
    sh("git init -q . && git config user.email a@b && git config user.name a");
    for branch in ["one", "two"] {
        for file in 0..FILES {
            let text = contents(&format!("{branch} {file}"), 2_000 + file % 5_000);
            std::fs::write(code.join(format!("file-{file}")), text).unwrap();
        }
        sh(&format!("git checkout -q -b {branch} && git add . && git commit -q -m {branch}"));
    }
    let (session, pod) = session_of(&world, code.to_str().unwrap(), to).await;
    let kubectl = kubectl(&world).await;
    let last = FILES - 1;
    let mut looking = looking(&world, &pod, to, FILES).await;
    let (mut syncs, mut checkouts) = (Vec::new(), Vec::new());
    let (mut tars, mut copies) = (Vec::new(), Vec::new());
    for round in 0..FEW {
        let branch = ["one", "two"][round % 2];
        let since = now();
        sh(&format!("git checkout -q {branch}"));
        checkouts.push(now() - since);
        syncs.push(seen(&mut looking, &format!("{branch} {last}"), since).await);
        time::sleep(APART * 4).await;
        // All files of the branch, without its history; the first round only makes them.
        sh("rm -rf .git/plain && mkdir .git/plain && cp file-* .git/plain");
        let plain = code.join(".git/plain");
        let plain = plain.display();
        for (values, command) in [
            (
                &mut tars,
                format!(
                    "tar -C {plain} -cf - . | {kubectl} exec -i {pod} -- \
                     sh -c 'mkdir -p {beside}/t && tar -C {beside}/t -xf -'"
                ),
            ),
            (&mut copies, format!("{kubectl} cp {plain} {pod}:{beside}/c")),
        ] {
            let since = Instant::now();
            shell(&world, &command).await;
            if round > 0 {
                values.push(since.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    println!("sync     1,000 files by git checkout are in the pod, {place}: {}", said(&syncs));
    println!("sync     git checkout itself, {place}: {}", said(&checkouts));
    println!("sync     the same files by tar through kubectl exec, {place}: {}", said(&tars));
    println!("sync     the same files by kubectl cp, {place}: {}", said(&copies));
    println!("sync     each: {syncs:.0?}");
    ends(session).await;
}

async fn a_tree_for_the_first_time(world: World) {
    const FILES: usize = 10_000;
    world.echo(Echo::new("web").app(&[])).await;
    let code = folder(&world);
    for file in 0..FILES {
        let folder = code.join(format!("folder-{}", file % 200));
        std::fs::create_dir_all(&folder).unwrap();
        // Two thirds text, one third what does not get smaller.
        let text = match file % 3 {
            0 => tool::bytes::Pattern::new(file as u64).take(10_000),
            _ => contents(&file.to_string(), 10_000),
        };
        std::fs::write(folder.join(format!("file-{file}")), text).unwrap();
    }
    let kubectl = kubectl(&world).await;
    let (mut syncs, mut tars, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    let mut lines = Vec::new();
    for _ in 0..3 {
        let (session, pod) = session(&world).await;
        let line = session.stderr().lines().find(|line| line.starts_with("done: sync:")).unwrap().to_owned();
        let took = line.rsplit('(').next().and_then(|rest| rest.split(' ').next()?.parse().ok());
        syncs.push(took.unwrap_or(f64::NAN));
        lines.push(line);
        let resident = resident(session.pid());
        println!("sync     resident memory of the laptop's end afterwards: {resident} MiB");
        for (values, command) in [
            (
                &mut tars,
                format!(
                    "tar -C code -cf - . | {kubectl} exec -i {pod} -- sh -c 'mkdir /tmp/t && tar -C /tmp/t -xf -'"
                ),
            ),
            (&mut copies, format!("{kubectl} cp code {pod}:/tmp/c")),
        ] {
            let since = Instant::now();
            shell(&world, &command).await;
            values.push(since.elapsed().as_secs_f64() * 1e3);
        }
        ends(session).await;
    }
    println!("sync     {}", lines.join("\nsync     "));
    println!("sync     10,000 files, 100 MB, for the first time: {}", said(&syncs));
    println!("sync     the same by tar through kubectl exec: {}", said(&tars));
    println!("sync     the same by kubectl cp: {}", said(&copies));
}

fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

async fn a_save_that_starts_the_code_anew(world: World) {
    world.echo(Echo::new("web").app(&["/bin/sh", "/app/run.sh"])).await;
    let run = folder(&world).join("run.sh");
    let source =
        |round: usize| format!("# {round}\nexec /tool serve --port 8080 --grace-ms 0 --name laptop\n");
    std::fs::write(&run, source(0)).unwrap();
    let mut session = world.devbridge(&["sync", "web", "--from", "code", "--to", "/app"]);
    session.line("ready:", SEEN).await;
    let mut saves = Vec::new();
    for round in 1..=ROUNDS {
        let from = session.lines();
        let saved = Instant::now();
        std::fs::write(&run, source(round)).unwrap();
        session.line_after(from, "state: process ", deadline::LOOK).await;
        saves.push(saved.elapsed().as_secs_f64() * 1e3);
        time::sleep(APART).await;
    }
    println!("sync     from the save to the code that listens in the pod: {}", said(&saves));
    ends(session).await;
}
