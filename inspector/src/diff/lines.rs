//! A comparison as lines for people.

use super::{Bodies, Change, Compared, Diff, Differing};
use crate::decode::printable;
use crate::text::{Line, Role, TAB, fit};

impl Diff {
    /// What differs, after the summary: `- ` before what only the first has, `+ ` before what only the second has.
    pub fn lines(&self) -> Vec<Line> {
        let role = if self.is_same() { Role::Good } else { Role::Title };
        let mut lines = vec![Line::of(role, self.summary())];
        let parts = [("request", &self.request), ("answer", &self.answer)];
        for (name, part) in parts.into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?))) {
            let of_part = compared(part);
            if of_part.is_empty() {
                continue;
            }
            lines.push(Line::default());
            if self.request.is_some() && self.answer.is_some() {
                lines.push(Line::of(Role::Title, name));
            }
            lines.extend(of_part);
        }
        lines
    }
}

fn compared(part: &Compared) -> Vec<Line> {
    let mut lines = Vec::new();
    let (a, b) = &part.first;
    if a == b && !part.is_same() {
        lines.push(line(Role::Plain, ' ', a));
    } else if a != b {
        lines.push(line(Role::Removed, '-', a));
        lines.push(line(Role::Added, '+', b));
    }
    part.headers.iter().for_each(|header| of_header(&mut lines, header));
    of_body(&mut lines, &part.body);
    lines
}

fn of_header(lines: &mut Vec<Line>, header: &Differing) {
    let mut side = |values: &[String], role, sign| {
        let role = if header.volatile { Role::Dim } else { role };
        let said = values.iter().map(|value| format!("{}: {}", printable(&header.name), printable(value)));
        lines.extend(said.map(|said| {
            let line = line(role, sign, &said);
            if header.volatile { line.and(Role::Dim, " (always differs)") } else { line }
        }));
    };
    side(&header.a, Role::Removed, '-');
    side(&header.b, Role::Added, '+');
}

fn of_body(lines: &mut Vec<Line>, body: &Bodies) {
    let mut note =
        |notes: &[String]| lines.extend(notes.iter().map(|note| Line::of(Role::Dim, format!("({note})"))));
    match body {
        Bodies::Same { notes } => note(notes),
        Bodies::Bytes { a, b, first } => {
            let sizes = format!("the bodies differ: {} and {} bytes", a, b);
            let at =
                first.map_or(", beyond what is compared".to_owned(), |at| format!(", from byte {at} on"));
            lines.push(Line::of(Role::Bad, format!("{sizes}{at}")));
        }
        Bodies::Lines(changed) => {
            note(&changed.notes);
            for (index, hunk) in changed.hunks.iter().enumerate() {
                if index > 0 {
                    lines.push(Line::of(Role::Dim, fit::CUT));
                }
                lines.extend(hunk.iter().map(|change| match change {
                    Change::Same(text) => line(Role::Plain, ' ', text),
                    Change::Removed(text) => line(Role::Removed, '-', text),
                    Change::Added(text) => line(Role::Added, '+', text),
                }));
            }
        }
    }
}

fn line(role: Role, sign: char, text: &str) -> Line {
    Line::of(role, format!("{sign} {}", fit::expand_tabs(text, TAB)))
}
