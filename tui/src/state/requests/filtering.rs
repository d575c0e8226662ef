//! Which exchanges are listed: a filter as it was typed, and what it means.

use inspector::filter::{Filter, FilterError};

use crate::state::{Effect, Notice};

/// A filter.
#[derive(Debug, Default)]
pub struct Filtering {
    /// As it was typed; empty: there is none.
    pub text: String,
    /// What that means.
    pub filter: Filter,
    /// What was typed last and can't be read.
    pub error: Option<FilterError>,
    /// Counts the filters that there were, so that who has applied one knows whether it is still this one.
    pub(super) number: u64,
}

impl Filtering {
    /// Begins to type it.
    pub(super) fn begin(&mut self) -> Effect {
        self.error = None;
        Effect::Type(self.text.clone())
    }

    /// Filters by what was typed. What can't be read stays where it is typed, and the filter what it was.
    pub(super) fn by(&mut self, text: &str) -> Vec<Effect> {
        // One expression, as one argument of `devbridge requests list`: spaces join, `or` parts.
        match Filter::parse(&[text]) {
            Ok(filter) => {
                (self.text, self.filter, self.error) = (text.trim().to_owned(), filter, None);
                self.number += 1;
                let bodies = self.filter.asks_for_bodies();
                let said = "this list knows no bodies; devbridge requests list does";
                bodies.then(|| Effect::Say(Notice::warn(said))).into_iter().collect()
            }
            Err(error) => {
                self.error = Some(error);
                vec![Effect::Type(text.to_owned())]
            }
        }
    }
}
