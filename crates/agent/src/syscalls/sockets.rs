//! Unix-domain sockets with names in remote directories.

use super::path_call::on_text;
use crate::outcome::{Call, Outcome};
use crate::permission::WRITE;
use crate::resolve::{Last, Spot};
use crate::tasks::Task;
use mynah_intercept::{UserPtr, memory};
use mynah_vfs::{DriverId, Errno, Error, FileId, FileKind};
use rustix::net::{AddressFamily, SendFlags, SocketAddrAny, SocketAddrUnix, SocketType};
use std::os::fd::OwnedFd;

/// `sizeof(struct sockaddr_un)`: a family and 108 bytes of path.
const SOCKADDR_UN_BYTES: usize = 110;

/// The path in a socket address; `None` for other families, abstract names and bad addresses.
fn path_of(call: Call<'_>, address: UserPtr, length: u64) -> Option<Vec<u8>> {
    let mut bytes = [0; SOCKADDR_UN_BYTES];
    let length = usize::try_from(length).ok()?.min(SOCKADDR_UN_BYTES);
    let bytes = bytes.get_mut(..length).filter(|bytes| bytes.len() > 2)?;
    memory::read(call.tid(), address, bytes).ok()?;
    let (family, path) = bytes.split_first_chunk::<2>()?;
    if i32::from(u16::from_ne_bytes(*family)) != libc::AF_UNIX {
        return None;
    }
    let end = path.iter().position(|&b| b == 0).unwrap_or(path.len());
    (end > 0).then(|| path[..end].to_vec())
}

/// The caller's socket and the path in an address for it. `None` where the kernel needs no path for its answer: the address
/// has none, or the descriptor is no Unix socket.
fn socket_and_path(call: Call<'_>, address: UserPtr, length: u64) -> Option<(OwnedFd, Vec<u8>)> {
    let path = path_of(call, address, length)?;
    let socket = call.task().descriptor(call.int(0)).ok()?;
    let is_ours =
        rustix::net::sockopt::socket_domain(&socket).is_ok_and(|domain| domain == AddressFamily::UNIX);
    is_ours.then_some((socket, path))
}

pub(super) fn bind(call: Call<'_>) -> Outcome {
    let Some((socket, path)) = socket_and_path(call, call.pointer(1), u64::from(call.bits(2))) else {
        return Outcome::Resume;
    };
    on_text(call, libc::AT_FDCWD, path.clone(), Last::Entry, move |task, spot| async move {
        task.make_node(&spot).await?;
        let bound = task.bind_to_node(&spot, &socket, path).await;
        if bound.is_err() {
            // The node must not stay behind without its socket. If that fails too, the first error says more.
            let _ = task.agent.ask(&spot.mount, spot.mount.driver.unlink(&spot.path)).await;
        }
        bound.map(|()| Outcome::DONE)
    })
}

/// What a new socket's node allows before the mask (unix(7)).
const NODE_MODE: u32 = 0o777;

impl Task {
    async fn make_node(&self, spot: &Spot) -> Result<(), Error> {
        spot.writable()?;
        let mode = NODE_MODE & !self.umask();
        let made = async {
            let newborn = self.may_make(spot).await?;
            let made = spot.mount.driver.mknod(&spot.path, FileKind::Socket, mode, 0);
            self.agent.ask(&spot.mount, made).await?;
            self.give(spot, &newborn, FileKind::Socket, mode).await
        };
        let made = made.await;
        match &made {
            Ok(()) => self.name_made(spot, FileKind::Socket),
            Err(_) => self.name_changed(spot),
        }
        made.map_err(|error| match error.errno() {
            Errno::EEXIST => Errno::EADDRINUSE.into(),
            _ => error,
        })
    }

    async fn bind_to_node(&self, spot: &Spot, socket: &OwnedFd, given: Vec<u8>) -> Result<(), Error> {
        let stat = self.agent.ask(&spot.mount, spot.mount.driver.lstat(&spot.path)).await?;
        let store = self.agent.objects.store();
        Ok(self.agent.unix_sockets.bind(store, socket, (spot.mount.driver_id, stat.id), given)?)
    }
}

pub(super) fn connect(call: Call<'_>) -> Outcome {
    let Some((socket, path)) = socket_and_path(call, call.pointer(1), u64::from(call.bits(2))) else {
        return Outcome::Resume;
    };
    on_text(call, libc::AT_FDCWD, path, Last::Follow, move |task, spot| async move {
        let node = task.socket_node(&spot).await?;
        // A full queue makes its caller wait: not on a thread that others need.
        let connected = tokio::task::spawn_blocking(move || {
            task.agent.unix_sockets.connect(task.agent.objects.store(), &socket, node)
        });
        connected.await.map_err(|panic| Error::new(Errno::EIO, "connect").caused_by(panic))??;
        Ok(Outcome::DONE)
    })
}

