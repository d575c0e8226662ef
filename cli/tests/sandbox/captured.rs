//! A process whose output is read, and not shown.

use std::time::Duration;

use devbridge::output::Output;
use devbridge::sandbox::{Sandbox, Terminal};
use devbridge::session::journal::Place;
use devbridge::session::said;
use nix::sys::signal::Signal;
use tunnel::status::News;
use tunnel::tasks::Tasks;

use crate::{executable, plan, until, within};

async fn captured(script: &str) -> (Sandbox, Terminal) {
    let plan = plan(&["bash", "-c", script]);
    within(Sandbox::start_captured_by(&executable(), plan)).await.expect("a sandbox")
}

/// Reads into a journal whose words are not printed.
fn read(terminal: Terminal) -> (Output, Tasks) {
    let (output, tasks) = (Output::new(), Tasks::default());
    let reading = output.clone();
    tasks.spawn(async move {
        let _hush = reading.hush();
        said::run(terminal, reading.clone()).await;
    });
    (output, tasks)
}

fn lines(output: &Output) -> Vec<String> {
    let of = |news| match news {
        News::Said(said) => Some(said.text),
        _ => None,
    };
    output.journal().since(&mut Place::default(), 5000).into_iter().filter_map(of).collect()
}

#[tokio::test]
async fn it_has_a_terminal_that_controls_nobody_and_all_that_it_writes_arrives() {
    let script =
        "test -t 0 && test -t 1 && test -t 2 && echo a terminal; stty size; cut -d' ' -f7 /proc/$$/stat
        echo wrong >&2; for n in {1..1000}; do echo line $n; done; printf 'the end'";
    let (sandbox, terminal) = captured(script).await;
    let (output, reading) = read(terminal);
    assert_eq!(within(sandbox.process.wait()).await.code(), 0);
    sandbox.process.end().await;
    within(reading.finished()).await;
    let own = std::fs::read_to_string("/proc/self/stat").unwrap();
    let own = own.rsplit_once(") ").unwrap().1.split(' ').nth(4).unwrap().to_owned();
    let lines = lines(&output);
    assert_eq!(lines[..4], ["a terminal", "50 200", own.as_str(), "wrong"]);
    assert_eq!(lines[4..1004], (1..=1000).map(|n| format!("line {n}")).collect::<Vec<_>>());
    assert_eq!(lines[1004..], ["the end"]);
}

#[tokio::test]
async fn the_next_one_writes_there_too_and_its_signals_are_as_they_were() {
    // Waits by a word of the shell's own: of a program that ended by a signal, too, the shell would say so.
    let (sandbox, terminal) =
        captured("trap 'echo asked; exit 5' TERM; echo begun; while :; do read -t 0.05; done").await;
    let (output, reading) = read(terminal);
    until(|| lines(&output) == ["begun"]).await;
    within(sandbox.process.starter().restart(Duration::from_secs(3))).await.expect("it is started again");
    until(|| lines(&output) == ["begun", "asked", "begun"]).await;
    // Not SIGINT, which is ignored in all that a script has started in the background, and can't be trapped there.
    sandbox.process.pass_on(Signal::SIGTERM).await;
    assert_eq!(within(sandbox.process.wait()).await.code(), 5);
    sandbox.process.end().await;
    within(reading.finished()).await;
    assert_eq!(lines(&output), ["begun", "asked", "begun", "asked"]);
}
