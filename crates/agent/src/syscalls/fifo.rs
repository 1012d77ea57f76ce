//! FIFOs that the agent opens for programs: those of servers, and the machine's own under another name.
//!
//! An open of a FIFO waits until somebody opens the other side. Here it waits without a thread: both sides are opened without
//! waiting, and looked at now and then.

use super::open::{DESCRIPTION_FLAGS, Wanted};
use crate::outcome::Outcome;
use mynah_vfs::Error;
use rustix::fs::{self, Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Whether an open of a FIFO waits for the other side (fifo(7)).
pub(super) fn waits(wanted: Wanted) -> bool {
    let both = wanted.reads() && wanted.writes();
    !wanted.has(OFlags::NONBLOCK) && !both
}

/// Opens a FIFO once the other side has come, without a thread that waits.
pub(super) async fn open(path: &Path, wanted: Wanted) -> Result<Outcome, Error> {
    let flags = wanted.flags & DESCRIPTION_FLAGS;
    let fd = if wanted.reads() {
        wait_for_writer(path, flags).await?
    } else {
        wait_for_reader(path, flags).await?
    };
    fs::fcntl_setfl(&fd, flags & !OFlags::RWMODE).map_err(fifo_error)?;
    Ok(wanted.install(fd))
}

fn fifo_error(errno: rustix::io::Errno) -> Error {
    Error::io("a FIFO", errno.into())
}

/// How often somebody who waits at a FIFO looks whether the other side has come.
const FIFO_LOOK: std::time::Duration = std::time::Duration::from_millis(10);

fn open_at_once(path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    fs::open(path, flags | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
}

/// Opens for reading once somebody writes. The open end is what lets a writer come in.
async fn wait_for_writer(path: &Path, flags: OFlags) -> Result<OwnedFd, Error> {
    let fd = open_at_once(path, flags).map_err(fifo_error)?;
    while !writer_came(&fd)? {
        tokio::time::sleep(FIFO_LOOK).await;
    }
    Ok(fd)
}

/// Whether a writer has come since `fd` was opened, though it be gone again: the kernel lets a reader go on for that too, and
/// tells it by POLLHUP. One that has stayed and written nothing makes a reader wait, where an empty FIFO without writers
/// reads as ended. Data can only lie in it if a writer came, and is not touched.
fn writer_came(fd: &OwnedFd) -> Result<bool, Error> {
    let mut poll = [rustix::event::PollFd::new(fd, rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut poll, Some(&now)).map_err(fifo_error)?;
    let came = rustix::event::PollFlags::IN | rustix::event::PollFlags::HUP;
    if poll[0].revents().intersects(came) {
        return Ok(true);
    }
    let mut nothing = [0u8; 1];
    match rustix::io::read(fd, &mut nothing) {
        Ok(0) => Ok(false),
        Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(true),
        Err(errno) => Err(fifo_error(errno)),
    }
}

/// Opens for writing once somebody reads.
async fn wait_for_reader(path: &Path, flags: OFlags) -> Result<OwnedFd, Error> {
    loop {
        match open_at_once(path, flags) {
            Err(rustix::io::Errno::NXIO) => tokio::time::sleep(FIFO_LOOK).await,
            opened => return opened.map_err(fifo_error),
        }
    }
}
