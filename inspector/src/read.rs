//! From the bytes of a connection to exchanges.
