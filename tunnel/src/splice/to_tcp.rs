//! Flow → TCP.

use std::io::IoSlice;

use bytes::Bytes;
use tokio::{io::AsyncWriteExt, net::tcp::WriteHalf};

use super::End;
use crate::flow::RecvHalf;

/// Pieces per write, each of one datagram. More would be held by a connection whose reader has stalled.
const PIECES: usize = 8;

/// Until the flow has ended cleanly, which becomes the TCP side's FIN; `passed` counts bytes.
pub(super) async fn run(flow: &mut RecvHalf, tcp: &mut WriteHalf<'_>, passed: &mut u64) -> Result<(), End> {
    let mut pieces = [const { Bytes::new() }; PIECES];
    while let Some(count) = flow.chunks(&mut pieces).await? {
        let Some(filled) = pieces.get_mut(..count) else { return Err(End::FlowReset) };
        write(tcp, filled, passed).await?;
        // Not kept while the next ones are awaited.
        filled.fill(Bytes::new());
    }
    tcp.shutdown().await.map_err(|_| End::TcpReset)
}

async fn write(tcp: &mut WriteHalf<'_>, pieces: &[Bytes], passed: &mut u64) -> Result<(), End> {
    let mut slices = [IoSlice::new(&[]); PIECES];
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        *slice = IoSlice::new(piece);
    }
    let mut left = slices.get_mut(..pieces.len()).unwrap_or_default();
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        let written = match tcp.write_vectored(left).await {
            Ok(0) | Err(_) => return Err(End::TcpReset),
            Ok(written) => written,
        };
        *passed += written as u64;
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(())
}
