//! Which names have secrets as their values.
//!
//! Names are compared by their letters and digits: `X-Api-Key`, `api_key` and `apiKey` are one.

/// Parts of a field's name.
const IN_FIELDS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "sessionid",
];
/// Ends of a field's name.
const ENDS: [&str; 3] = ["token", "pwd", "signature"];
/// Where a list goes on.
const PAGING: [&str; 4] = ["pagetoken", "nexttoken", "continuationtoken", "synctoken"];
/// Whole names of a field: one-time codes, tokens by the names of their kinds, what OAuth, SAML and presigned addresses send.
const FIELDS: [&str; 14] = [
    "pin",
    "otp",
    "totp",
    "jwt",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "sig",
    "phpsessid",
    "assertion",
    "clientassertion",
    "codeverifier",
    "samlresponse",
];

/// Parts of a header's name.
const IN_HEADERS: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "accesskey",
    "privatekey",
    "subscriptionkey",
    "authkey",
    "session",
    "credential",
    "csrf",
];

/// Of a parameter, a form's field, a member of JSON.
pub(super) fn field(name: &str) -> bool {
    let name = folded(name);
    let ends = ENDS.iter().any(|end| name.ends_with(end)) && !PAGING.iter().any(|end| name.ends_with(end));
    ends || IN_FIELDS.iter().any(|part| name.contains(part)) || FIELDS.contains(&name.as_str())
}

/// The code of an OAuth redirect or exchange: only where [`oauth`] is beside it.
pub(super) fn code(name: &str) -> bool {
    matches!(folded(name).as_str(), "code" | "devicecode" | "usercode")
}

/// What stands beside a `code` where OAuth is spoken.
pub(super) fn oauth(name: &str) -> bool {
    matches!(folded(name).as_str(), "state" | "granttype" | "sessionstate" | "redirecturi")
}

/// Of a header, by its name alone.
pub(super) fn header(name: &str, value: &str) -> bool {
    let name = folded(name);
    let counts = name.contains("ratelimit") && value.bytes().all(|byte| byte.is_ascii_digit());
    !counts && (IN_HEADERS.iter().any(|part| name.contains(part)) || name.contains("xsrf"))
}

fn folded(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
