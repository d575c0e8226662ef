//! Two bodies, line by line or byte by byte.

use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

use crate::decode::{self, Contents};
use crate::exchange::Message;

/// So much of a text is compared, up to the end of a line.
const COMPARED: usize = 64 << 10;
/// So long a comparison may take; what it has not found by then is coarser.
const TIME: Duration = Duration::from_millis(500);
/// So many equal lines are shown around what differs.
const CONTEXT: usize = 3;

/// How two bodies relate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bodies {
    /// They are the same.
    Same {
        /// What has to be known about that, for people: "the same contents, packed or written in another way".
        notes: Vec<String>,
    },
    /// They are texts that are not the same.
    Lines(Changed),
    /// They are no texts, or differ beyond what is compared of them.
    Bytes {
        /// Bytes of the first.
        a: u64,
        /// Bytes of the second.
        b: u64,
        /// Where they differ first, of their contents; none: beyond what was kept, or is compared.
        first: Option<u64>,
    },
}

/// Texts that are not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Places that differ, with the lines around them; between two of them others are left out.
    pub hunks: Vec<Vec<Change>>,
    /// Lines that differ: of each run of changed lines the longer side.
    pub lines: usize,
    /// What has to be known, for people.
    pub notes: Vec<String>,
}

/// A line of a text. Of control characters it has tabs at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// In both.
    Same(String),
    /// Only in the first.
    Removed(String),
    /// Only in the second.
    Added(String),
}

impl Bodies {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        matches!(self, Self::Same { .. })
    }

    /// Lines that differ.
    pub fn lines(&self) -> usize {
        match self {
            Self::Lines(changed) => changed.lines,
            Self::Same { .. } | Self::Bytes { .. } => 0,
        }
    }
}

pub(super) fn compare(a: &Message, b: &Message) -> Bodies {
    let whole = a.body.is_whole() && b.body.is_whole();
    let as_far = |notes: &mut Vec<String>| {
        if !whole {
            notes.push("compared as far as they were kept".to_owned());
        }
    };
    let mut notes = Vec::new();
    if a.body.kept == b.body.kept && a.body.size == b.body.size {
        as_far(&mut notes);
        return Bodies::Same { notes };
    }
    let (text_a, text_b) = (decode::body(a), decode::body(b));
    if text_a.binary || text_b.binary {
        let (contents_a, contents_b) = (decode::contents(a), decode::contents(b));
        return bytes(&contents_a, &contents_b, (a.body.size, b.body.size));
    }
    as_far(&mut notes);
    let (from, to) = (beginning(&text_a.text, &mut notes), beginning(&text_b.text, &mut notes));
    if from == to && whole && notes.is_empty() {
        notes.push("the same contents, written in another way".into());
        return Bodies::Same { notes };
    }
    let mut changed = lines(from, to);
    if changed.lines == 0 {
        let sizes = (a.body.size, b.body.size);
        return match (whole, sizes.0 == sizes.1) {
            // Both were kept in part, are as long, and nothing that was kept differs.
            (false, true) => Bodies::Same { notes },
            _ => Bodies::Bytes { a: sizes.0, b: sizes.1, first: None },
        };
    }
    changed.notes = notes;
    Bodies::Lines(changed)
}

fn bytes(a: &Contents, b: &Contents, sizes: (u64, u64)) -> Bodies {
    let differs = a.bytes.iter().zip(b.bytes.iter()).position(|(a, b)| a != b);
    let shorter = a.bytes.len().min(b.bytes.len());
    let longer = (a.whole && b.bytes.len() > shorter) || (b.whole && a.bytes.len() > shorter);
    let first = differs.or(longer.then_some(shorter));
    if first.is_none() && a.whole && b.whole {
        return Bodies::Same { notes: vec!["the same contents, packed in another way".into()] };
    }
    let size =
        |contents: &Contents, passed| if contents.whole { contents.bytes.len() as u64 } else { passed };
    Bodies::Bytes { a: size(a, sizes.0), b: size(b, sizes.1), first: first.map(|at| at as u64) }
}

/// The lines that are compared.
fn beginning<'a>(text: &'a str, notes: &mut Vec<String>) -> &'a str {
    if text.len() <= COMPARED {
        return text;
    }
    let note = "only the first 64 KiB of text are compared".to_owned();
    if !notes.contains(&note) {
        notes.push(note);
    }
    let end = text.floor_char_boundary(COMPARED);
    let cut = text.get(..end).unwrap_or_default();
    cut.rfind('\n').and_then(|at| cut.get(..=at)).unwrap_or(cut)
}

fn lines(a: &str, b: &str) -> Changed {
    let (from, to): (Vec<&str>, Vec<&str>) = (a.lines().collect(), b.lines().collect());
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).timeout(TIME).diff_slices(&from, &to);
    let counts = diff.ops().iter().filter(|op| op.tag() != similar::DiffTag::Equal);
    let lines = counts.map(|op| op.old_range().len().max(op.new_range().len())).sum();
    let hunk = |group: Vec<similar::DiffOp>| {
        let changes = group.iter().flat_map(|op| diff.iter_changes(op)).map(|change| {
            let text = change.value().to_owned();
            match change.tag() {
                ChangeTag::Equal => Change::Same(text),
                ChangeTag::Delete => Change::Removed(text),
                ChangeTag::Insert => Change::Added(text),
            }
        });
        changes.collect()
    };
    Changed { hunks: diff.grouped_ops(CONTEXT).into_iter().map(hunk).collect(), lines, notes: Vec::new() }
}
