//! execve of another file than the program named.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::tracee::{Ran, Tracee};
use super::vfork::ParentWatch;
use super::{Kin, TransientError, image, numbers, raw_number, work, work_or_lead};
use crate::listener::Listener;
use crate::{Abi, Notification, UserPtr, arch};

/// What to execute, and what the program is to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecPlan {
    /// The path that the kernel is to open, relative to the program's working directory unless it begins with `/`; 1 to
    /// 4095 bytes. Its last component becomes the name of the process (`/proc/PID/comm`).
    ///
    /// It must be a file that the kernel loads itself. Of a script, the kernel would show this path to the interpreter; so
    /// the interpreter is to be given here and the script in `argv`.
    pub file: Vec<u8>,
    /// The arguments, all of them; `None` keeps the program's own array.
    pub argv: Option<Vec<Vec<u8>>>,
    /// The path that AT_EXECFN of the new program is to say, which is what it was asked to execute; at most 4095 bytes.
    pub shown: Vec<u8>,
    /// Entries of the new program's auxiliary vector (key, value) to set.
    pub auxv: Vec<(u64, u64)>,
    /// Descriptors of the program to close if the execve fails.
    pub close_on_failure: Vec<i32>,
}

/// How an execve ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecOutcome {
    /// The new program runs.
    Done,
    /// The old one goes on, with this errno.
    Failed(i32),
}

/// The longest path that the kernel takes, without its NUL.
const PATH_BYTES_MAX: usize = libc::PATH_MAX as usize - 1;

/// Performs the pending execve(2) or execveat(2) as the execve of another file; see [`ExecPlan`].
///
/// The environment is the program's own array. If it fails, all is as it was. It works for a child of vfork, which
/// shares its parent's memory, and for threads other than the leader. A parent thread that waits in vfork is
/// traced, too, for the time of the call, to remove what was mapped into the memory that it shares; if it cannot be,
/// a few pages stay mapped there.
pub fn exec(
    listener: &Listener,
    notification: &Notification,
    plan: &ExecPlan,
) -> Result<ExecOutcome, TransientError> {
    let acceptable = 1..=PATH_BYTES_MAX;
    if !acceptable.contains(&plan.file.len()) || plan.shown.len() > PATH_BYTES_MAX {
        return Err(TransientError::Os(io::ErrorKind::InvalidInput.into()));
    }
    let (pending, plan) = (*notification, plan.clone());
    work_or_lead(listener, notification, move |tracee| exec_by(tracee, pending, plan))
}

async fn exec_by(
    mut tracee: Tracee,
    notification: Notification,
    plan: ExecPlan,
) -> Result<ExecOutcome, TransientError> {
    let kin = Kin::of(tracee.tid())?;
    let block = Block::new(&plan, tracee.abi());
    let scratch = match Scratch::map(&mut tracee, block.len()).await? {
        Ok(scratch) => scratch,
        Err(errno) => return fail(tracee, None, &plan, errno).await,
    };
    let contents = block.at(scratch.start);
    if tracee.write(UserPtr(scratch.start), &contents).is_err() {
        return fail(tracee, Some(scratch), &plan, libc::EFAULT).await;
    }
    let watch = ParentWatch::begin(&kin, scratch, &contents, tracee.resident());
    let (own_argv, envp) = arrays(&notification);
    let argv = if plan.argv.is_some() { scratch.start + block.argv as u64 } else { own_argv };
    let args = [scratch.start + block.file as u64, argv, envp, 0, 0, 0];
    match tracee.run(numbers(&notification).execve, args).await? {
        Ran::Executed => {
            image::show(&tracee, &block.path, &plan.shown);
            image::set_auxv(&tracee, &plan.auxv);
            let begun = tracee.begin_program();
            watch.executed();
            begun.map(|()| ExecOutcome::Done)
        }
        Ran::Returned(result) => {
            watch.failed();
            fail(tracee, Some(scratch), &plan, -result as i32).await
        }
    }
}

/// Performs the pending execve(2) or execveat(2) as it is, and sets entries of the new program's auxiliary vector (key,
/// value) before it runs.
pub fn exec_with_auxv(
    listener: &Listener,
    notification: &Notification,
    auxv: &[(u64, u64)],
) -> Result<ExecOutcome, TransientError> {
    let (call, auxv) = (notification.call, auxv.to_vec());
    work(listener, notification, move |mut tracee| async move {
        match tracee.run(raw_number(&call), call.args).await? {
            Ran::Executed => {
                image::set_auxv(&tracee, &auxv);
                tracee.begin_program().map(|()| ExecOutcome::Done)
            }
            Ran::Returned(result) => tracee.go_on(result).map(|()| ExecOutcome::Failed(-result as i32)),
        }
    })
}

