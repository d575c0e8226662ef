//! Where a client asks.

/// The parts of `http://host[:port]/path` that a client needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// As in the `Host` header.
    pub authority: String,
    /// Begins with a slash.
    pub path: String,
}

impl Url {
    /// `host:port`, 80 unless given.
    pub fn address(&self) -> String {
        if self.authority.contains(':') { self.authority.clone() } else { format!("{}:80", self.authority) }
    }
}

impl Url {
    /// Reads a URL of another scheme than `http://`.
    ///
    /// # Errors
    ///
    /// When it is none; the text is for people.
    pub fn of(scheme: &str, text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(scheme).ok_or_else(|| format!("a URL begins with {scheme}"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err("the URL names no host".to_owned());
        }
        Ok(Self {
            authority: authority.to_owned(),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }
}

impl std::str::FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of("http://", text)
    }
}
