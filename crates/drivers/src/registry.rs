//! Which drivers a URL can name: one row each. Whoever adds a driver adds a row here, and help, errors and
//! `mynah drivers` follow.

use crate::chirp::{ChirpDriver, ChirpOptions};
use mynah_net::Endpoint;
use mynah_vfs::mounts::Url;
use mynah_vfs::{Driver, Errno, Error, Result};
use std::sync::Arc;
use std::time::Duration;

/// What every driver of a server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    /// By when a call ends that the server does not answer.
    pub timeout: Duration,
}

/// One driver.
#[derive(Debug)]
pub struct Row {
    /// What stands before `://`, in lower case; also the name of its directory in `/`.
    pub scheme: &'static str,
    /// The TCP port of a server whose URL names none.
    pub default_port: u16,
    /// What it reaches, in a few words.
    pub summary: &'static str,
    new: fn(Endpoint, &ConnectOptions) -> Arc<dyn Driver>,
}

static ROWS: &[Row] = &[Row {
    scheme: "chirp",
    default_port: mynah_chirp::proto::DEFAULT_PORT,
    summary: "servers of the Chirp protocol: mynah serve, chirp_server",
    new: |endpoint, options| {
        ChirpDriver::new(endpoint, ChirpOptions { timeout: options.timeout, ..ChirpOptions::default() })
    },
}];

/// All drivers, in the order in which help shows them.
#[must_use]
pub fn rows() -> &'static [Row] {
    ROWS
}

/// A driver for the server that a URL names, seen from that server's root: the URL's path is the caller's to apply. No
/// server is spoken to before the first call.
///
/// # Errors
/// ENODEV for a scheme that no driver has, as mount(2) answers an unknown type of file system; EINVAL for a host or port
/// that cannot be.
pub fn connect(url: &Url, options: &ConnectOptions) -> Result<Arc<dyn Driver>> {
    let Some(row) = rows().iter().find(|row| row.scheme == url.scheme) else {
        let known: Vec<&str> = rows().iter().map(|row| row.scheme).collect();
        let what = format!("unknown scheme \"{}\" in {url}; known: {}", url.scheme, known.join(" "));
        return Err(Error::new(Errno::ENODEV, what));
    };
    let endpoint = Endpoint::parse(&url.authority, row.default_port)
        .map_err(|cause| Error::new(Errno::EINVAL, format!("{cause} in {url}")).caused_by(cause))?;
    Ok((row.new)(endpoint, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: ConnectOptions = ConnectOptions { timeout: Duration::from_secs(1) };

    fn url(text: &str) -> Url {
        Url::parse(text.as_bytes()).expect("a URL").expect("a valid URL")
    }

    #[test]
    fn a_url_finds_its_driver_without_a_server() {
        for text in ["chirp://host", "chirp://host:1/path", "CHIRP://[::1]:9094/"] {
            assert!(connect(&url(text), &OPTIONS).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, errno, told) in [
            ("gopher://host/x", Errno::ENODEV, "unknown scheme \"gopher\" in gopher://host/x; known: chirp"),
            ("chirp://host:99999/", Errno::EINVAL, "port \"99999\" is not a number from 1 to 65535"),
            ("chirp://host:/", Errno::EINVAL, "port \"\" is not a number"),
            ("chirp:///path", Errno::EINVAL, "no host"),
            ("chirp://user@host/", Errno::EINVAL, "cannot be a host name"),
        ] {
            let error = connect(&url(text), &OPTIONS).err().expect(text);
            assert_eq!(error.errno(), errno, "{text}");
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    #[test]
    fn each_scheme_has_one_row() {
        for (number, row) in rows().iter().enumerate() {
            assert!(rows()[..number].iter().all(|other| other.scheme != row.scheme), "{}", row.scheme);
            assert!(row.scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        }
    }
}
