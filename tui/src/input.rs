//! What the user does, as commands: keys by the [`keymap`], words by the [`palette`].

pub mod key;
pub mod keymap;
pub mod palette;
