//! What makes drivers for a namespace: the registry, with the user's options.

use crate::resolver::{Children, Resolver, ResolverDriver};
use mynah_drivers::{ConnectOptions, LocalDriver};
use mynah_vfs::mounts::{MountOptions, Url};
use mynah_vfs::{Connector, Driver, Result, VPath};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Drivers {
    native: Arc<LocalDriver>,
    timeout: Duration,
    umask: u32,
    children: Arc<Children>,
}

impl Drivers {
    /// A connector whose servers have `timeout` to answer, where a mount does not say. Resolvers run as `children` with
    /// this mask for the files that they make.
    ///
    /// # Errors
    /// The root directory cannot be opened.
    pub(crate) fn new(timeout: Duration, umask: u32, children: &Arc<Children>) -> Result<Drivers> {
        Ok(Drivers { native: LocalDriver::new("/")?, timeout, umask, children: Arc::clone(children) })
    }
}

impl Connector for Drivers {
    fn connect(&self, url: &Url, options: &MountOptions) -> Result<Arc<dyn Driver>> {
        let timeout = options.timeout.unwrap_or(self.timeout);
        mynah_drivers::connect(url, &ConnectOptions { timeout })
    }

    fn resolver(&self, prefix: &VPath, program: &VPath, options: &MountOptions) -> Result<Arc<dyn Driver>> {
        Ok(Arc::new(ResolverDriver::new(Resolver {
            prefix: prefix.clone(),
            program: OsStr::from_bytes(program.as_bytes()).into(),
            timeout: options.timeout.unwrap_or(self.timeout),
            umask: self.umask,
            children: Arc::clone(&self.children),
        })))
    }

    fn native(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.native) as Arc<dyn Driver>
    }
}