/// Cleans up and lets the old program go on with an error.
async fn fail(
    mut tracee: Tracee,
    scratch: Option<Scratch>,
    plan: &ExecPlan,
    errno: i32,
) -> Result<ExecOutcome, TransientError> {
    if let Some(scratch) = scratch {
        scratch.unmap(&mut tracee).await?;
    }
    for &fd in &plan.close_on_failure {
        tracee.close(fd).await?;
    }
    tracee.go_on(-i64::from(errno))?;
    Ok(ExecOutcome::Failed(errno))
}

/// The argument and environment arrays of the pending call.
fn arrays(notification: &Notification) -> (u64, u64) {
    let call = &notification.call;
    let execve = numbers(notification).execve as u32 & !crate::filter::X32_BIT;
    // execveat has the directory descriptor before the path.
    let argv = if call.number == execve { 1 } else { 2 };
    (call.args[argv], call.args[argv + 1])
}

/// Memory of a program's for the time of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scratch {
    pub(crate) start: u64,
    /// How much was mapped for it; 0 if it was there before.
    pub(crate) length: u64,
}

impl Scratch {
    /// The inner error is the errno of mmap.
    pub(crate) async fn map(
        tracee: &mut Tracee,
        length: usize,
    ) -> Result<Result<Scratch, i32>, TransientError> {
        const PROTECTION: u64 = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        const FLAGS: u64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let length = length as u64;
        if let Some(start) = tracee.room(length) {
            return Ok(Ok(Scratch { start, length: 0 }));
        }
        let mmap = arch::numbers(tracee.abi()).mmap;
        let start = tracee.perform(mmap, [0, length, PROTECTION, FLAGS, u64::MAX, 0]).await?;
        Ok(if (-4095..0).contains(&start) {
            Err(-start as i32)
        } else {
            Ok(Scratch { start: start as u64, length })
        })
    }

    pub(crate) async fn unmap(self, tracee: &mut Tracee) -> Result<(), TransientError> {
        if self.length == 0 {
            return Ok(());
        }
        let munmap = arch::numbers(tracee.abi()).munmap;
        tracee.perform(munmap, [self.start, self.length, 0, 0, 0, 0]).await.map(drop)
    }
}

/// Tells one exec's scratch memory from every other's.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// What is written into scratch memory: a serial number, the argument array and its strings, the path.
struct Block {
    serial: u64,
    /// Arguments with their NULs, one after the other, and where each begins.
    strings: Vec<u8>,
    starts: Vec<usize>,
    /// The path as the kernel gets it.
    path: Vec<u8>,
    pointer_bytes: usize,
    /// Offsets in the block.
    argv: usize,
    text: usize,
    file: usize,
}

impl Block {
    fn new(plan: &ExecPlan, abi: Abi) -> Block {
        const HEAD: usize = 16;
        let (mut strings, mut starts) = (Vec::new(), Vec::new());
        for argument in plan.argv.iter().flatten() {
            starts.push(strings.len());
            strings.extend_from_slice(argument);
            strings.push(0);
        }
        let pointer_bytes = arch::numbers(abi).pointer_bytes;
        let text = HEAD + (starts.len() + 1) * pointer_bytes;
        let file = text + strings.len();
        let path = padded(&plan.file, plan.shown.len());
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Block { serial, strings, starts, path, pointer_bytes, argv: HEAD, text, file }
    }

    fn len(&self) -> usize {
        self.file + self.path.len() + 1
    }

    /// Its bytes, for memory that begins at `start`.
    fn at(&self, start: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        bytes.extend_from_slice(&self.serial.to_ne_bytes());
        bytes.resize(self.argv, 0);
        for string in &self.starts {
            let pointer = start + (self.text + string) as u64;
            // Little-endian: the low half of a pointer comes first.
            bytes.extend_from_slice(&pointer.to_le_bytes()[..self.pointer_bytes]);
        }
        bytes.resize(self.text, 0);
        bytes.extend_from_slice(&self.strings);
        bytes.extend_from_slice(&self.path);
        bytes.push(0);
        bytes
    }
}

/// The same path in at least `length` bytes, so that another of that length can be written over it in the new program.
fn padded(path: &[u8], length: usize) -> Vec<u8> {
    let missing = length.saturating_sub(path.len());
    let mut padded = Vec::with_capacity(path.len() + missing + 1);
    if missing > 0 {
        if path.starts_with(b"/") {
            padded.resize(missing, b'/');
        } else {
            padded.push(b'.');
            padded.resize(missing.max(2), b'/');
        }
    }
    padded.extend_from_slice(path);
    padded
}

#[cfg(test)]
mod tests {
    use super::padded;

    #[test]
    fn a_padded_path_names_the_same_file_and_is_long_enough() {
        assert_eq!(padded(b"/bin/sh", 3), b"/bin/sh");
        assert_eq!(padded(b"/bin/sh", 9), b"///bin/sh");
        assert_eq!(padded(b"sh", 5), b".//sh");
        assert_eq!(padded(b"sh", 3), b"./sh");
    }
}
