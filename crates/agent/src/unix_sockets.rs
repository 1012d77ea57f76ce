//! Unix-domain sockets bound to names in remote directories.
//!
//! The name is a socket node at the server; the socket itself is bound in the store, and joins the programs of
//! this Mynah. Others see the node, and find nobody behind it, as behind any socket of another machine.
//!
//! A socket's own name is what its peers are told by the kernel (recvfrom, accept), and that is the text that was given to bind. So
//! the agent binds it by that very text, from a directory in the store where it leads to a place of ours.

use crate::lock;
use mynah_cache::Store;
use mynah_intercept::elsewhere::{self, From};
use mynah_vfs::{DriverId, Errno, FileId};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, bind, connect, sendmsg_addr,
};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
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

/// Binds by the given name if that can be done, else by the number. Either way the number leads to the socket.
fn bind_by(store: &Store, socket: &OwnedFd, number: u64, given: &[u8]) -> Result<(), Errno> {
    match bind_as_given(store, socket, number, given) {
        Ok(()) => Ok(()),
        Err(NotBound::Refused(errno)) => Err(errno),
        // An absolute name takes the right to chroot, if only in a user namespace.
        Err(NotBound::NotThere) => bind(socket, &address(store, number)?).map_err(os),
    }
}

/// Why a socket was not bound by the given name.
enum NotBound {
    /// The kernel would not bind it, whatever the name.
    Refused(Errno),
    /// The name could not be made to lead here.
    NotThere,
}

fn bind_as_given(store: &Store, socket: &OwnedFd, number: u64, given: &[u8]) -> Result<(), NotBound> {
    let not_there = |_: std::io::Error| NotBound::NotThere;
    let top = store.socket_names().join(format!("{number}.d"));
    let mut at = top.clone();
    let (parents, name) = given
        .iter()
        .rposition(|&b| b == b'/')
        .map_or((&given[..0], given), |slash| given.split_at(slash + 1));
    if matches!(name, b"" | b"." | b"..") {
        return Err(NotBound::NotThere);
    }
    let absolute = given.starts_with(b"/");
    let components = || parents.split(|&b| b == b'/').filter(|part| !matches!(*part, b"" | b"."));
    if !absolute {
        // As far down as `..` could lead up.
        components().filter(|part| *part == b"..").for_each(|_| at.push("d"));
    }
    let start = at.clone();
    std::fs::create_dir_all(&at).map_err(not_there)?;
    for part in components() {
        if part != b".." {
            at.push(OsStr::from_bytes(part));
            std::fs::create_dir_all(&at).map_err(not_there)?;
        } else if at != top {
            at.pop();
        }
    }
    let from = if absolute { From::Root(&top) } else { From::Directory(&start) };
    let address = SocketAddrUnix::new(given).map_err(|_| NotBound::NotThere)?;
    let bound = elsewhere::from(from, || bind(socket, &address))
        // Who may not chroot may have a user namespace in which he may.
        .or_else(
            |refused| if absolute { elsewhere::bind_below(&top, socket, &address) } else { Err(refused) },
        )
        .map_err(not_there)?;
    bound.map_err(|errno| NotBound::Refused(os(errno)))?;
    // Short enough for an address, wherever the name itself lies.
    std::fs::hard_link(at.join(OsStr::from_bytes(name)), store.socket_names().join(number.to_string()))
        .map_err(|error| NotBound::Refused(Errno::of_io(&error)))
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
        bind_by(store, socket, number, &given)?;
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

    /// Sends a datagram, and open files with it, from a program's socket to the one bound for a node. May wait as sendmsg(2) waits.
    ///
    /// # Errors
    /// As sendmsg(2): ECONNREFUSED if nobody of this Mynah bound it.
    pub(crate) fn send_to(
        &self,
        store: &Store,
        socket: &OwnedFd,
        node: (DriverId, FileId),
        (data, files): (&[u8], &[OwnedFd]),
        flags: SendFlags,
    ) -> Result<usize, Errno> {
        let number = lock(&self.bound).by_node.get(&node).copied().ok_or(Errno::ECONNREFUSED)?;
        let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let rights = SendAncillaryMessage::ScmRights(&files);
        let mut space = vec![MaybeUninit::uninit(); if files.is_empty() { 0 } else { rights.size() }];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !control.push(rights) {
            return Err(Errno::EINVAL);
        }
        let (to, flags) = (address(store, number)?, flags | SendFlags::NOSIGNAL);
        sendmsg_addr(socket, &to, &[IoSlice::new(data)], &mut control, flags).map_err(os)
    }

    /// The name that a program gave to the socket that has `path` for its name in the store.
    pub(crate) fn shown(&self, store: &Store, path: &[u8]) -> Option<Vec<u8>> {
        let number = path.strip_prefix(directory(store).as_bytes())?;
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        lock(&self.bound).names.get(&number).cloned()
    }
}
