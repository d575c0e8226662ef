//! What it means that the code does not get into the container.

use tunnel::sync::Trouble;

use super::files::FilesError;
use super::items::path;
use crate::error::{Exit, Failure, chain};

impl From<FilesError> for Failure {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::Refused(trouble) => refused(&trouble),
            error => {
                Self::new("DB-SYNC-004", Exit::Failure, "the code could not be brought into the container")
                    .why(chain(&error))
            }
        }
    }
}

/// The first write failed: why, and what there is to choose.
fn refused(trouble: &Trouble) -> Failure {
    let at = path(&trouble.path);
    let error = std::io::Error::from_raw_os_error(trouble.errno);
    let owner = trouble.owner.map(|(user, group)| format!(", and the folder belongs to {user}:{group}"));
    let failure = Failure::new(
        "DB-SYNC-005",
        Exit::Failure,
        format!("{} in the container can't be written", at.display()),
    )
    .why(format!(
        "{}: {error}; the container's user is {}{}",
        trouble.doing,
        trouble.uid,
        owner.unwrap_or_default()
    ));
    failure
        .fix("--volume: an empty volume over that folder, filled from the image, which the container's user owns")
        .fix("or name another folder with --to")
        .fix("or build the image so that its user owns the folder: COPY --chown")
}

/// Why something was not written, in the system's words.
pub(super) fn why(trouble: &Trouble) -> String {
    match trouble.errno {
        0 => "its contents did not arrive as they were sent".into(),
        errno => format!("{}: {}", trouble.doing, std::io::Error::from_raw_os_error(errno)),
    }
}
