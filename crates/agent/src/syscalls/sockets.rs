//! Unix-domain sockets with names in remote directories.

use super::path_call::on_text;
use crate::outcome::{Call, Outcome};
use crate::permission::WRITE;
use crate::resolve::{Begin, Last, Spot};
use crate::tasks::Task;
use mynah_intercept::{Tid, UserPtr, memory};
use mynah_vfs::{DriverId, Errno, Error, FileId, FileKind};
use rustix::net::{AddressFamily, SendFlags, SocketAddrAny, SocketAddrUnix, SocketType, sockopt};
use std::os::fd::OwnedFd;
use std::sync::Arc;

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
    let is_ours = sockopt::socket_domain(&socket).is_ok_and(|domain| domain == AddressFamily::UNIX);
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

/// As [`socket_and_path`], for what is sent to a name. Only datagrams are: for other types the kernel has the answer without looking at it.
fn datagram_to(call: Call<'_>, name: UserPtr, length: u64) -> Option<(OwnedFd, Vec<u8>)> {
    socket_and_path(call, name, length)
        .filter(|(socket, _)| sockopt::socket_type(socket).is_ok_and(|kind| kind == SocketType::DGRAM))
}

pub(super) fn sendto(call: Call<'_>) -> Outcome {
    let Some((socket, path)) = datagram_to(call, call.pointer(4), u64::from(call.bits(5))) else {
        return Outcome::Resume;
    };
    let flags = SendFlags::from_bits_retain(call.bits(3));
    let length = usize::try_from(call.arg(2)).unwrap_or(usize::MAX);
    if length > DATAGRAM_MAX {
        return Outcome::Errno(Errno::EMSGSIZE);
    }
    let mut data = vec![0; length];
    if memory::read(call.tid(), call.pointer(1), &mut data).is_err() {
        return Outcome::Errno(Errno::EFAULT);
    }
    let message = Message { data, files: Vec::new() };
    on_text(call, libc::AT_FDCWD, path, Last::Follow, move |task, spot| async move {
        let sent = task.send(&spot, &Arc::new(socket), message, flags).await?;
        Ok(Outcome::Value(sent as i64))
    })
}

pub(super) fn sendmsg(call: Call<'_>) -> Outcome {
    let at = call.pointer(1);
    let named = Header::read(call, at).and_then(|header| datagram_to(call, header.name, header.name_bytes));
    let Some((socket, path)) = named else { return Outcome::Resume };
    let flags = SendFlags::from_bits_retain(call.bits(2));
    on_text(call, libc::AT_FDCWD, path, Last::Follow, move |task, spot| async move {
        let message = Message::read(&task, at)?;
        let sent = task.send(&spot, &Arc::new(socket), message, flags).await?;
        Ok(Outcome::Value(sent as i64))
    })
}

/// sendmmsg(2): as many of the messages as have remote names and can be sent; the program comes again with the rest.
pub(super) fn sendmmsg(call: Call<'_>) -> Outcome {
    let at = call.pointer(1);
    let named = |at| Header::read(call, at).and_then(|header| path_of(call, header.name, header.name_bytes));
    let count = u64::from(call.bits(2)).min(MESSAGES_MAX);
    let paths: Vec<Vec<u8>> =
        (0..count).map_while(|index| named(at.offset(index * MESSAGE_AND_LENGTH_BYTES))).collect();
    let named = Header::read(call, at).and_then(|header| datagram_to(call, header.name, header.name_bytes));
    let Some((socket, first)) = named else { return Outcome::Resume };
    let (socket, flags) = (Arc::new(socket), SendFlags::from_bits_retain(call.bits(3)));
    on_text(call, libc::AT_FDCWD, first, Last::Follow, move |task, spot| async move {
        let mut lengths = Vec::new();
        let mut next = Some(spot);
        for index in 0..paths.len() {
            let Some(spot) = next.take() else { break };
            let message_at = at.offset(index as u64 * MESSAGE_AND_LENGTH_BYTES);
            let sent = async { task.send(&spot, &socket, Message::read(&task, message_at)?, flags).await };
            match sent.await {
                Ok(sent) => lengths.push((message_at.offset(HEADER_BYTES as u64), sent as u32)),
                Err(error) if lengths.is_empty() => return Err(error),
                Err(_) => break,
            }
            if let Some(path) = paths.get(index + 1) {
                next = task.remote_spot(path).await;
            }
        }
        let value = lengths.len() as i64;
        let parts = lengths.into_iter().map(|(to, sent)| (to, sent.to_ne_bytes().to_vec())).collect();
        Ok(Outcome::FillEach { parts, value })
    })
}

/// How many messages the kernel takes at once (UIO_MAXIOV, for both messages and their parts).
const MESSAGES_MAX: u64 = 1024;
/// The files that one message may carry (SCM_MAX_FD).
const FILES_MAX: usize = 253;
/// Of one message, far more than the files and credentials that the kernel would take (net.core.optmem_max).
const CONTROL_MAX: u64 = 128 << 10;
/// `struct msghdr` and `struct mmsghdr` of 64-bit processors.
const HEADER_BYTES: usize = 56;
const MESSAGE_AND_LENGTH_BYTES: u64 = 64;
/// `struct cmsghdr`, to a multiple of which everything in a control buffer is aligned by eight.
const CONTROL_HEADER_BYTES: usize = 16;

