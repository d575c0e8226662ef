//! Flow → TCP.

use std::io::{self, IoSlice};

use bytes::{Buf as _, Bytes};
use tokio::{io::AsyncWriteExt, net::tcp::WriteHalf};

use super::{End, Observer, Way};
use crate::{
    budget::{Backlog, Budget},
    flow::RecvHalf,
};

/// Pieces per write, each of one datagram.
const PIECES: usize = 8;

/// Until the flow has ended cleanly, which becomes the TCP side's FIN; `passed` counts bytes.
pub(super) async fn run(
    flow: &mut RecvHalf,
    tcp: &mut WriteHalf<'_>,
    budget: &Budget,
    observer: Option<&dyn Observer>,
    passed: &mut u64,
) -> Result<(), End> {
    let mut pieces = [const { Bytes::new() }; PIECES];
    let mut waiting = Backlog::new(budget);
    let mut ended = false;
    while !(ended && waiting.is_empty()) {
        tokio::select! {
            biased;
            ready = tcp.writable(), if !waiting.is_empty() => {
                ready.map_err(|_| End::TcpReset)?;
                let mut slices = [IoSlice::new(&[]); PIECES];
                let count = waiting.slices(&mut slices);
                let written = write(tcp, slices.get(..count).unwrap_or_default())?;
                waiting.advance(written);
                *passed += written as u64;
            }
            count = flow.chunks(&mut pieces), if !ended && waiting.has_room() => {
                let Some(count) = count? else {
                    ended = true;
                    continue;
                };
                let Some(filled) = pieces.get_mut(..count) else { return Err(End::FlowReset) };
                if let Some(observer) = observer {
                    filled.iter().for_each(|piece| observer.passed(Way::ToTcp, piece.clone()));
                }
                if waiting.is_empty() {
                    *passed += pass(tcp, filled)? as u64;
                }
                // Not kept here while the next ones are awaited.
                filled.iter_mut().for_each(|piece| waiting.push(std::mem::take(piece)));
            }
            () = waiting.evicted() => return Err(End::Stalled),
        }
    }
    tcp.shutdown().await.map_err(|_| End::TcpReset)?;
    if let Some(observer) = observer {
        observer.ended(Way::ToTcp);
    }
    Ok(())
}

/// Writes what the socket takes at once; the rest stays in `pieces`.
fn pass(tcp: &WriteHalf<'_>, pieces: &mut [Bytes]) -> Result<usize, End> {
    let mut passed = 0;
    let mut first = 0;
    while let Some(left) = pieces.get_mut(first..).filter(|left| !left.is_empty()) {
        let mut slices = [IoSlice::new(&[]); PIECES];
        slices.iter_mut().zip(left.iter()).for_each(|(slice, piece)| *slice = IoSlice::new(piece));
        let mut written = write(tcp, slices.get(..left.len()).unwrap_or_default())?;
        if written == 0 {
            break;
        }
        passed += written;
        for piece in left {
            let taken = written.min(piece.len());
            piece.advance(taken);
            written -= taken;
            first += usize::from(piece.is_empty());
        }
    }
    Ok(passed)
}

/// Writes without waiting; 0 when there is no room.
fn write(tcp: &WriteHalf<'_>, slices: &[IoSlice<'_>]) -> Result<usize, End> {
    match tcp.try_write_vectored(slices) {
        Ok(0) => Err(End::TcpReset),
        Ok(written) => Ok(written),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(_) => Err(End::TcpReset),
    }
}
