//! What makes drivers for a namespace: the registry, with the user's options.

use mynah_drivers::{ConnectOptions, LocalDriver};
use mynah_vfs::mounts::{MountOptions, Url};
use mynah_vfs::{Connector, Driver, Result};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Drivers {
    native: Arc<LocalDriver>,
    timeout: Duration,
}

impl Drivers {
    /// A connector whose servers have `timeout` to answer, where a mount does not say.
    ///
    /// # Errors
    /// The root directory cannot be opened.
    pub(crate) fn new(timeout: Duration) -> Result<Drivers> {
        Ok(Drivers { native: LocalDriver::new("/")?, timeout })
    }
}

impl Connector for Drivers {
    fn connect(&self, url: &Url, options: &MountOptions) -> Result<Arc<dyn Driver>> {
        let timeout = options.timeout.unwrap_or(self.timeout);
        mynah_drivers::connect(url, &ConnectOptions { timeout })
    }

    fn native(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.native) as Arc<dyn Driver>
    }
}
