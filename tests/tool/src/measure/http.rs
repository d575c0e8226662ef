//! The same figures of HTTP/1.1, of a service of `serve --port`.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::PIECE;

/// Longest body that `/large/BYTES` gives.
const LARGEST: u64 = 64 << 20;

/// Bytes of one request; the service keeps them in memory.
const POSTED: u64 = 16 << 20;

/// A kept connection.
pub(super) struct Kept(BufReader<TcpStream>);

impl Kept {
    pub(super) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(PIECE, stream)))
    }

    /// Sends so many bytes, and waits for the answers.
    pub(super) async fn up(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            let part = left.min(POSTED);
            self.post(part).await?;
            left -= part;
        }
        Ok(())
    }

    async fn post(&mut self, bytes: u64) -> io::Result<()> {
        let head = format!("POST /up HTTP/1.1\r\nHost: web\r\nContent-Length: {bytes}\r\n\r\n");
        self.0.get_mut().write_all(head.as_bytes()).await?;
        let piece = vec![7; PIECE];
        let mut left = bytes;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            self.0.get_mut().write_all(piece.get(..length).unwrap_or_default()).await?;
            left -= length as u64;
        }
        self.answer().await.map(drop)
    }

    /// Gets so many bytes.
    pub(super) async fn down(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            let part = left.min(LARGEST);
            self.ask(&format!("/large/{part}")).await?;
            let length = self.answer().await?;
            if length != part {
                return Err(io::Error::other(format!("{length} of {part} bytes came")));
            }
            left -= part;
        }
        Ok(())
    }

    /// One small question and its answer.
    pub(super) async fn exchange(&mut self) -> io::Result<()> {
        self.ask("/").await?;
        self.answer().await.map(drop)
    }

    async fn ask(&mut self, path: &str) -> io::Result<()> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: web\r\nAccept: */*\r\nUser-Agent: tool\r\n\r\n");
        self.0.get_mut().write_all(head.as_bytes()).await
    }

    /// Reads an answer; the length of its body.
    async fn answer(&mut self) -> io::Result<u64> {
        let mut length = None;
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<u64>().ok();
            }
        }
        let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
        let mut left = length;
        let mut piece = vec![0; PIECE.min(usize::try_from(length).unwrap_or(PIECE)).max(1)];
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(PIECE).min(piece.len());
            match self.0.read(piece.get_mut(..room).unwrap_or_default()).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => left -= read as u64,
            }
        }
        Ok(length)
    }
}
