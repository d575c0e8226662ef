//! Exchanges for other programs: curl, HTTPie, raw, HAR.
