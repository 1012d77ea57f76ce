//! Putting a descriptor into a traced program's table, without the listener's ADDFD.
//!
//! The program is made to open a Unix datagram socket. We fetch that very socket, give it an address and send the
//! descriptor through it to itself, so neither of us needs a name that the other can see; the program is made to
//! receive it, and to move it onto the socket's number, which was the lowest free one. All is done between the stop before
//! its call and the stop after, with its signals blocked. Other threads of the program may see the socket's number taken,
//! as they may by any open of this one's.
//!
//! Receiving needs a second free number for a moment. Where the limit leaves only one, it is raised for that moment.

use std::io;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg_addr};
use rustix::process::{Pid, Resource, Rlimit};

use crate::arch::numbers;
use crate::listener::AddFd;
use crate::pidfd::PidFd;
use crate::transient::{Kin, Scratch, Tracee, TransientError};
use crate::{Abi, Tid, UserPtr, memory, sys};

/// Puts `fd` into the table of `tracee`. The inner error is an errno.
pub(super) async fn hand_over(
    tracee: &mut Tracee,
    fd: OwnedFd,
    how: AddFd,
) -> Result<Result<i32, i32>, TransientError> {
    let scratch = match Scratch::map(tracee, Letter::BYTES_MAX).await? {
        Ok(scratch) => scratch,
        Err(errno) => return Ok(Err(errno)),
    };
    let added = through_socket(tracee, scratch, &fd, how).await;
    scratch.unmap(tracee).await?;
    added
}

async fn through_socket(
    tracee: &mut Tracee,
    scratch: Scratch,
    fd: &OwnedFd,
    how: AddFd,
) -> Result<Result<i32, i32>, TransientError> {
    let kind = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as u64;
    let socket = perform(tracee, numbers(tracee.abi()).socket, [libc::AF_UNIX as u64, kind, 0]).await?;
    let Ok(socket) = socket else { return Ok(socket) };
    let received = match receive(tracee, scratch, socket, fd).await? {
        Ok(received) => received,
        Err(errno) => {
            tracee.close(socket).await?;
            return Ok(Err(errno));
        }
    };
    let target = how.at.unwrap_or(socket);
    let flags = if how.cloexec { libc::O_CLOEXEC } else { 0 };
    let mut moved = Ok(target);
    if target != received.number {
        let args = [received.number as u64, target as u64, flags as u64];
        moved = perform(tracee, numbers(tracee.abi()).dup3, args).await?;
        tracee.close(received.number).await?;
    }
    received.limit.restore();
    if target != socket || moved.is_err() {
        tracee.close(socket).await?;
    }
    Ok(moved)
}

/// A descriptor in the program's table, close-on-exec.
struct Received {
    number: i32,
    limit: Limit,
}

async fn receive(
    tracee: &mut Tracee,
    scratch: Scratch,
    socket: i32,
    fd: &OwnedFd,
) -> Result<Result<Received, i32>, TransientError> {
    let process = Kin::of(tracee.tid())?.tgid;
    let ours = match open_socket(tracee.tid(), process, socket) {
        Ok(ours) => ours,
        Err(error) => return Ok(Err(errno_of(&error))),
    };
    let mut limit = Limit::untouched(process);
    let letter = Letter::new(tracee.abi(), scratch.start);
    loop {
        if let Err(error) = post(&ours, fd) {
            return Ok(Err(errno_of(&error)));
        }
        if memory::write(tracee.tid(), UserPtr(scratch.start), &letter.bytes()).is_err() {
            return Ok(Err(libc::EFAULT));
        }
        let flags = (libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT) as u64;
        let args = [socket as u64, scratch.start, flags];
        if let Err(errno) = perform(tracee, numbers(tracee.abi()).recvmsg, args).await? {
            limit.restore();
            return Ok(Err(errno));
        }
        match letter.descriptor(tracee.tid()) {
            Some(number) => return Ok(Ok(Received { number, limit })),
            None if limit.raise() => {}
            None => {
                limit.restore();
                return Ok(Err(libc::EMFILE));
            }
        }
    }
}

