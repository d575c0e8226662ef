//! Just enough HTTP/1.1 for the examples: kept-alive connections, bodies with a length, polite ends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::server::{self, Stopping};

/// How long a server may take to accept, and for each part of its answer.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_HEAD: u64 = 16 * 1024;
const MAX_BODY: usize = 16 * 1024 * 1024;

/// A request, complete with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// As the client wrote it: `/items/tea?x=1`.
    pub path: String,
    /// At most 16 MiB.
    pub body: Vec<u8>,
    close: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, 404, …
    pub status: u16,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer in JSON.
    pub fn json(status: u16, body: String) -> Self {
        Self { status, content_type: "application/json", body: body.into_bytes() }
    }

    /// An answer in plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into().into_bytes() }
    }
}

/// Answers the requests of one connection, one after the other, until the client or the program ends it.
pub fn talk(stream: TcpStream, stopping: &Stopping, answer: impl Fn(&Request) -> Response) {
    // The client sees what went wrong by the connection's end; there is nobody else to tell.
    let _ = talk_until_closed(stream, stopping, answer);
}

fn talk_until_closed(
    stream: TcpStream,
    stopping: &Stopping,
    answer: impl Fn(&Request) -> Response,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while server::wait_for_input(&mut reader, stopping)? {
        let request = match read_request(&mut reader, &mut writer) {
            Ok(request) => request,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return write_response(&mut writer, &Response::text(400, format!("{error}\n")), true, false);
            }
            Err(error) => return Err(error),
        };
        let response = answer(&request);
        let close = request.close || stopping.is_asked();
        write_response(&mut writer, &response, close, request.method == "HEAD")?;
        if close {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead, writer: &mut impl Write) -> io::Result<Request> {
    let mut head = reader.take(MAX_HEAD);
    let first = read_line(&mut head)?;
    let mut words = first.split(' ');
    let (Some(method), Some(path), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(invalid("not an HTTP request"));
    };
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut close = version == "HTTP/1.0";
    let mut length = 0;
    let mut asks = false;
    loop {
        let line = read_line(&mut head)?;
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { return Err(invalid("header without a colon")) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                length = value.parse().map_err(|_| invalid("content-length is not a number"))?
            }
            "connection" => close |= value.eq_ignore_ascii_case("close"),
            "transfer-encoding" => return Err(invalid("a body needs a content-length")),
            "expect" => asks = value.eq_ignore_ascii_case("100-continue"),
            _ => {}
        }
    }
    if length > MAX_BODY {
        return Err(invalid("body too long"));
    }
    if asks {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request { method, path, body, close })
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn write_response(writer: &mut impl Write, response: &Response, close: bool, head: bool) -> io::Result<()> {
    let reason = match response.status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        _ => "Error",
    };
    let mut bytes = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n",
        response.status,
        response.content_type,
        response.body.len(),
        if close { "Connection: close\r\n" } else { "" },
    )
    .into_bytes();
    if !head {
        bytes.extend_from_slice(&response.body);
    }
    writer.write_all(&bytes)
}

/// Fetches `http://{authority}{path}` on a connection of its own; gives the status and the body.
///
/// # Errors
///
/// When the server cannot be reached or does not speak HTTP/1.1; after 10 seconds of silence.
pub fn get(authority: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = connect(authority)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_BODY as u64).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| invalid("not an HTTP answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| invalid("answer without a status"))?, body.to_owned()))
}

/// Opens a connection to `host`, `host:port`; port 80 unless given.
///
/// # Errors
///
/// When no address of the host accepts within 10 seconds.
pub fn connect(authority: &str) -> io::Result<TcpStream> {
    let with_port = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in with_port.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Request> {
        read_request(&mut BufReader::new(bytes), &mut io::sink())
    }

    #[test]
    fn a_request_is_read_with_its_body_and_no_further() {
        let mut rest = &b"POST /a HTTP/1.1\r\nHost: x\r\ncontent-length: 3\r\n\r\nabcGET"[..];
        let request = read_request(&mut rest, &mut io::sink()).unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/a"));
        assert_eq!(request.body, b"abc");
        assert!(!request.close);
        assert_eq!(rest, b"GET");
    }

    #[test]
    fn what_is_not_a_request_is_refused() {
        for bytes in [
            &b"hello\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        ] {
            assert_eq!(read(bytes).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn a_cut_request_is_not_answered() {
        assert_eq!(read(b"GET / HT").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
