//! Small applications to try devbridge on.
