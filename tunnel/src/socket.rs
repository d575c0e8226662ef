//! Reading a TCP socket without asking it twice.

use std::io;

use tokio::{io::Interest, net::TcpStream};

/// One of Tokio's `try_read`s into a buffer of `room` bytes. One that did not fill it has emptied the socket, so the
/// next wait is for more to come. Without this the socket would be read once more only to learn that, which is a third
/// of all system calls for small messages.
///
/// # Errors
/// Those of `read`; `WouldBlock` when nothing has come.
pub fn try_read(tcp: &TcpStream, room: usize, read: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
    let mut outcome = Err(io::ErrorKind::WouldBlock.into());
    // What comes after this call began is not missed: Tokio then keeps the socket ready. So is a socket that has ended.
    let _ = tcp.try_io(Interest::READABLE, || {
        outcome = read();
        match &outcome {
            Ok(length) if (1..room).contains(length) => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    });
    outcome
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    fn read(tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        try_read(tcp, into.len(), || tcp.try_read(into))
    }

    #[tokio::test]
    async fn a_socket_that_was_emptied_is_not_asked_again_until_more_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tcp, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (tcp, mut peer) = (tcp.unwrap(), accepted.unwrap().0);
        let mut buffer = [0; 4];

        peer.write_all(b"abcdefg").await.unwrap();
        tcp.readable().await.unwrap();
        assert_eq!(read(&tcp, &mut buffer).unwrap(), 4);
        assert!(tcp.readable().now_or_never().is_some(), "the buffer was full, so there may be more");
        assert_eq!(read(&tcp, &mut buffer).unwrap(), 3);
        assert!(tcp.readable().now_or_never().is_none());

        peer.write_all(b"h").await.unwrap();
        tcp.readable().await.unwrap();
        assert_eq!(read(&tcp, &mut buffer).unwrap(), 1);

        drop(peer);
        tcp.readable().await.unwrap();
        assert_eq!(read(&tcp, &mut buffer).unwrap(), 0);
        assert!(tcp.readable().now_or_never().is_some(), "an end stays an end");
    }
}