impl Task {
    /// The node that a path names; ECONNREFUSED for what is no socket, as the kernel has it.
    async fn socket_node(&self, spot: &Spot) -> Result<(DriverId, FileId), Error> {
        let stat = self.stat_at(spot).await?;
        self.permits(&stat, WRITE)?;
        match stat.kind {
            FileKind::Socket => Ok((spot.mount.driver_id, stat.id)),
            _ => Err(Errno::ECONNREFUSED.into()),
        }
    }
}

pub(super) fn sendto(call: Call<'_>) -> Outcome {
    let Some((socket, path)) = socket_and_path(call, call.pointer(4), u64::from(call.bits(5))) else {
        return Outcome::Resume;
    };
    // Only datagrams are sent to a name: for the other types the kernel has the answer without looking at it.
    if !rustix::net::sockopt::socket_type(&socket).is_ok_and(|kind| kind == SocketType::DGRAM) {
        return Outcome::Resume;
    }
    let flags = SendFlags::from_bits_retain(call.bits(3));
    let length = usize::try_from(call.arg(2)).unwrap_or(usize::MAX);
    if length > DATAGRAM_MAX {
        return Outcome::Errno(Errno::EMSGSIZE);
    }
    let mut data = vec![0; length];
    if memory::read(call.tid(), call.pointer(1), &mut data).is_err() {
        return Outcome::Errno(Errno::EFAULT);
    }
    on_text(call, libc::AT_FDCWD, path, Last::Follow, move |task, spot| async move {
        let node = task.socket_node(&spot).await?;
        let sent = tokio::task::spawn_blocking(move || {
            let store = task.agent.objects.store();
            task.agent.unix_sockets.send_to(store, &socket, node, &data, flags)
        });
        let sent = sent.await.map_err(|panic| Error::new(Errno::EIO, "sendto").caused_by(panic))??;
        Ok(Outcome::Value(sent as i64))
    })
}

/// The longest datagram: what fits in the largest send buffer that is in use (net.core.wmem_max is 208 KiB).
const DATAGRAM_MAX: usize = 1 << 20;

/// getsockname(2): the kernel would tell the name in the store.
pub(super) fn getsockname(call: Call<'_>) -> Outcome {
    tell_name(call, |socket| rustix::net::getsockname(socket).map(Some))
}

/// getpeername(2).
pub(super) fn getpeername(call: Call<'_>) -> Outcome {
    tell_name(call, |socket| rustix::net::getpeername(socket))
}

fn tell_name(
    call: Call<'_>,
    ask: impl FnOnce(&OwnedFd) -> rustix::io::Result<Option<SocketAddrAny>>,
) -> Outcome {
    let sockets = &call.agent.unix_sockets;
    if sockets.is_empty() {
        return Outcome::Resume;
    }
    shown_name(call, ask).map_or(Outcome::Resume, |shown| fill_address(call, &shown))
}

fn shown_name(
    call: Call<'_>,
    ask: impl FnOnce(&OwnedFd) -> rustix::io::Result<Option<SocketAddrAny>>,
) -> Option<Vec<u8>> {
    let socket = call.task().descriptor(call.int(0)).ok()?;
    let address = SocketAddrUnix::try_from(ask(&socket).ok()??).ok()?;
    call.agent.unix_sockets.shown(call.agent.objects.store(), address.path()?.to_bytes())
}

/// Puts an address where the caller wants it: as much as fits, and how long it is (getsockname(2)).
fn fill_address(call: Call<'_>, shown: &[u8]) -> Outcome {
    let Ok(room) = memory::read_u32(call.tid(), call.pointer(2)) else {
        return Outcome::Errno(Errno::EFAULT);
    };
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(shown);
    bytes.truncate(SOCKADDR_UN_BYTES - 1);
    bytes.push(0);
    let length = bytes.len() as u32;
    bytes.truncate(room as usize);
    if memory::write(call.tid(), call.pointer(1), &bytes).is_err() {
        return Outcome::Errno(Errno::EFAULT);
    }
    Outcome::Fill { to: call.pointer(2), bytes: length.to_ne_bytes().to_vec(), value: 0 }
}
