//! Unix-domain sockets bound to names in remote directories.
//!
//! The name is a socket node at the server; the socket itself is bound to a name in the store, and joins the programs of
//! this Mynah. Others see the node, and find nobody behind it, as behind any socket of another machine.

use crate::lock;
use mynah_cache::Store;
use mynah_vfs::{DriverId, Errno, FileId};
use rustix::net::{SendFlags, SocketAddrUnix, bind, connect, sendto};
use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Mutex;

/// The sockets that were bound so far.
#[derive(Default)]
pub(crate) struct UnixSockets {
    bound: Mutex<Bound>,
}

#[derive(Default)]
struct Bound {
    by_node: HashMap<(DriverId, FileId), u64>,
    names: HashMap<u64, Vec<u8>>,
    next: u64,
}

fn os(errno: rustix::io::Errno) -> Errno {
    Errno::new(errno.raw_os_error()).unwrap_or(Errno::EIO)
}

/// Short however deep the store lies: a socket's name has room for 107 bytes.
fn directory(store: &Store) -> String {
    format!("/proc/self/fd/{}/", store.sockets().as_raw_fd())
}

fn address(store: &Store, number: u64) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(format!("{}{number}", directory(store))).map_err(os)
}

impl UnixSockets {
    /// Whether there are none: then no socket's name needs a look.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.bound).names.is_empty()
    }

    /// Binds a program's socket in the store, for the node that stands for it at the server.
    ///
    /// # Errors
    /// As bind(2): EINVAL if it is bound already.
    pub(crate) fn bind(
        &self,
        store: &Store,
        socket: &OwnedFd,
        node: (DriverId, FileId),
        given: Vec<u8>,
    ) -> Result<(), Errno> {
        let mut bound = lock(&self.bound);
        bound.next += 1;
        let number = bound.next;
        bind(socket, &address(store, number)?).map_err(os)?;
        bound.by_node.insert(node, number);
        bound.names.insert(number, given);
        Ok(())
    }

    /// Connects a program's socket to the one bound for a node. May wait as connect(2) waits.
    ///
    /// # Errors
    /// As connect(2): ECONNREFUSED if nobody of this Mynah bound it.
    pub(crate) fn connect(
        &self,
        store: &Store,
        socket: &OwnedFd,
        node: (DriverId, FileId),
    ) -> Result<(), Errno> {
        let number = lock(&self.bound).by_node.get(&node).copied().ok_or(Errno::ECONNREFUSED)?;
        connect(socket, &address(store, number)?).map_err(os)
    }

    /// Sends a datagram from a program's socket to the one bound for a node. May wait as sendto(2) waits.
    ///
    /// # Errors
    /// As sendto(2): ECONNREFUSED if nobody of this Mynah bound it.
    pub(crate) fn send_to(
        &self,
        store: &Store,
        socket: &OwnedFd,
        node: (DriverId, FileId),
        data: &[u8],
        flags: SendFlags,
    ) -> Result<usize, Errno> {
        let number = lock(&self.bound).by_node.get(&node).copied().ok_or(Errno::ECONNREFUSED)?;
        sendto(socket, data, flags | SendFlags::NOSIGNAL, &address(store, number)?).map_err(os)
    }

    /// The name that a program gave to the socket that has `path` for its name in the store.
    pub(crate) fn shown(&self, store: &Store, path: &[u8]) -> Option<Vec<u8>> {
        let number = path.strip_prefix(directory(store).as_bytes())?;
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        lock(&self.bound).names.get(&number).cloned()
    }
}
