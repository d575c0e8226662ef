//! `devbridge requests diff`.

use inspector::diff;

use super::paint::Paint;
use super::session::Of;
use crate::args::requests::{Diff, Part};
use crate::error::Failure;
use crate::output::Output;

/// Exit status when they are not the same, as diff(1) has it.
const DIFFERENT: u8 = 1;

/// Compares two; secrets are compared as they are and shown covered.
pub(super) async fn run(args: Diff, output: &Output) -> Result<u8, Failure> {
    let of = Of::find(args.which.session.as_deref()).await?;
    let (one, other) =
        (of.one(args.one, args.which.reveal).await?, of.one(args.other, args.which.reveal).await?);
    let what = match args.of {
        Part::Request => diff::Part::Request,
        Part::Answer => diff::Part::Answer,
        Part::Both => diff::Part::Both,
    };
    let diff = diff::diff(&one, &other, what);
    output.data(&Paint::new().lines(&diff.lines()));
    Ok(if diff.is_same() { 0 } else { DIFFERENT })
}
