//! The command line: `--ports 8080,9090 [--parts DIR] [--run DIR] [--once] [-- ARGUMENT...]`.

use core::ffi::CStr;
use core::fmt;

/// As many ports as one container may have; a Service with more is not known.
pub(crate) const MAX_PORTS: usize = 64;

const PARTS: &CStr = c"/devbridge/parts";
const RUN: &CStr = c"/devbridge/run";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Config<'a> {
    /// The TCP ports to listen on, in the order of the command line.
    pub(crate) ports: Ports,
    /// Directory of the agent's compressed parts.
    pub(crate) parts: &'a CStr,
    /// Directory to unpack the agent in.
    pub(crate) run: &'a CStr,
    /// The agent has one thing to do: its end is the container's.
    pub(crate) once: bool,
}

impl<'a> Config<'a> {
    /// Reads the arguments after the program's name; what stands behind `--` is the agent's.
    pub(crate) fn parse(mut args: impl Iterator<Item = &'a CStr>) -> Result<Self, ConfigError<'a>> {
        let mut config = Self { ports: Ports::default(), parts: PARTS, run: RUN, once: false };
        while let Some(flag) = args.next() {
            if flag == c"--" {
                break;
            }
            if flag == c"--once" {
                config.once = true;
                continue;
            }
            let known = [c"--ports", c"--parts", c"--run"].contains(&flag);
            let value = match (known, args.next()) {
                (false, _) => return Err(ConfigError::Unknown(flag)),
                (true, None) => return Err(ConfigError::NoValue(flag)),
                (true, Some(value)) => value,
            };
            match flag.to_bytes() {
                b"--ports" => config.ports = Ports::parse(value)?,
                b"--parts" => config.parts = value,
                _ => config.run = value,
            }
        }
        Ok(config)
    }
}

/// Distinct ports, at most [`MAX_PORTS`].
#[derive(Debug)]
pub(crate) struct Ports {
    ports: [u16; MAX_PORTS],
    count: usize,
}

impl Ports {
    fn parse(text: &CStr) -> Result<Self, ConfigError<'_>> {
        let mut parsed = Self::default();
        let Ok(list) = text.to_str() else { return Err(ConfigError::Ports(text)) };
        for item in list.split(',').filter(|item| !item.is_empty()) {
            match item.parse() {
                Ok(port) if port != 0 && !parsed.as_slice().contains(&port) => parsed.push(port, text)?,
                _ => return Err(ConfigError::Ports(text)),
            }
        }
        Ok(parsed)
    }

    fn push<'a>(&mut self, port: u16, text: &'a CStr) -> Result<(), ConfigError<'a>> {
        let slot = self.ports.get_mut(self.count).ok_or(ConfigError::Ports(text))?;
        *slot = port;
        self.count += 1;
        Ok(())
    }

    pub(crate) fn as_slice(&self) -> &[u16] {
        self.ports.get(..self.count).unwrap_or_default()
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self { ports: [0; MAX_PORTS], count: 0 }
    }
}

/// The command line is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConfigError<'a> {
    /// A flag that does not exist.
    Unknown(&'a CStr),
    /// A flag at the end of the line that needs a value.
    NoValue(&'a CStr),
    /// Not a list of distinct ports.
    Ports(&'a CStr),
}

impl fmt::Display for ConfigError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(flag) => write!(f, "unknown flag {flag:?}"),
            Self::NoValue(flag) => write!(f, "flag {flag:?} needs a value"),
            Self::Ports(text) => {
                write!(f, "--ports {text:?} is not a list of at most {MAX_PORTS} different ports")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(args: &[&'a CStr]) -> Result<Config<'a>, ConfigError<'a>> {
        Config::parse(args.iter().copied())
    }

    #[test]
    fn ports_keep_their_order_and_directories_have_defaults() {
        let config = parse(&[c"--ports", c"9090,80"]).unwrap();
        assert_eq!(config.ports.as_slice(), [9090, 80]);
        assert_eq!((config.parts, config.run), (c"/devbridge/parts", c"/devbridge/run"));
    }

    #[test]
    fn no_ports_at_all_are_fine() {
        assert!(parse(&[c"--ports", c""]).unwrap().ports.as_slice().is_empty());
        assert!(parse(&[]).unwrap().ports.as_slice().is_empty());
    }

    #[test]
    fn what_stands_behind_two_dashes_is_the_agents() {
        let config = parse(&[c"--run", c"/r", c"--", c"keeper", c"--ports", c"x"]).unwrap();
        assert_eq!(config.run, c"/r");
        assert!(!config.once);
        assert!(config.ports.as_slice().is_empty());
    }

    #[test]
    fn one_flag_has_no_value() {
        let config = parse(&[c"--once", c"--run", c"/r"]).unwrap();
        assert!(config.once && config.run == c"/r");
    }

    #[test]
    fn ports_that_are_none_are_refused() {
        for text in [c"0", c"80,80", c"65536", c"http", c"-1", c"80 ", c"\xff"] {
            assert_eq!(parse(&[c"--ports", text]).unwrap_err(), ConfigError::Ports(text));
        }
    }

    #[test]
    fn more_ports_than_there_is_room_for_are_refused() {
        let list: Vec<String> = (1..=MAX_PORTS + 1).map(|port| port.to_string()).collect();
        let text = std::ffi::CString::new(list.join(",")).unwrap();
        assert_eq!(parse(&[c"--ports", &text]).unwrap_err(), ConfigError::Ports(&text));
    }

    #[test]
    fn a_flag_that_is_unknown_or_has_no_value_is_named() {
        assert_eq!(parse(&[c"--port", c"80"]).unwrap_err(), ConfigError::Unknown(c"--port"));
        assert_eq!(parse(&[c"--run"]).unwrap_err().to_string(), "flag \"--run\" needs a value");
    }
}
