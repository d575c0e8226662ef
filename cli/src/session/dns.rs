//! The dns path, laptop end: the process's questions go to the pod's resolver and come back byte for byte, so
//! that record types, EDNS and search lists work as in the pod.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time;
use tunnel::Priority;
use tunnel::message::Open;
use tunnel::tasks::Tasks;

use super::current::Current;
use super::network::Contacts;
use super::status::Board;
use crate::sandbox;

/// Questions under way at once; more are dropped, as a busy resolver does, and asked again.
const MAX_QUESTIONS: usize = 1024;
/// Resolvers in libc give up after 5 s.
const ANSWER: Duration = Duration::from_secs(8);

/// Answers questions until the sandbox ends.
pub async fn run(captured: sandbox::CapturedDns, current: Current, board: Board, contacts: Contacts) {
    let captured = Arc::new(captured);
    let questions = Tasks::default();
    let limit = Arc::new(Semaphore::new(MAX_QUESTIONS));
    while let Ok((question, asker)) = captured.recv().await {
        let Ok(permit) = limit.clone().try_acquire_owned() else { continue };
        let (captured, current) = (captured.clone(), current.clone());
        let (board, contacts) = (board.clone(), contacts.clone());
        questions.spawn_until_stopped(async move {
            let asked = Instant::now();
            let answer = time::timeout(ANSWER, ask(current, &question)).await;
            let took = asked.elapsed();
            let answer = answer.ok().and_then(Result::ok);
            let answered = answer.is_some();
            if let Some(bytes) = &answer {
                // The process may have stopped waiting.
                let _ = captured.reply(asker, bytes).await;
            }
            contacts.asked(&question, answer.as_deref(), took);
            board.change(|session| {
                session.dns.answered += u64::from(answered);
                session.dns.failed += u64::from(!answered);
            });
            drop(permit);
        });
    }
}

async fn ask(mut current: Current, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(question.len()).map_err(std::io::Error::other)?;
    let mut flow = current.open(&Open::Dns, Priority::Control).await.map_err(std::io::Error::other)?;
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(question);
    flow.send.write_all(&message).await?;
    flow.send.finish();
    let length = flow.recv.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    flow.recv.read_exact(&mut answer).await?;
    Ok(answer)
}
