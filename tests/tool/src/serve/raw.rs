//! Raw connections: what the first line says decides which end speaks, how much, and who closes how.

use std::collections::HashMap;
use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::bytes::{self, Pattern};

const PIECE: usize = 64 * 1024;

/// Bytes that came after this end had closed its own direction, by the caller's key.
static AFTER_CLOSE: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);

/// ```text
/// echo          sends back all it gets; ends when the caller's direction does
/// sink          reads to the end, then: <count> <sha256>
/// take N        reads N bytes, then: <N>; for ways that cannot end one direction alone
/// source N S    sends N bytes of pattern S, ends its direction
/// first KEY     ends its own direction at once, then reads to the end
/// heard KEY     sends how much `first KEY` read
/// reset         resets the connection
/// ```
pub(super) async fn talk(stream: TcpStream) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::with_capacity(PIECE, reader);
    let mut line = String::new();
    (&mut reader).take(256).read_line(&mut line).await?;
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    match words.as_slice() {
        ["echo"] => {
            tokio::io::copy_buf(&mut reader, &mut writer).await?;
        }
        ["sink"] => {
            let (count, hash) = drain(&mut reader).await?;
            writer.write_all(format!("{count} {hash}\n").as_bytes()).await?;
        }
        ["take", count] => {
            let Ok(count) = count.parse::<u64>() else { return Ok(()) };
            let got = tokio::io::copy_buf(&mut (&mut reader).take(count), &mut tokio::io::sink()).await?;
            writer.write_all(format!("{got}\n").as_bytes()).await?;
        }
        ["source", count, seed] => {
            let (Ok(mut left), Ok(seed)) = (count.parse::<u64>(), seed.parse()) else { return Ok(()) };
            let mut pattern = Pattern::new(seed);
            let mut piece = vec![0; PIECE];
            while left > 0 {
                pattern.fill(&mut piece);
                let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                writer.write_all(piece.get(..length).unwrap_or_default()).await?;
                left -= length as u64;
            }
        }
        ["first", key] => {
            writer.shutdown().await?;
            let (count, _) = drain(&mut reader).await?;
            AFTER_CLOSE.lock().unwrap_or_else(PoisonError::into_inner).insert((*key).to_owned(), count);
        }
        ["heard", key] => {
            let heard = AFTER_CLOSE.lock().unwrap_or_else(PoisonError::into_inner).get(*key).copied();
            writer
                .write_all(heard.map_or("nothing\n".to_owned(), |count| format!("{count}\n")).as_bytes())
                .await?;
        }
        ["reset"] => {
            let stream = reader.into_inner().reunite(writer).map_err(io::Error::other)?;
            stream.set_zero_linger()?;
            return Ok(());
        }
        _ => writer.write_all(b"unknown manner\n").await?,
    }
    writer.shutdown().await
}

/// Says who it is before it hears anything, then echoes.
pub(super) async fn greet(stream: TcpStream, by: &str) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(format!("220 {by}\n").as_bytes()).await?;
    tokio::io::copy(&mut reader, &mut writer).await?;
    writer.shutdown().await
}

async fn drain(reader: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut count = 0;
    loop {
        let piece = reader.fill_buf().await?;
        if piece.is_empty() {
            return Ok((count, bytes::hex(hash.finalize().as_slice())));
        }
        hash.update(piece);
        let length = piece.len();
        count += length as u64;
        reader.consume(length);
    }
}