/// `struct msghdr`.
struct Header {
    name: UserPtr,
    name_bytes: u64,
    parts: UserPtr,
    part_count: u64,
    control: UserPtr,
    control_bytes: u64,
}

impl Header {
    /// `None` for a bad pointer.
    fn read(call: Call<'_>, at: UserPtr) -> Option<Header> {
        Header::read_of(call.tid(), at).ok()
    }

    fn read_of(tid: Tid, at: UserPtr) -> Result<Header, Errno> {
        let mut words = [0; HEADER_BYTES / 8];
        for (index, word) in words.iter_mut().enumerate() {
            *word = memory::read_u64(tid, at.offset(8 * index as u64)).map_err(|_| Errno::EFAULT)?;
        }
        let [name, name_bytes, parts, part_count, control, control_bytes, _flags] = words;
        Ok(Header {
            name: UserPtr(name),
            name_bytes: name_bytes & u64::from(u32::MAX),
            parts: UserPtr(parts),
            part_count,
            control: UserPtr(control),
            control_bytes,
        })
    }
}

/// What is sent: bytes, and open files.
struct Message {
    data: Vec<u8>,
    files: Vec<OwnedFd>,
}

impl Message {
    /// # Errors
    /// Those of sendmsg(2).
    fn read(task: &Task, at: UserPtr) -> Result<Message, Errno> {
        let header = Header::read_of(task.tid, at)?;
        if header.part_count > MESSAGES_MAX || header.control_bytes > CONTROL_MAX {
            return Err(Errno::EMSGSIZE);
        }
        let word = |at| memory::read_u64(task.tid, at).map_err(|_| Errno::EFAULT);
        let mut data = Vec::new();
        for index in 0..header.part_count {
            let part = header.parts.offset(16 * index);
            let (from, length) = (word(part)?, word(part.offset(8))?);
            let start = data.len();
            let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
            data.resize(end.filter(|&end| end <= DATAGRAM_MAX).ok_or(Errno::EMSGSIZE)?, 0);
            memory::read(task.tid, UserPtr(from), &mut data[start..]).map_err(|_| Errno::EFAULT)?;
        }
        let mut control = vec![0; header.control_bytes as usize];
        memory::read(task.tid, header.control, &mut control).map_err(|_| Errno::EFAULT)?;
        let numbers = files_in(&control)?;
        let files = numbers.into_iter().map(|number| task.descriptor(number).map_err(|_| Errno::EBADF));
        Ok(Message { data, files: files.collect::<Result<_, _>>()? })
    }
}

/// The numbers of the files that a control buffer carries (cmsg(3)). Credentials are the kernel's to fill in.
fn files_in(mut control: &[u8]) -> Result<Vec<i32>, Errno> {
    let mut files = Vec::new();
    while let Some((header, rest)) = control.split_at_checked(CONTROL_HEADER_BYTES) {
        let field =
            |at: usize| i32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let whole = header.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        let length = usize::try_from(whole).ok().and_then(|whole| whole.checked_sub(CONTROL_HEADER_BYTES));
        let content = length.and_then(|length| rest.get(..length)).ok_or(Errno::EINVAL)?;
        match (field(8), field(12)) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                let numbers = content.chunks_exact(4).map(|b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
                files.extend(numbers);
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {}
            (libc::SOL_SOCKET, _) => return Err(Errno::EINVAL),
            _ => {}
        }
        if files.len() > FILES_MAX {
            return Err(Errno::EINVAL);
        }
        control = rest.get(content.len().next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(files)
}

impl Task {
    /// Sends a message to the socket that a name stands for. Gives how many bytes that were.
    async fn send(
        &self,
        spot: &Spot,
        socket: &Arc<OwnedFd>,
        message: Message,
        flags: SendFlags,
    ) -> Result<usize, Error> {
        let node = self.socket_node(spot).await?;
        let (agent, socket) = (Arc::clone(&self.agent), Arc::clone(socket));
        // A full queue makes its caller wait: not on a thread that others need.
        let sent = tokio::task::spawn_blocking(move || {
            let store = agent.objects.store();
            agent.unix_sockets.send_to(store, &socket, node, (&message.data, &message.files), flags)
        });
        Ok(sent.await.map_err(|panic| Error::new(Errno::EIO, "send").caused_by(panic))??)
    }

    /// Where a path leads, if that is in a mount.
    async fn remote_spot(&self, path: &[u8]) -> Option<Spot> {
        let Begin::Walk(start) = self.begin(libc::AT_FDCWD, path, Last::Follow) else { return None };
        let reached = self.walk(start, path, Last::Follow).await.ok()?;
        self.spot(reached)
    }
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