/// Performs a call of three arguments: a descriptor or 0, or an errno.
async fn perform(
    tracee: &mut Tracee,
    number: u64,
    args: [u64; 3],
) -> Result<Result<i32, i32>, TransientError> {
    let [a, b, c] = args;
    let result = tracee.perform(number, [a, b, c, 0, 0, 0]).await?;
    Ok(if (-4095..0).contains(&result) { Err(-result as i32) } else { Ok(result as i32) })
}

/// The program's socket, with an address of the kernel's choice.
fn open_socket(thread: Tid, process: Tid, socket: i32) -> io::Result<OwnedFd> {
    // Kernels that cannot hold a thread hold its process, which has the same table in all but strange programs.
    let holder = PidFd::open_thread(thread).or_else(|_| PidFd::open(process))?;
    let ours = holder.get_fd(socket)?;
    sys::autobind(ours.as_fd())?;
    Ok(ours)
}

/// Sends `fd` through a socket to itself.
fn post(socket: &OwnedFd, fd: &OwnedFd) -> io::Result<()> {
    let address = rustix::net::getsockname(socket)?;
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let one = [IoSlice::new(b"d")];
    sendmsg_addr(socket, &address, &one, &mut control, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
    Ok(())
}

fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// What recvmsg(2) needs in the program's memory: `struct msghdr`, one `struct iovec`, a byte, and room for one
/// descriptor. All fields are machine words to the program, those that the C library declares narrower included: the
/// kernel is little-endian, and what is above them is padding.
struct Letter {
    start: u64,
    word: usize,
}

impl Letter {
    /// Its length where words are longest.
    const BYTES_MAX: usize = 14 * 8;

    /// In the words of a program, for memory at `start`.
    fn new(abi: Abi, start: u64) -> Letter {
        Letter { start, word: numbers(abi).pointer_bytes }
    }

    /// The address of its word `index`. Words 0 to 6 are the header, 7 and 8 the vector, 9 the byte, then control data.
    fn at(&self, index: usize) -> u64 {
        self.start + (index * self.word) as u64
    }

    /// Length of the head of control data (a word, two ints), and of that with one descriptor.
    fn control_bytes(&self) -> (usize, usize) {
        (self.word + 8, self.word + 12)
    }

    /// `CMSG_SPACE(sizeof(int))`.
    fn control_space(&self) -> usize {
        self.control_bytes().1.next_multiple_of(self.word)
    }

    fn bytes(&self) -> Vec<u8> {
        let vector = [self.at(9), 1];
        // Name, its length, vector, its length, control, its length, flags.
        let header = [0, 0, self.at(7), 1, self.at(10), self.control_space() as u64, 0];
        let words = header.into_iter().chain(vector);
        let mut bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()[..self.word].to_vec()).collect();
        bytes.resize(10 * self.word + self.control_space(), 0);
        bytes
    }

    /// The descriptor that came, if there was a number free for it.
    fn descriptor(&self, tid: Tid) -> Option<i32> {
        let (head, whole) = self.control_bytes();
        let length = memory::read_u32(tid, UserPtr(self.at(5))).ok()?;
        if (length as usize) < whole {
            return None;
        }
        memory::read_u32(tid, UserPtr(self.at(10) + head as u64)).ok().map(|number| number as i32)
    }
}

/// A program's limit of open descriptors.
struct Limit {
    process: Tid,
    original: Option<Rlimit>,
}

impl Limit {
    fn untouched(process: Tid) -> Limit {
        Limit { process, original: None }
    }

    /// Makes room for one more, once. False if that cannot be had.
    fn raise(&mut self) -> bool {
        let Some(pid) = Pid::from_raw(self.process.0).filter(|_| self.original.is_none()) else {
            return false;
        };
        let Ok(now) = sys::limit_of(self.process) else { return false };
        let Some(current) = now.current else { return false };
        let current = current + 1;
        let maximum = now.maximum.map(|maximum| maximum.max(current));
        let raised = Rlimit { current: Some(current), maximum };
        self.original = rustix::process::prlimit(Some(pid), Resource::Nofile, raised).ok();
        self.original.is_some()
    }

    fn restore(self) {
        if let (Some(original), Some(pid)) = (self.original, Pid::from_raw(self.process.0)) {
            // A program that is gone has no limit.
            let _ = rustix::process::prlimit(Some(pid), Resource::Nofile, original);
        }
    }
}
