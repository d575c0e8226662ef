//! Runs tests side by side on one cluster, and takes it down whatever happens.
//!
//! A runner of our own, because the usual one ends the process without telling anybody: a cluster, its processes and
//! network namespaces would stay. The arguments are those of the usual one, as far as people use them:
//! `[FILTER…] [--exact] [--skip FILTER] [--list] [--test-threads N]`; and `--faults FILE`, which runs only tests that
//! tell a row of the table of faults, and writes that table into a file when all have passed.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cluster::root;
use crate::{Cluster, World, faults};

/// Tests at the same time, unless said otherwise: pods start one after the other on a small machine anyway.
const SIDE_BY_SIDE: usize = 4;
/// A test that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(420);

type Body = fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One test.
#[derive(Clone)]
pub struct Test {
    name: &'static str,
    body: Body,
    /// Tells a row of the table of faults.
    fault: bool,
}

impl Test {
    /// `name` is a sentence, with its module before it.
    pub const fn new(name: &'static str, body: Body) -> Self {
        Self { name, body, fault: false }
    }

    /// The same, for a test that tells a row by [`World::fault`].
    pub const fn of_a_fault(name: &'static str, body: Body) -> Self {
        Self { name, body, fault: true }
    }
}

/// Names the tests of a module: `tests![story, load]` inside module `x` gives `x::story`, `x::load`. After `faults:` are
/// those that tell a row by [`World::fault`].
#[macro_export]
macro_rules! tests {
    (faults: $($fault:ident),+ $(,)?) => { $crate::tests![; faults: $($fault),+]; };
    ($($name:ident),* $(,)? $(; faults: $($fault:ident),+ $(,)?)?) => {
        /// The tests of this module.
        pub fn tests() -> Vec<$crate::Test> {
            vec![
                $($($crate::Test::of_a_fault(
                    concat!(module_path!(), "::", stringify!($fault)),
                    |world| Box::pin($fault(world)),
                ),)+)?
                $($crate::Test::new(
                    concat!(module_path!(), "::", stringify!($name)),
                    |world| Box::pin($name(world)),
                ),)*
            ]
        }
    };
}

/// Runs the tests that the command line asks for.
pub fn run(tests: Vec<Test>) -> ExitCode {
    let wanted = Wanted::parse(std::env::args().skip(1));
    let tests: Vec<Test> = tests
        .into_iter()
        .filter(|test| wanted.wants(test.name) && (test.fault || wanted.faults.is_none()))
        .collect();
    if wanted.list {
        tests.iter().for_each(|test| println!("{}: test", test.name));
        return ExitCode::SUCCESS;
    }
    if tests.is_empty() {
        println!("no test is asked for");
        return ExitCode::SUCCESS;
    }
    panic_in_one_line();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(run_on_a_cluster(tests, &wanted))
}

tokio::task_local! {
    /// Which test runs in this task.
    static NAME: &'static str;
    /// The places of tests that run at the same time.
    static PLACES: Arc<Semaphore>;
}

/// The test that runs in this task.
pub(crate) fn name() -> &'static str {
    NAME.try_with(|name| *name).unwrap_or("outside of tests")
}

/// Waits for something that other tests have, and lets another test run meanwhile.
pub(crate) async fn aside<T>(waiting: impl Future<Output = T>) -> T {
    let Ok(places) = PLACES.try_with(Arc::clone) else { return waiting.await };
    places.add_permits(1);
    let waited = waiting.await;
    if let Ok(place) = places.acquire().await {
        place.forget();
    }
    waited
}

/// A panic is a test's failure here: what it says counts, and not where the runtime was then.
fn panic_in_one_line() {
    std::panic::set_hook(Box::new(|panic| {
        let name = name();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("---- {name} at {place}\n{}\n", panic.payload_as_str().unwrap_or_default());
    }));
}

