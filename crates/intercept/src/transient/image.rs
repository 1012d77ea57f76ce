//! What a new program finds about itself on its stack.

use super::tracee::Tracee;
use crate::memory::{self, MemoryError};
use crate::{Tid, UserPtr, auxv};

/// The auxiliary vector's entry that points to the path given to execve.
const AT_EXECFN: u64 = 31;

/// Writes `shown` over the path at AT_EXECFN, which is `path`, at least as long. The new program has not run yet.
///
/// A program whose memory is closed to us (a file that may be executed but not read) keeps the path as it is.
pub(super) fn show(tracee: &Tracee, path: &[u8], shown: &[u8]) {
    if let Err(error) = overwrite(tracee.tid(), path, shown) {
        tracing::warn!(tid = %tracee.tid(), %error, "the new program sees the path that was executed in its stead");
    }
}

fn overwrite(tid: Tid, path: &[u8], shown: &[u8]) -> Result<(), MemoryError> {
    let at = execfn(tid)?;
    let mut found = vec![0; path.len()];
    memory::read(tid, at, &mut found)?;
    if found != path {
        return Err(MemoryError::Fault);
    }
    let mut bytes = shown.to_vec();
    bytes.resize(path.len(), 0);
    memory::write(tid, at, &bytes)
}

/// Where AT_EXECFN points to, from `/proc/PID/auxv`.
fn execfn(tid: Tid) -> Result<UserPtr, MemoryError> {
    let auxv = saved_auxv(tid)?;
    auxv::find(&auxv, AT_EXECFN).map(UserPtr).ok_or(MemoryError::Fault)
}

/// The auxiliary vector as the kernel keeps it for `/proc/PID/auxv`.
fn saved_auxv(tid: Tid) -> Result<Vec<u8>, MemoryError> {
    std::fs::read(format!("/proc/{tid}/auxv")).map_err(|_| MemoryError::Denied)
}

/// Bytes of one look at a stack. Most environments end, and every auxiliary vector ends, in fewer.
const LOOK_BYTES: usize = 8192;

/// Sets entries of the auxiliary vector on the stack of a new program, which has not run yet.
///
/// A program whose memory is closed to us keeps what the kernel gave it.
pub(super) fn set_auxv(tracee: &Tracee, entries: &[(u64, u64)]) {
    if entries.is_empty() {
        return;
    }
    let done = tracee.stack_of_new_program().map_err(|_| MemoryError::Gone);
    if let Err(error) = done.and_then(|stack| overwrite_auxv(tracee.tid(), UserPtr(stack), entries)) {
        tracing::warn!(tid = %tracee.tid(), %error, "the new program's auxiliary vector is the kernel's");
    }
}

fn overwrite_auxv(tid: Tid, stack: UserPtr, entries: &[(u64, u64)]) -> Result<(), MemoryError> {
    let saved = saved_auxv(tid)?;
    let bytes = auxv::word_bytes(&saved).ok_or(MemoryError::Fault)?;
    let mut argc = vec![0; bytes];
    memory::read(tid, stack, &mut argc)?;
    // The count, the arguments with a null, the environment with a null: then comes the vector.
    let environment = stack.offset(bytes as u64 * auxv::word(&argc).saturating_add(2));
    let at = after_null(tid, environment, bytes)?;
    let mut found = vec![0; LOOK_BYTES];
    let length = memory::read_some(tid, at, &mut found)?;
    found.truncate(length.min(saved.len()));
    if found.get(..2 * bytes) != saved.get(..2 * bytes) {
        return Err(MemoryError::Fault);
    }
    auxv::set(&mut found, entries);
    memory::write(tid, at, &found)
}

/// The address behind the first word from `at` on that is null.
fn after_null(tid: Tid, mut at: UserPtr, bytes: usize) -> Result<UserPtr, MemoryError> {
    let mut piece = vec![0; LOOK_BYTES];
    loop {
        let length = memory::read_some(tid, at, &mut piece)?;
        let words = piece[..length].chunks_exact(bytes);
        let whole = words.len();
        match words.into_iter().position(|word| auxv::word(word) == 0) {
            Some(null) => return Ok(at.offset(((null + 1) * bytes) as u64)),
            None if whole == 0 => return Err(MemoryError::Fault),
            None => at = at.offset((whole * bytes) as u64),
        }
    }
}
