//! The door between an agent and a Mynah that is started below it: a tree of processes can have one listener, so the inner
//! one hands its mounts over to the agent that is there.
//!
//! It is prctl(2) with an option that no kernel has, and so fails with EINVAL where no agent answers:
//!
//! `prctl(OPTION, op, request, request_bytes, reply)`
//!
//! `reply` has room for [`REPLY_MAX`] bytes; the call's value is how many were written, but for [`Op::Hello`], where it is the
//! agent's [`VERSION`]. Whatever changes here changes that number: the two sides may be two versions of Mynah.

use std::io;

use crate::sys;

/// The option of prctl(2): "Myna".
pub const OPTION: u32 = 0x4d79_6e61;
/// The version of what follows from here.
pub const VERSION: i64 = 1;
/// The longest request, in bytes: thousands of mounts.
pub const REQUEST_MAX: usize = 1 << 20;
/// The room for a reply, in bytes: some hundred lines for people.
pub const REPLY_MAX: usize = 64 << 10;

/// What is asked of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Op {
    /// Is there one, and of which version?
    Hello = 0,
    /// All processes that will be below the caller get a namespace of their own, within the caller's. The request is the time
    /// that a call may take, in milliseconds (u64, little endian), then mounts as lines of a mount file, their names absolute and
    /// without links. The reply says what is wrong with them; it is empty if nothing is.
    Enter = 1,
    /// The caller does for those below it what its parent does, and is itself where its parent is.
    Keep = 2,
    /// The caller's parent-death signal is not the program's own.
    Launched = 3,
    /// Everything that was written in the namespace that the caller keeps goes home. The reply names what could not, a file a line.
    Settle = 4,
}

impl Op {
    /// All of them, at the place of their number.
    pub const ALL: [Op; 5] = [Op::Hello, Op::Enter, Op::Keep, Op::Launched, Op::Settle];
}

/// The version of the agent that answers for this process; `None` if there is none, or none that knows of this.
#[must_use]
pub fn agent_version() -> Option<i64> {
    call(Op::Hello, &[], &mut []).ok()
}

/// Asks the agent. Gives its reply.
///
/// # Errors
/// EINVAL: there is no agent, or it does not understand; EPERM: the caller keeps no namespace; E2BIG: the request is too long.
pub fn ask(op: Op, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut reply = vec![0; REPLY_MAX];
    let written = call(op, request, &mut reply)?;
    reply.truncate(usize::try_from(written).unwrap_or(0));
    Ok(reply)
}

fn call(op: Op, request: &[u8], reply: &mut [u8]) -> io::Result<i64> {
    match sys::prctl_handover(OPTION, op as u64, request, reply) {
        value if value < 0 => Err(io::Error::from_raw_os_error(-value as i32)),
        value => Ok(value),
    }
}
