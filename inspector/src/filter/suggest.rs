//! What somebody may have meant who wrote what is no term.

use super::error::shown;
use super::fields::{FIELDS, Field};
use super::words::{is_plain_value, quote};

/// Longer words than this are nobody's slip of the finger, and comparing them takes the square of their length.
const WORD_LIMIT: usize = 40;

/// Words that other tools have for our fields.
const ELSEWHERE: [(&str, &str); 26] = [
    ("addr", "from"),
    ("authority", "host"),
    ("body.answer", "answer.body"),
    ("caller", "from"),
    ("client", "from"),
    ("code", "status"),
    ("domain", "host"),
    ("duration", "latency"),
    ("failed", "error"),
    ("headers", "header"),
    ("ip", "from"),
    ("length", "size"),
    ("mime", "type"),
    ("params", "query"),
    ("protocol", "version"),
    ("req", "header"),
    ("request", "header"),
    ("request.body", "body"),
    ("resp", "answer"),
    ("response", "answer"),
    ("response.body", "answer.body"),
    ("source", "from"),
    ("time", "latency"),
    ("uri", "path"),
    ("url", "path"),
    ("verb", "method"),
];

const NO_PARENTHESES: &str =
    "there are no parentheses: alternatives, each with all of its terms, have `or` between them";

/// The one of `words` that is written almost so.
pub(super) fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_LIMIT {
        return None;
    }
    let small = word.to_lowercase();
    let far = if small.len() > 4 { 2 } else { 1 };
    let distances =
        words.into_iter().map(|other| (strsim::osa_distance(&small, &other.to_lowercase()), other));
    let near = distances.filter(|(distance, other)| *distance <= far && *distance < other.len());
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// The field that somebody meant who wrote `name`.
fn field(name: &str) -> Option<&'static str> {
    let small = name.to_lowercase();
    let same = FIELDS.iter().map(|field| field.name).find(|field| *field == small);
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == small).map(|(_, field)| *field);
    same.or(elsewhere).or_else(|| nearest(name, FIELDS.iter().map(|field| field.name)))
}

/// For a term with an operator whose field, up to the first dot, is none.
pub(super) fn for_field(name: &str, full: &str) -> String {
    if name.starts_with('(') {
        return NO_PARENTHESES.into();
    }
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == full).map(|(_, field)| (*field).to_owned());
    let meant = elsewhere.or_else(|| field(name).map(|field| usage(field, full != name)));
    match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if name.starts_with('/') => "a path is asked for by `path=/…` or `path~…`".into(),
        None if name.contains('-') => format!("did you mean `header.{}`?", shown(full)),
        None => {
            let mut all: Vec<_> = FIELDS.iter().map(Field::usage).collect();
            all.sort();
            format!("fields are {}", all.join(", "))
        }
    }
}

/// For a term without an operator that is no field.
pub(super) fn for_word(word: &str) -> Option<String> {
    let term = match word {
        "OR" | "|" | "||" => return Some("alternatives have `or` between them".into()),
        "and" | "AND" | "&" | "&&" => {
            return Some("terms beside each other are joined by and, without a word".into());
        }
        "not" | "NOT" => return Some("`!` before a term negates it".into()),
        _ if word.starts_with('(') => return Some(NO_PARENTHESES.into()),
        _ if is_status(word) => format!("status={}", word.to_lowercase()),
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => format!("method={word}"),
        _ if word.chars().count() > WORD_LIMIT || word.contains(char::is_control) => return None,
        _ => match field(word) {
            Some(field) => usage(field, false),
            None => on_path(word),
        },
    };
    Some(format!("did you mean `{term}`?"))
}

/// A field as it is to be written where a name behind a dot was written or not.
fn usage(name: &str, named: bool) -> String {
    let field = Field::find(name, named).or_else(|| FIELDS.iter().find(|field| field.name == name));
    field.map_or_else(|| name.to_owned(), Field::usage)
}

/// A search for the word in the path; what would be something else in a regular expression is looked for as it is.
fn on_path(word: &str) -> String {
    let is_regex = word.contains(|c: char| r"\+*?()[]{}^$|".contains(c));
    let (operator, value) = match is_regex {
        true if word.starts_with(['/', '*']) && word.contains('*') => ("=", word.to_owned()),
        true => ("=", format!("*{word}*")),
        false => ("~", word.to_owned()),
    };
    let plain = is_plain_value(&value);
    format!("path{operator}{}", if plain { value } else { quote(&value) })
}

fn is_status(word: &str) -> bool {
    let mut bytes = word.bytes();
    let first = bytes.next().is_some_and(|byte| matches!(byte, b'1'..=b'5'));
    let rest = word.get(1..).unwrap_or_default();
    first
        && (rest.eq_ignore_ascii_case("xx")
            || rest.len() == 2 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}
