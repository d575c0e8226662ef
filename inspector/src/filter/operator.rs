//! How a field is compared with a value.

/// All ways to compare. `!=` and `!~` are read as `=` and `~` of a term that is negated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Like,
    NotLike,
    AtLeast,
    AtMost,
    Above,
    Below,
}

impl Operator {
    /// In the order in which people are told of them.
    pub(super) const ALL: [Self; 8] = [
        Self::Equal,
        Self::NotEqual,
        Self::Like,
        Self::NotLike,
        Self::Above,
        Self::AtLeast,
        Self::Below,
        Self::AtMost,
    ];

    /// The one that `text` begins with; `>=` rather than `>`.
    pub(super) fn at_start(text: &str) -> Option<Self> {
        let there = Self::ALL.into_iter().filter(|operator| text.starts_with(operator.as_str()));
        there.max_by_key(|operator| operator.as_str().len())
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Like => "~",
            Self::NotLike => "!~",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::Below => "<",
        }
    }

    /// Whether it negates, and what is left without that.
    pub(super) fn split(self) -> (bool, Self) {
        match self {
            Self::NotEqual => (true, Self::Equal),
            Self::NotLike => (true, Self::Like),
            other => (false, other),
        }
    }

    /// What stands for it where the term is negated; none: `!` before the term does.
    pub(super) fn negated(self) -> Option<&'static str> {
        match self {
            Self::Equal => Some("!="),
            Self::Like => Some("!~"),
            _ => None,
        }
    }

    /// Compares numbers; `~` is none of them.
    pub(super) fn holds(self, have: u64, wanted: u64) -> bool {
        match self {
            Self::Equal => have == wanted,
            Self::NotEqual => have != wanted,
            Self::AtLeast => have >= wanted,
            Self::AtMost => have <= wanted,
            Self::Above => have > wanted,
            Self::Below => have < wanted,
            Self::Like | Self::NotLike => false,
        }
    }
}