async fn run_on_a_cluster(tests: Vec<Test>, wanted: &Wanted) -> ExitCode {
    let side_by_side = wanted.side_by_side;
    let names: Vec<_> = tests.iter().map(|test| test.name).collect();
    let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be taken");
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be taken");
    let started = Instant::now();
    let cluster = match Cluster::start().await {
        Ok(cluster) => Arc::new(cluster),
        Err(error) => {
            eprintln!("no cluster: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "cluster after {:.1} s; {} tests, {side_by_side} side by side",
        started.elapsed().as_secs_f64(),
        tests.len()
    );
    let failed = tokio::select! {
        failed = run_all(tests, Arc::clone(&cluster), side_by_side) => Some(failed),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    cluster.stop().await;
    let seconds = started.elapsed().as_secs_f64();
    let failed = failed.map(|failed| tell_faults(&cluster, &names, failed, wanted.faults.as_deref()));
    match failed {
        Some(failed) if failed.is_empty() => {
            println!("\ntest result: ok. all passed; {seconds:.1} s");
            ExitCode::SUCCESS
        }
        Some(failed) => {
            println!(
                "\ntest result: FAILED. {} failed; {seconds:.1} s\n  {}",
                failed.len(),
                failed.join("\n  ")
            );
            ExitCode::FAILURE
        }
        None => {
            println!("\ninterrupted");
            ExitCode::from(130)
        }
    }
}

/// Prints the table of faults, and writes it where it is asked for and all is well; gives what failed until now.
fn tell_faults(
    cluster: &Cluster,
    tests: &[&str],
    mut failed: Vec<&'static str>,
    file: Option<&Path>,
) -> Vec<&'static str> {
    if let Some(table) = cluster.rows().table(tests) {
        println!("\n{table}");
        if let Some(file) = file.filter(|_| failed.is_empty())
            // cargo runs tests in their package's folder.
            && let Err(error) = faults::write(&root().join(file), &table)
        {
            eprintln!("{}: {error}", file.display());
            failed.push("writing the table");
        }
    }
    failed
}

/// Gives the names of those that failed.
async fn run_all(tests: Vec<Test>, cluster: Arc<Cluster>, side_by_side: usize) -> Vec<&'static str> {
    let places = Arc::new(Semaphore::new(side_by_side));
    let mut running = JoinSet::new();
    for test in tests {
        let cluster = Arc::clone(&cluster);
        // Here, and not in the task: tests begin in their order, the longest first.
        let place = Arc::clone(&places).acquire_owned().await;
        let all_places = Arc::clone(&places);
        running.spawn(async move {
            let _place = place;
            let started = Instant::now();
            let passed = run_one(&test, cluster, all_places).await;
            println!(
                "test {} ... {} ({:.1} s)",
                test.name,
                if passed { "ok" } else { "FAILED" },
                started.elapsed().as_secs_f64()
            );
            (test.name, passed)
        });
    }
    let mut failed = Vec::new();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok((_, true)) => {}
            Ok((name, false)) => failed.push(name),
            Err(_) => failed.push("a test's own task"),
        }
    }
    failed.sort_unstable();
    failed
}

async fn run_one(test: &Test, cluster: Arc<Cluster>, places: Arc<Semaphore>) -> bool {
    let name = test.name;
    let making = NAME.scope(name, World::new(cluster, name));
    let made = std::panic::AssertUnwindSafe(making).catch_unwind().await;
    let Ok(world) = made else {
        return false;
    };
    // In a task of its own, so that a panic ends the test and nothing else.
    let mut task = JoinSet::new();
    task.spawn(PLACES.scope(places, NAME.scope(name, (test.body)(world.clone()))));
    let ended = tokio::time::timeout(LONGEST, task.join_next()).await;
    if ended.is_err() {
        eprintln!("{name}: not ended within {LONGEST:?}");
    }
    task.shutdown().await;
    world.remove().await;
    matches!(ended, Ok(Some(Ok(()))))
}

struct Wanted {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
    /// Only tests of faults; their table goes into this file.
    faults: Option<PathBuf>,
    side_by_side: usize,
}

impl Wanted {
    fn parse(args: impl Iterator<Item = String>) -> Self {
        let mut wanted = Self {
            filters: Vec::new(),
            skip: Vec::new(),
            exact: false,
            list: false,
            faults: None,
            side_by_side: SIDE_BY_SIDE,
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--exact" => wanted.exact = true,
                "--list" => wanted.list = true,
                "--faults" => wanted.faults = args.next().map(PathBuf::from),
                "--skip" => wanted.skip.extend(args.next()),
                "--test-threads" => {
                    wanted.side_by_side = args.next().and_then(|n| n.parse().ok()).unwrap_or(SIDE_BY_SIDE);
                }
                // Flags of the usual runner that mean nothing here.
                flag if flag.starts_with('-') => {}
                _ => wanted.filters.push(arg),
            }
        }
        wanted
    }

    fn wants(&self, name: &str) -> bool {
        let fits = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(fits)) && !self.skip.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_choose_tests_as_everywhere() {
        let wanted = |line: &str| Wanted::parse(line.split_whitespace().map(str::to_owned));
        assert!(wanted("").wants("a::b"));
        assert!(wanted("b --nocapture").wants("a::b"));
        assert!(!wanted("c").wants("a::b"));
        assert!(!wanted("b --exact").wants("a::b"));
        assert!(!wanted("--skip b").wants("a::b"));
        assert_eq!(wanted("--test-threads 2").side_by_side, 2);
    }
}
