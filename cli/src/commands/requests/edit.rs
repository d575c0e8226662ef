//! A request in the user's editor: its lines, an empty line, its body.
//!
//! The file holds what was sent, secrets too: it is this user's own (0600), and gone when the editor has ended.

use std::io::Write;
use std::process::Command;

use bytes::Bytes;
use inspector::Header;

use super::again::replace;
use crate::error::{Exit, Failure};
use crate::session::inspect::replay::Outgoing;

/// What stands above the request.
const HEAD: &str = "# Change the request and save it: it is sent when the editor ends. An empty file sends nothing.\n\
                    # The length of the body is counted again. Lines like these are not sent.\n";

/// Lets the user change it; false: it shall not be sent.
///
/// # Errors
/// There is no editor, it failed, or what it left is no request.
pub(in crate::commands) fn edit(outgoing: &mut Outgoing) -> Result<bool, Failure> {
    let failed = |why: String| {
        Failure::new("DB-REQUESTS-017", Exit::Failure, "the editor failed; nothing was sent")
            .why(why)
            .fix("VISUAL=nano devbridge requests replay …")
    };
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".into());
    let text = text(outgoing);
    let mut file = tempfile::Builder::new()
        .prefix("request-")
        .suffix(".http")
        .tempfile()
        .map_err(|error| failed(error.to_string()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(|error| failed(error.to_string()))?;
    // As git does it: the variable may hold arguments.
    let status = Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(file.path()).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(failed(format!("{editor}: {status}"))),
        Err(error) => return Err(failed(format!("{editor}: {error}"))),
    }
    let written = std::fs::read(file.path()).map_err(|error| failed(error.to_string()))?;
    let wrong = |why: &str| {
        Failure::new("DB-REQUESTS-018", Exit::Usage, "what was saved is no request; nothing was sent")
            .why(why)
    };
    parse(&written, outgoing).map_err(wrong)
}

/// Whether its body is shown: text that is not encoded.
fn shows_body(outgoing: &Outgoing) -> bool {
    let body = &outgoing.request.body;
    let plain = outgoing.request.header("content-encoding").next().is_none();
    let text = std::str::from_utf8(&body.kept).is_ok_and(|text| !text.contains('\0'));
    plain && text && body.is_whole()
}

fn text(outgoing: &Outgoing) -> String {
    let mut text = HEAD.to_owned();
    let shown = shows_body(outgoing);
    if !shown {
        text.push_str(
            "# The body is no text: it stays as it is, unless there is something below the empty line.\n",
        );
    }
    text.push_str(&format!("{} {}\nHost: {}\n", outgoing.method, outgoing.target, outgoing.host));
    for Header { name, value } in &outgoing.request.headers {
        if !["host", "content-length"].iter().any(|own| name.eq_ignore_ascii_case(own)) {
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    text.push('\n');
    if shown {
        text.push_str(&String::from_utf8_lossy(&outgoing.request.body.kept));
    }
    text
}

/// Takes over what was saved; false: nothing was.
fn parse(written: &[u8], outgoing: &mut Outgoing) -> Result<bool, &'static str> {
    let shown = shows_body(outgoing);
    let mut rest = written;
    let mut lines = Vec::new();
    while let Some((line, after)) = line(rest) {
        rest = after;
        if line.starts_with(b"#") {
            continue;
        }
        if line.is_empty() {
            if lines.is_empty() {
                continue;
            }
            break;
        }
        lines.push(std::str::from_utf8(line).map_err(|_| "its head is no UTF-8")?);
    }
    let mut lines = lines.into_iter();
    let Some(first) = lines.next() else { return Ok(false) };
    let (method, target) = first.trim().split_once(' ').ok_or("its first line is not METHOD PATH")?;
    // Somebody may have added the version out of habit.
    let target = target.trim().split(' ').next().unwrap_or_default();
    let mut headers = Vec::new();
    let mut host = None;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a header is not NAME: VALUE")?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        if name.eq_ignore_ascii_case("host") {
            host = Some(value);
        } else {
            headers.push(Header { name, value });
        }
    }
    method.clone_into(&mut outgoing.method);
    target.clone_into(&mut outgoing.target);
    outgoing.host = host.unwrap_or_default();
    outgoing.request.headers = headers;
    let mut body = rest;
    if !outgoing.request.body.kept.ends_with(b"\n") {
        // Editors end the last line.
        body = body.strip_suffix(b"\n").unwrap_or(body);
    }
    if (shown && body != &outgoing.request.body.kept[..]) || (!shown && !body.is_empty()) {
        replace(outgoing, Bytes::copy_from_slice(body));
    }
    Ok(true)
}

/// The first line without its end, and what is behind it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (bytes.get(..end)?, bytes.get(end + 1..)?),
        None => (bytes, &[][..]),
    };
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest))
}

#[cfg(test)]
mod tests {
    use inspector::{Body, Message};

    use super::*;
    use crate::session::inspect::replay::To;

    fn outgoing(body: &'static [u8]) -> Outgoing {
        Outgoing {
            of: 1,
            to: To::Process,
            method: "POST".into(),
            target: "/a?b".into(),
            host: "web".into(),
            request: Message {
                headers: vec![
                    Header { name: "Content-Length".into(), value: "7".into() },
                    Header { name: "x-user".into(), value: "alice".into() },
                ],
                body: Body { size: body.len() as u64, kept: Bytes::from_static(body), ..Body::default() },
                trailers: Vec::new(),
            },
        }
    }

    #[test]
    fn what_is_not_changed_stays_whatever_the_editor_ends_it_with() {
        for body in [&b"{\n\n# 1}"[..], b"{}\n", b"", b"\xff\0"] {
            for end in ["", "\n"] {
                let mut edited = outgoing(body);
                let saved = text(&edited) + end;
                assert_eq!(parse(saved.as_bytes(), &mut edited), Ok(true));
                if !(body.ends_with(b"\n") && end == "\n") {
                    assert_eq!(edited.request.body, outgoing(body).request.body, "{body:?} {end:?}");
                }
                assert_eq!(edited.request.headers, outgoing(body).request.headers[1..]);
                assert_eq!((edited.method.as_str(), edited.target.as_str()), ("POST", "/a?b"));
            }
        }
    }

    #[test]
    fn an_empty_file_sends_nothing_and_what_is_no_request_is_told() {
        assert_eq!(parse(b"", &mut outgoing(b"")), Ok(false));
        assert_eq!(parse(HEAD.as_bytes(), &mut outgoing(b"")), Ok(false));
        for wrong in [&b"GET\n\n"[..], b"GET /\nno header\n\n", b"GET /\n\xff: x\n\n"] {
            assert!(parse(wrong, &mut outgoing(b"")).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn all_of_it_can_be_changed() {
        let mut edited = outgoing(b"old");
        let saved = b"# x\n\nPUT /c HTTP/1.1\nHost: other\nx-new: 1\n\n# body\nline";
        assert_eq!(parse(saved, &mut edited), Ok(true));
        assert_eq!(
            (edited.method.as_str(), edited.target.as_str(), edited.host.as_str()),
            ("PUT", "/c", "other")
        );
        assert_eq!(edited.request.headers, [Header { name: "x-new".into(), value: "1".into() }]);
        assert_eq!(&edited.request.body.kept[..], b"# body\nline");
    }
}
