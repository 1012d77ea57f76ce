//! What differs by processor, and kernel structures as bytes.
//!
//! The encoders lay out what the agent writes into a program's memory when it answers a call itself. They are safe code
//! over byte arrays; tests compare them with the C library's definitions.

mod dirent;
mod stat;
mod statfs;

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
use x86_64 as native;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
use aarch64 as native;

pub use dirent::{encode_dirent, encode_dirent64};
pub use native::{STAT_BYTES, STAT_OWNER};
pub use stat::{
    I386_OLD_STAT_OWNER, I386_STAT_OWNER, I386_STAT64_BYTES, I386_STAT64_OWNER, OwnerAt, STATX_BYTES,
    STATX_OWNER, StatFields, UCRED_OWNER, encode_i386_stat64, encode_stat, encode_statx, stat_of, statx_of,
};
pub use statfs::{STATFS_BYTES, StatfsFields, encode_statfs};

pub(crate) use native::{
    AUDIT_ARCH_I386, AUDIT_ARCH_NATIVE, HAS_X32, INSTRUCTION_BYTES, JUMP_TO_RESULT, Registers,
    abi_of_instruction, loads_number, numbers, stub,
};
#[cfg(target_arch = "x86_64")]
pub(crate) use native::{FRAME_BYTES, SignalFrame};

/// The numbers of the calls that [`transient`](crate::transient) performs in a tracee, and what else it has to know of
/// an [`Abi`](crate::Abi).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) close: u64,
    pub(crate) execve: u64,
    /// mmap with the offset in bytes, or in pages: only offset 0 is used.
    pub(crate) mmap: u64,
    pub(crate) munmap: u64,
    pub(crate) socket: u64,
    pub(crate) recvmsg: u64,
    pub(crate) dup3: u64,
    /// Bytes of one pointer in an argument array.
    pub(crate) pointer_bytes: usize,
}

/// Instructions that lead a task: behind [`StubWords`] in its memory, position-independent. Entered at their beginning they make the
/// call that the words say, report the result by another call of the caller's own number, whose first argument it is, and jump
/// to the address which that returns: the beginning again, or `back`, where the task gets its own registers and makes its own
/// call once more. They use no stack, and change no flags.
pub(crate) struct Stub {
    pub(crate) code: Vec<u8>,
    /// Offsets in `code`: behind the call, behind the report, and the way back.
    pub(crate) performed: usize,
    pub(crate) reported: usize,
    pub(crate) back: usize,
}

/// The 64-bit words that a [`Stub`] works on, by index.
pub(crate) struct StubWords;

impl StubWords {
    /// A number that no other stub has.
    pub(crate) const SERIAL: usize = 0;
    /// The call to make: its number and six arguments.
    pub(crate) const CALL: usize = 1;
    /// The task's own call, in the same way.
    pub(crate) const OWN_CALL: usize = 8;
    /// The address of the instruction that makes it.
    pub(crate) const BACK: usize = 15;
    pub(crate) const BYTES: usize = 16 * 8;
}

/// Writes a number into `bytes` at `offset`, in the processor's order.
macro_rules! put {
    ($bytes:expr, $offset:expr, $value:expr) => {{
        let value = $value.to_ne_bytes();
        $bytes[$offset..$offset + value.len()].copy_from_slice(&value);
    }};
}
pub(crate) use put;
