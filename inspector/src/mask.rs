//! Secrets are covered unless somebody wants to see them: whoever shares a screen, or pastes an exchange into an issue, shares
//! what is in it.
//!
//! Covered are
//!
//! - headers and trailers: `Authorization` and `Proxy-Authorization` (a well-known scheme stays: `Bearer ••••`), `Cookie` and
//!   `Set-Cookie` (names and attributes stay), bearer tokens of Kubernetes in `Sec-WebSocket-Protocol`, and every header whose
//!   name contains `token`, `secret`, `password`, `passwd`, `api-key`, `access-key`, `private-key`, `subscription-key`, `auth-key`,
//!   `session`, `credential`, `csrf` or `xsrf`; of names with `ratelimit` numbers stay, they count tokens;
//! - parameters of a query or a fragment, in the target and in headers that hold an address (`Location`, `Referer`, ...); fields
//!   of a form, urlencoded or multipart; members of JSON at any depth: names that contain `password`, `passwd`, `passphrase`,
//!   `secret`, `api_key`, `access_key`, `private_key`, `credential` or `session_id`; that end with `token`, `pwd` or `signature`
//!   (tokens of paging are none: `page_token`, `next_token`, `continuation_token`, `sync_token`); and `pin`, `otp`, `totp`, `jwt`,
//!   `auth`, `authorization`, `bearer`, `cookie`, `sig`, `phpsessid`, `assertion`, `client_assertion`, `code_verifier`,
//!   `saml_response`. An object or array of such a name is covered with all strings and numbers in it;
//! - `code`, `device_code` and `user_code` in queries and forms where OAuth is spoken, with `state`, `session_state`,
//!   `grant_type` or `redirect_uri` beside it. In JSON a `code` is nearly always the number of an error, and stays;
//! - user and password of an address: `http://••••@host`.
//!
//! `api_key`, `apiKey` and `Api-Key` are one name. Nothing is covered where nothing is: an empty value, `null`, `true` and
//! `false` stay. Other bodies, gRPC's among them, stay as they are.
//!
//! A covered body is packed again as its headers say. [`Body::size`] stays what passed and [`Body::is_whole`] stays true to
//! it; [`Body::covered`] says that `kept` was changed.

mod body;
mod headers;
mod json;
mod names;
#[cfg(test)]
mod tests;
mod url;

use crate::exchange::{Body, Exchange, Message};

/// What stands in the place of a secret.
pub const COVER: &str = "••••";
/// The same for terminals that have ASCII only ([`crate::text::Line::to_ascii`] puts it there).
pub const COVER_ASCII: &str = "****";

/// The exchange with its secrets covered. Covering twice covers no more.
pub fn cover(exchange: &Exchange) -> Exchange {
    let mut covered = exchange.clone();
    covered.target = url::target(&exchange.target);
    covered.host = url::authority(&exchange.host);
    message(&mut covered.request);
    if let Some(answer) = &mut covered.answer {
        message(answer);
    }
    covered
}

/// Whether something was covered in it: it is not what passed.
pub fn is_covered(exchange: &Exchange) -> bool {
    let of = |message: &Message| {
        message.body.covered.is_some()
            || message.headers.iter().chain(&message.trailers).any(|header| header.value.contains(COVER))
    };
    exchange.target.contains(COVER)
        || exchange.host.contains(COVER)
        || of(&exchange.request)
        || exchange.answer.as_ref().is_some_and(of)
}

fn message(message: &mut Message) {
    if let Some((kept, whole)) = body::cover(message) {
        let of = message.body.kept.len() as u64;
        // What was unpacked but not to its end is not all, although all of it had been kept.
        let of = if whole { of } else { of.min(message.body.size.saturating_sub(1)) };
        message.body = Body { kept: kept.into(), covered: Some(of), ..message.body };
    }
    message.headers.iter_mut().chain(&mut message.trailers).for_each(headers::cover);
}
