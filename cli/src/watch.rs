//! Live code, the laptop's half: which files of a folder count.
//!
//! One reading of the rules for all that follows files, so that nobody has to find out which ignore file the other tool
//! meant: [`rules`].

pub mod rules;
