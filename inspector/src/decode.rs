//! Bodies as people read them.
