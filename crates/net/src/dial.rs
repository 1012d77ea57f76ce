//! Opening a TCP connection to an endpoint.

use crate::{Deadline, Endpoint};
use mynah_vfs::{Errno, Error, Result};
use std::io;
use tokio::net::TcpStream;

/// Connects to the first of the endpoint's addresses that answers, with Nagle's algorithm off.
///
/// # Errors
/// All are transient but for an unknown host. EHOSTUNREACH: the host has no address; ECONNREFUSED, ENETUNREACH, ... as
/// connect(2) said for the last address; ETIMEDOUT: the deadline came first.
pub async fn dial(endpoint: &Endpoint, deadline: Deadline) -> Result<TcpStream> {
    deadline.bound(|| format!("connect to {endpoint}"), connect(endpoint)).await
}

async fn connect(endpoint: &Endpoint) -> Result<TcpStream> {
    let addresses = tokio::net::lookup_host((endpoint.host(), endpoint.port()))
        .await
        .map_err(|error| unknown_host(endpoint).caused_by(error))?;
    let mut last = unknown_host(endpoint);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|error| failed(endpoint, error))?;
                return Ok(stream);
            }
            Err(error) => last = failed(endpoint, error),
        }
    }
    Err(last)
}

fn unknown_host(endpoint: &Endpoint) -> Error {
    Error::new(Errno::EHOSTUNREACH, format!("host {:?} is not known", endpoint.host()))
}

fn failed(endpoint: &Endpoint, error: io::Error) -> Error {
    Error::transient(Errno::of_io(&error), format!("connect to {endpoint}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_vfs::Retry;
    use std::time::Duration;
    use tokio::net::TcpListener;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(20))
    }

    #[tokio::test]
    async fn a_listener_is_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        let stream = dial(&endpoint, soon()).await.unwrap();
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_closed_port_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        drop(listener);
        let error = dial(&endpoint, soon()).await.unwrap_err();
        assert_eq!((error.errno(), error.retry()), (Errno::ECONNREFUSED, Retry::Later));
        assert_eq!(error.to_string(), format!("connect to {endpoint}: connection refused (ECONNREFUSED)"));
    }

    #[tokio::test]
    async fn an_unknown_host_is_unreachable() {
        // The reserved name of RFC 6761: it resolves nowhere, with or without a name server.
        let error = dial(&Endpoint::new("nowhere.invalid", 1).unwrap(), soon()).await.unwrap_err();
        assert_eq!((error.errno(), error.retry()), (Errno::EHOSTUNREACH, Retry::Never));
    }
}
