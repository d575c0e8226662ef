//! `devbridge requests show`.

use inspector::text::detail;
use jiff::tz::TimeZone;

use super::list::json;
use super::paint::Paint;
use super::session::Of;
use crate::args::Format;
use crate::args::requests::Show;
use crate::error::Failure;
use crate::output::Output;

/// Prints one.
pub(super) async fn run(args: Show, output: &Output) -> Result<(), Failure> {
    let of = Of::find(args.which.session.as_deref()).await?;
    let exchange = of.one(args.id, args.which.reveal).await?;
    if args.output == Format::Json {
        output.data(&json(&exchange));
    } else {
        output.data(&Paint::new().lines(&detail(&exchange, &TimeZone::system())));
    }
    Ok(())
}
