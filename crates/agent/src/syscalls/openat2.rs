//! openat2(2).

use super::open::{Wanted, start_with};
use super::path_call::{PathArg, on_path};
use crate::outcome::{Call, Outcome};
use crate::resolve::{LINKS_MAX, Last};
use mynah_intercept::memory;
use mynah_vfs::Errno;
use rustix::fs::OFlags;

/// `struct open_how` of openat2(2): flags, mode, resolve.
const OPEN_HOW_BYTES: usize = 24;
/// The kernel takes no more than a page.
const OPEN_HOW_BYTES_MAX: usize = 4096;
const RESOLVE_NO_XDEV: u64 = 0x01;
const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_NO_SYMLINKS: u64 = 0x04;
const RESOLVE_BENEATH: u64 = 0x08;
const RESOLVE_IN_ROOT: u64 = 0x10;
const RESOLVE_CACHED: u64 = 0x20;
const RESOLVE_KNOWN: u64 = 0x3f;

/// What openat2(2) is given.
struct OpenAt2 {
    flags: u64,
    mode: u64,
    resolve: u64,
}

impl OpenAt2 {
    /// # Errors
    /// EFAULT; EINVAL for a structure smaller than the first; E2BIG for one with more in it than is known (openat2(2)).
    fn read(call: Call<'_>) -> Result<OpenAt2, Errno> {
        let size = usize::try_from(call.arg(3)).map_err(|_| Errno::E2BIG)?;
        if size < OPEN_HOW_BYTES {
            return Err(Errno::EINVAL);
        }
        if size > OPEN_HOW_BYTES_MAX {
            return Err(Errno::E2BIG);
        }
        let mut bytes = vec![0; size];
        memory::read(call.tid(), call.pointer(2), &mut bytes).map_err(|_| Errno::EFAULT)?;
        if bytes[OPEN_HOW_BYTES..].iter().any(|&byte| byte != 0) {
            return Err(Errno::E2BIG);
        }
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_ne_bytes(word)
        };
        Ok(OpenAt2 { flags: word(0), mode: word(8), resolve: word(16) })
    }

    /// openat2(2) refuses what openat(2) would overlook.
    fn is_valid(&self) -> bool {
        let makes = self.flags
            & u64::from((OFlags::CREATE | OFlags::TMPFILE).bits() & !OFlags::DIRECTORY.bits())
            != 0;
        let both = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
        u32::try_from(self.flags).is_ok()
            && self.mode & !0o7777 == 0
            && (makes || self.mode == 0)
            && self.resolve & !RESOLVE_KNOWN == 0
            && self.resolve & both != both
    }
}

pub(super) fn openat2(call: Call<'_>) -> Outcome {
    let how = match OpenAt2::read(call) {
        Ok(how) => how,
        Err(errno) => return refused(call, errno),
    };
    let wanted = Wanted::new(how.flags as u32, how.mode as u32);
    if !how.is_valid() {
        return refused(call, Errno::EINVAL);
    }
    if how.resolve & RESOLVE_CACHED != 0 {
        return refused(call, Errno::EAGAIN);
    }
    if how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV) != 0 {
        return refused(call, Errno::ENOSYS);
    }
    let links_max = if how.resolve & RESOLVE_NO_SYMLINKS != 0 { 0 } else { LINKS_MAX };
    debug_assert_eq!(how.resolve & !(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), 0);
    start_with(call, call.int(0), 1, wanted, links_max)
}

/// The errno for a remote path; on one of the machine's own the kernel answers for itself.
fn refused(call: Call<'_>, errno: Errno) -> Outcome {
    on_path(call, PathArg::at(call, 0, 1, Last::Keep), move |_, _| async move { Err(errno.into()) })
}
