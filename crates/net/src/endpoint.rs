//! The place of a server: host and port.

use std::fmt;
use std::net::Ipv6Addr;
use thiserror::Error;

/// A server's host (a name or an address without brackets) and TCP port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    host: String,
    port: u16,
}

/// Why a text names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// There is nothing before the port.
    #[error("no host in {0:?}")]
    NoHost(String),
    /// The host holds bytes that no host name and no address has, or is longer than 253 bytes.
    #[error("{0:?} cannot be a host name")]
    BadHost(String),
    /// The port is no number from 1 to 65535.
    #[error("port {0:?} is not a number from 1 to 65535")]
    BadPort(String),
    /// A bracket without its partner, or what is in brackets is no IPv6 address.
    #[error("{0:?} is not an IPv6 address in brackets")]
    BadBrackets(String),
}

/// The longest host name, in bytes (RFC 1035, as text without the final dot).
const HOST_MAX: usize = 253;

impl Endpoint {
    /// An endpoint from parts that are known to be good.
    ///
    /// # Errors
    /// [`EndpointError::NoHost`], [`EndpointError::BadHost`] as for [`Endpoint::parse`].
    pub fn new(host: &str, port: u16) -> Result<Endpoint, EndpointError> {
        check_host(host)?;
        Ok(Endpoint { host: host.to_owned(), port })
    }

    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
    ///
    /// # Errors
    /// [`EndpointError`] says which part is wrong.
    pub fn parse(text: &str, default_port: u16) -> Result<Endpoint, EndpointError> {
        if let Some(rest) = text.strip_prefix('[') {
            return parse_bracketed(text, rest, default_port);
        }
        let (host, port) = match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(EndpointError::BadBrackets(text.to_owned())),
            Some((host, port)) => (host, parse_port(port)?),
            None => (text, default_port),
        };
        Endpoint::new(host, port)
    }

    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn parse_bracketed(text: &str, rest: &str, default_port: u16) -> Result<Endpoint, EndpointError> {
    let bad = || EndpointError::BadBrackets(text.to_owned());
    let (host, after) = rest.split_once(']').ok_or_else(bad)?;
    host.parse::<Ipv6Addr>().map_err(|_| bad())?;
    let port = match after.strip_prefix(':') {
        Some(port) => parse_port(port)?,
        None if after.is_empty() => default_port,
        None => return Err(bad()),
    };
    Ok(Endpoint { host: host.to_owned(), port })
}

fn check_host(host: &str) -> Result<(), EndpointError> {
    if host.is_empty() {
        return Err(EndpointError::NoHost(host.to_owned()));
    }
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    // RFC 1035: no label is empty, but for the root's at the end. So `.git`, which programs look for everywhere, is no host.
    let name = host.strip_suffix('.').unwrap_or(host);
    let has_empty_label = !host.contains(':') && name.split('.').any(str::is_empty);
    if host.len() > HOST_MAX || has_empty_label || !host.bytes().all(good) {
        return Err(EndpointError::BadHost(host.to_owned()));
    }
    Ok(())
}

fn parse_port(text: &str) -> Result<u16, EndpointError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(EndpointError::BadPort(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms() {
        for (text, host, port, shown) in [
            ("alpha", "alpha", 9094, "alpha:9094"),
            ("alpha.example.org:1", "alpha.example.org", 1, "alpha.example.org:1"),
            ("alpha.example.org.", "alpha.example.org.", 9094, "alpha.example.org.:9094"),
            ("[::1]", "::1", 9094, "[::1]:9094"),
            ("[fe80::1]:65535", "fe80::1", 65535, "[fe80::1]:65535"),
        ] {
            let endpoint = Endpoint::parse(text, 9094).unwrap();
            assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{text}");
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(Endpoint::parse(&endpoint.to_string(), 1), Ok(endpoint));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, says) in [
            ("", "no host in \"\""),
            (":80", "no host in \"\""),
            ("a b", "\"a b\" cannot be a host name"),
            (".git", "\".git\" cannot be a host name"),
            ("a..b:1", "\"a..b\" cannot be a host name"),
            (".", "\".\" cannot be a host name"),
            ("a:", "port \"\" is not a number from 1 to 65535"),
            ("a:0", "port \"0\" is not a number from 1 to 65535"),
            ("a:+1", "port \"+1\" is not a number from 1 to 65535"),
            ("a:70000", "port \"70000\" is not a number from 1 to 65535"),
            ("::1", "\"::1\" is not an IPv6 address in brackets"),
            ("[::1", "\"[::1\" is not an IPv6 address in brackets"),
            ("[alpha]:1", "\"[alpha]:1\" is not an IPv6 address in brackets"),
            ("[::1]x", "\"[::1]x\" is not an IPv6 address in brackets"),
        ] {
            assert_eq!(Endpoint::parse(text, 9094).unwrap_err().to_string(), says);
        }
    }
}
