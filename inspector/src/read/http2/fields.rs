//! What the fields of a header block say (RFC 9113 §8).

use crate::{
    Header, Version,
    read::{Unreadable, field, hpack::Field, progress::Request},
};

/// Of a request; none: it has no such one.
#[derive(Default)]
struct Pseudo {
    method: Option<String>,
    scheme: Option<String>,
    authority: Option<String>,
    path: Option<String>,
    protocol: Option<String>,
    status: Option<String>,
}

/// Reads a request's head.
pub(super) fn request(fields: Vec<Field>) -> Result<Request, Unreadable> {
    let (pseudo, headers) = read(fields)?;
    let method = pseudo.method.filter(|method| !method.is_empty()).ok_or(Unreadable)?;
    if pseudo.status.is_some() || !method.bytes().all(field::is_token) {
        return Err(Unreadable);
    }
    let said = headers.iter().find(|header| header.name == "host");
    let host = pseudo.authority.or_else(|| said.map(|header| header.value.clone())).unwrap_or_default();
    let target = match pseudo.path {
        Some(path) => path,
        None if method == "CONNECT" => host.clone(),
        None => return Err(Unreadable),
    };
    Ok(Request { version: Version::Http2, method, target, host, headers })
}

/// Reads an answer's head: its status and its headers.
pub(super) fn answer(fields: Vec<Field>) -> Result<(u16, Vec<Header>), Unreadable> {
    let (pseudo, headers) = read(fields)?;
    let status = pseudo.status.ok_or(Unreadable)?;
    if status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) || status.starts_with('0') {
        return Err(Unreadable);
    }
    Ok((status.parse().map_err(|_| Unreadable)?, headers))
}

/// Reads headers after a body.
pub(super) fn trailers(fields: Vec<Field>) -> Result<Vec<Header>, Unreadable> {
    if fields.iter().any(|field| field.name.starts_with(b":")) {
        return Err(Unreadable);
    }
    read(fields).map(|(_, headers)| headers)
}

fn read(fields: Vec<Field>) -> Result<(Pseudo, Vec<Header>), Unreadable> {
    let mut pseudo = Pseudo::default();
    let mut headers = Vec::with_capacity(fields.len());
    for Field { name, value } in fields {
        if value.iter().copied().any(field::is_control) {
            return Err(Unreadable);
        }
        let Some(kind) = name.strip_prefix(b":") else {
            if name.is_empty()
                || !name.iter().all(|byte| field::is_token(*byte) && !byte.is_ascii_uppercase())
            {
                return Err(Unreadable);
            }
            headers.push(field::header(str::from_utf8(&name).map_err(|_| Unreadable)?, &value));
            continue;
        };
        let place = match kind {
            b"method" => &mut pseudo.method,
            b"scheme" => &mut pseudo.scheme,
            b"authority" => &mut pseudo.authority,
            b"path" => &mut pseudo.path,
            b"protocol" => &mut pseudo.protocol,
            b"status" => &mut pseudo.status,
            _ => return Err(Unreadable),
        };
        // They come first, and once each.
        if !headers.is_empty() || place.replace(field::text(&value)).is_some() {
            return Err(Unreadable);
        }
    }
    Ok((pseudo, headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[&str]) -> Vec<Field> {
        let field = |line: &&str| {
            let (name, value) = line.rsplit_once('=').unwrap();
            Field { name: name.into(), value: value.into() }
        };
        lines.iter().map(field).collect()
    }

    fn asked(lines: &[&str]) -> Option<[String; 3]> {
        request(fields(lines)).ok().map(|request| [request.method, request.host, request.target])
    }

    #[test]
    fn a_request_is_made_of_its_pseudo_headers() {
        let get = asked(&[":method=GET", ":scheme=http", ":authority=h", ":path=/a?b", "host=other"]);
        assert_eq!(get, Some(["GET".into(), "h".into(), "/a?b".into()]));
        let host = asked(&[":method=GET", ":path=/", "accept=x", "host=h"]);
        assert_eq!(host, Some(["GET".into(), "h".into(), "/".into()]));
        let connect = asked(&[":method=CONNECT", ":authority=h:1"]);
        assert_eq!(connect, Some(["CONNECT".into(), "h:1".into(), "h:1".into()]));
    }

    #[test]
    fn malformed_requests_and_answers_are_not_read() {
        for lines in [
            &[":path=/"][..],
            &[":method=", ":path=/"],
            &[":method=G T", ":path=/"],
            &[":method=GET"],
            &[":method=GET", ":method=GET", ":path=/"],
            &[":method=GET", "a=b", ":path=/"],
            &[":method=GET", ":path=/", ":status=200"],
            &[":method=GET", ":path=/", ":other=x"],
            &[":method=GET", ":path=/", "Upper=x"],
            &[":method=GET", ":path=/", "=x"],
            &[":method=GET", ":path=/", "a=line\r\nline"],
            &[":method=GET", ":path=/", "gr\u{fc}n=x"],
        ] {
            assert_eq!(asked(lines), None, "{lines:?}");
        }
        for lines in [&["a=b"][..], &[":status=20"], &[":status=+20"], &[":status=2000"], &[":status=099"]] {
            assert_eq!(answer(fields(lines)), Err(Unreadable), "{lines:?}");
        }
        assert_eq!(trailers(fields(&[":status=200"])), Err(Unreadable));
    }
}
