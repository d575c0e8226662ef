//! TCP → flow.

use std::io;

use bytes::BytesMut;
use tokio::net::tcp::ReadHalf;

use super::{End, Observer, Way, broken};
use crate::{budget::Budget, flow::SendHalf, socket::try_read};

/// Room for the first read, and the least for any; most requests fit.
const SMALLEST: usize = 8 << 10;
/// Room for reads of a connection that sends much. What is read is not copied again before it is encrypted.
const LARGEST: usize = 128 << 10;

/// Until the TCP side has sent FIN, which becomes the flow's; `passed` counts bytes.
pub(super) async fn run(
    tcp: &ReadHalf<'_>,
    flow: &mut SendHalf,
    budget: &Budget,
    observer: Option<&dyn Observer>,
    passed: &mut u64,
) -> Result<(), End> {
    let mut room = SMALLEST;
    loop {
        // Memory is taken when there is something to read: idle connections have none.
        tcp.readable().await.map_err(|_| End::TcpReset)?;
        let mut bytes = BytesMut::with_capacity(room);
        let read = match try_read(tcp.as_ref(), room, || tcp.try_read_buf(&mut bytes)) {
            Ok(0) => {
                flow.finish();
                if let Some(observer) = observer {
                    observer.ended(Way::ToFlow);
                }
                return Ok(());
            }
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return Err(End::TcpReset),
        };
        room = next_room(room, read);
        let bytes = bytes.freeze();
        if let Some(observer) = observer {
            observer.passed(Way::ToFlow, bytes.clone());
        }
        tokio::select! {
            biased;
            written = flow.chunk(bytes) => written?,
            end = broken(tcp) => return Err(end),
            // Not before the flow holds it back.
            () = async { budget.hold(read).evicted().await } => return Err(End::Stalled),
        }
        *passed += read as u64;
    }
}

/// Follows what the connection sends.
fn next_room(room: usize, read: usize) -> usize {
    if read >= room {
        (room * 2).min(LARGEST)
    } else if read < room / 4 {
        (room / 2).max(SMALLEST)
    } else {
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_grows_with_full_reads_and_shrinks_with_small_ones() {
        assert_eq!(next_room(SMALLEST, SMALLEST), 2 * SMALLEST);
        assert_eq!(next_room(LARGEST, LARGEST), LARGEST);
        assert_eq!(next_room(LARGEST, 1), LARGEST / 2);
        assert_eq!(next_room(SMALLEST, 1), SMALLEST);
        assert_eq!(next_room(LARGEST, LARGEST / 2), LARGEST);
    }
}
