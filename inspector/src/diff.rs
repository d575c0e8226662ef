//! What differs between two exchanges.
