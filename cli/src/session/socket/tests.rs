use tempfile::TempDir;
use tunnel::status::{Event, Level, News, Phase};

use super::*;
use crate::output::{Hush, Output};
use crate::session::status::tests::session;

/// A socket that answers, of a session that does nothing.
struct Answering {
    path: PathBuf,
    output: Output,
    board: Board,
    tasks: Tasks,
    _folder: TempDir,
    _hush: Hush,
}

fn answering() -> Answering {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.sock");
    let socket = Socket { path: path.clone(), listener: UnixListener::bind(&path).unwrap() };
    let output = Output::new();
    let hush = output.hush();
    let board = Board::new(session(), output.clone());
    let asked = Asked {
        board: board.clone(),
        journal: output.journal().clone(),
        leave: mpsc::channel(1).0,
        sync: None,
        inspector: Inspector::new(false),
    };
    let tasks = Tasks::default();
    tasks.spawn_until_stopped(socket.run(asked));
    Answering { path, output, board, tasks, _folder: folder, _hush: hush }
}

async fn next(follow: &mut Follow) -> Option<News> {
    time::timeout(Duration::from_secs(20), follow.next()).await.expect("in time").unwrap()
}

fn text(news: Option<News>) -> String {
    match news {
        Some(News::Event(Event { text, level: Level::Info, .. })) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_follows_gets_the_state_what_is_kept_and_what_comes_until_the_end() {
    let answering = answering();
    answering.output.say("before");
    let mut follow = Follow::ask(&answering.path).await.unwrap();
    assert_eq!(next(&mut follow).await, Some(News::Session(Box::new(session()))));
    assert_eq!(text(next(&mut follow).await), "before");
    answering.output.say("after");
    assert_eq!(text(next(&mut follow).await), "after");
    for restarts in 1..=100 {
        answering.board.change(|session| session.restarts = restarts);
    }
    // Those between are nobody's news.
    let mut told = 0;
    loop {
        let Some(News::Session(state)) = next(&mut follow).await else { panic!("a state") };
        told += 1;
        if state.restarts == 100 {
            break;
        }
    }
    assert!(told < 50, "{told}");
    answering.output.say("the end");
    answering.board.change(|session| session.phase = Phase::Leaving);
    answering.tasks.stop(Duration::from_secs(1)).await;
    let mut last = Vec::new();
    while let Some(news) = next(&mut follow).await {
        last.push(news);
    }
    assert!(
        matches!(&last[..], [News::Event(event), News::Session(state)]
        if event.text == "the end" && state.phase == Phase::Leaving),
        "{last:?}"
    );
}

#[tokio::test]
async fn one_who_does_not_read_holds_nobody_up_and_hears_how_much_was_missed() {
    let answering = answering();
    let mut slow = Follow::ask(&answering.path).await.unwrap();
    assert!(matches!(next(&mut slow).await, Some(News::Session(_))));
    let long = "x".repeat(1000);
    let total = 50_000;
    for number in 0..total {
        answering.output.say(&format!("{number} {long}"));
    }
    answering.output.say("the end");
    let (mut heard, mut missed) = (0, 0);
    loop {
        match next(&mut slow).await {
            Some(News::Missed(more)) => missed += more,
            Some(News::Event(event)) if event.text == "the end" => break,
            Some(News::Event(_)) => heard += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard + missed, total);
    assert!(missed > 0);
}
