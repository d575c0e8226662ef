//! Secrets are covered unless somebody wants to see them.
