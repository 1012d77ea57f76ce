//! A tracee's memory.
//!
//! process_vm_readv(2) and process_vm_writev(2), and `/proc/TID/mem` where those are refused (some containers filter them).
//! The memory is the program's: it may change between two looks. What is read once is what is decided upon.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use crate::sys;
use crate::{Tid, UserPtr};

/// Why memory could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryError {
    /// Not mapped, or not with the right to do this (the kernel's EFAULT).
    Fault,
    /// A string with no end within the limit.
    TooLong,
    /// The thread does not exist any more.
    Gone,
    /// We may not look into this process (it is not dumpable, or another user's).
    Denied,
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemoryError::Fault => "address not mapped in the program",
            MemoryError::TooLong => "string too long",
            MemoryError::Gone => "the program has ended",
            MemoryError::Denied => "no permission to look into the program",
        })
    }
}

impl std::error::Error for MemoryError {}

/// The smallest page of the processors supported; mappings begin and end at multiples of it.
const PAGE: u64 = 4096;

/// How much of a string is read at first: most paths are shorter.
const FIRST_PIECE: u64 = 256;

/// Fills `into` from address `from`; [`MemoryError::Fault`] if not all of it is mapped.
pub fn read(tid: Tid, from: UserPtr, into: &mut [u8]) -> Result<(), MemoryError> {
    let wanted = into.len();
    if read_some(tid, from, into)? == wanted { Ok(()) } else { Err(MemoryError::Fault) }
}

/// Reads as many bytes from address `from` as are mapped without a gap, at most `into`'s length, and gives
/// their number. [`MemoryError::Fault`] if not even the first is (and `into` is not empty).
pub fn read_some(tid: Tid, from: UserPtr, into: &mut [u8]) -> Result<usize, MemoryError> {
    let mut done = 0;
    while done < into.len() {
        let at = from.offset(done as u64);
        match read_once(tid, at, &mut into[done..]) {
            Ok(count) => done += count,
            Err(MemoryError::Fault) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all of `from` at address `to`; [`MemoryError::Fault`] if it is not all writable. What comes before the
/// first address that is not may have been written, as with the kernel's own copies.
///
/// Where only `/proc/TID/mem` is to be had, the kernel does not heed write protection.
pub fn write(tid: Tid, to: UserPtr, from: &[u8]) -> Result<(), MemoryError> {
    let mut done = 0;
    while done < from.len() {
        done += write_once(tid, to.offset(done as u64), &from[done..])?;
    }
    Ok(())
}

/// The string at `from`, without its NUL. `max` counts the NUL, as PATH_MAX does: [`MemoryError::TooLong`] if it is not
/// among the first `max` bytes. Never looks beyond the page that the string ends in.
pub fn read_c_string(tid: Tid, from: UserPtr, max: usize) -> Result<Vec<u8>, MemoryError> {
    let mut string = Vec::new();
    read_c_string_into(tid, from, max, &mut string)?;
    Ok(string)
}

/// [`read_c_string`] into a buffer that is used again. It holds the string alone; after an error, nothing.
pub fn read_c_string_into(
    tid: Tid,
    from: UserPtr,
    max: usize,
    string: &mut Vec<u8>,
) -> Result<(), MemoryError> {
    string.clear();
    let outcome = append_pieces(tid, from, max, string);
    if outcome.is_err() {
        string.clear();
    }
    outcome
}

fn append_pieces(tid: Tid, from: UserPtr, max: usize, string: &mut Vec<u8>) -> Result<(), MemoryError> {
    let mut limit = FIRST_PIECE;
    while string.len() < max {
        let start = string.len();
        let at = from.offset(start as u64);
        let piece = limit.min(PAGE - at.0 % PAGE).min((max - start) as u64) as usize;
        string.resize(start + piece, 0);
        read(tid, at, &mut string[start..])?;
        if let Some(end) = string[start..].iter().position(|&byte| byte == 0) {
            string.truncate(start + end);
            return Ok(());
        }
        limit = PAGE;
    }
    Err(MemoryError::TooLong)
}

/// The 64-bit word at `from`.
pub fn read_u64(tid: Tid, from: UserPtr) -> Result<u64, MemoryError> {
    let mut word = [0; 8];
    read(tid, from, &mut word)?;
    Ok(u64::from_ne_bytes(word))
}

/// The 32-bit word at `from`.
pub fn read_u32(tid: Tid, from: UserPtr) -> Result<u32, MemoryError> {
    let mut word = [0; 4];
    read(tid, from, &mut word)?;
    Ok(u32::from_ne_bytes(word))
}

fn read_once(tid: Tid, from: UserPtr, into: &mut [u8]) -> Result<usize, MemoryError> {
    let count = match sys::process_vm_read(tid.0, from.0, into) {
        Err(error) if is_refusal(&error) => open_mem(tid, Access::Read)?.read_at(into, from.0),
        outcome => outcome,
    };
    moved(count)
}

fn write_once(tid: Tid, to: UserPtr, from: &[u8]) -> Result<usize, MemoryError> {
    let count = match sys::process_vm_write(tid.0, to.0, from) {
        Err(error) if is_refusal(&error) => open_mem(tid, Access::Write)?.write_at(from, to.0),
        outcome => outcome,
    };
    moved(count)
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

fn open_mem(tid: Tid, access: Access) -> Result<File, MemoryError> {
    let mut options = OpenOptions::new();
    match access {
        Access::Read => options.read(true),
        Access::Write => options.write(true),
    };
    options.open(format!("/proc/{tid}/mem")).map_err(|error| cause(&error))
}

/// Whether it is the call itself that is refused, so that the other way may do.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS))
}

/// No bytes moved is what `/proc/TID/mem` says of a process whose memory is gone.
fn moved(count: io::Result<usize>) -> Result<usize, MemoryError> {
    match count {
        Ok(0) => Err(MemoryError::Gone),
        Ok(count) => Ok(count),
        Err(error) => Err(cause(&error)),
    }
}

fn cause(error: &io::Error) -> MemoryError {
    match error.raw_os_error() {
        Some(libc::ESRCH | libc::ENOENT) => MemoryError::Gone,
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => MemoryError::Denied,
        // EIO is `/proc/TID/mem`'s word for EFAULT; EINVAL, EOVERFLOW come from addresses that no program has.
        _ => MemoryError::Fault,
    }
}
