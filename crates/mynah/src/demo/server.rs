//! The demo's own Chirp server.

use super::DemoError;
use mynah_chirp::server::{Server, ServerConfig};
use mynah_drivers::local::LocalDriver;
use rustix::fs::Mode;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// A server on loopback, in this process. It ends with the runtime.
pub(super) struct Serving {
    root: PathBuf,
    address: SocketAddr,
}

impl Serving {
    /// Serves a directory on a port that the kernel chooses. From here on this process makes files with the modes that
    /// clients ask for: its umask is 0.
    pub(super) fn start(runtime: &Runtime, root: &Path) -> Result<Serving, DemoError> {
        let refused = |source| DemoError::Server { root: root.to_owned(), source };
        rustix::process::umask(Mode::empty());
        let driver = LocalDriver::new(root).map_err(refused)?;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let _entered = runtime.enter();
        let server = Server::bind(loopback, driver, ServerConfig::of_this_process()).map_err(refused)?;
        let address = server.local_addr();
        runtime.spawn(server.run(std::future::pending()));
        Ok(Serving { root: root.to_owned(), address })
    }

    /// The directory that is served.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The port it listens on.
    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }
}
