//! openat2(2).

use super::open::{PATH_FLAGS, Wanted, Way, start_with};
use super::path_call::{PathArg, on_path};
use crate::outcome::{Call, Outcome};
use crate::resolve::Last;
use mynah_intercept::memory;
use mynah_vfs::Errno;
use rustix::fs::{OFlags, ResolveFlags};

/// `struct open_how` of openat2(2): flags, mode, resolve.
const OPEN_HOW_BYTES: usize = 24;
/// The kernel takes no more than a page.
const OPEN_HOW_BYTES_MAX: usize = 4096;
const RESOLVE_KNOWN: u64 = 0x3f;
/// What changes something, which a look at the cache alone cannot do (RESOLVE_CACHED).
const CHANGING: OFlags = OFlags::CREATE.union(OFlags::TRUNC).union(NAMELESS);
/// O_TMPFILE without the O_DIRECTORY that is a part of it.
const NAMELESS: OFlags = OFlags::TMPFILE.difference(OFlags::DIRECTORY);

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

    fn open_flags(&self) -> OFlags {
        OFlags::from_bits_retain(self.flags as u32)
    }

    fn limits(&self) -> ResolveFlags {
        ResolveFlags::from_bits_retain(self.resolve)
    }

    /// openat2(2) refuses what openat(2) would overlook.
    fn is_valid(&self) -> bool {
        let flags = self.open_flags();
        let both = ResolveFlags::BENEATH | ResolveFlags::IN_ROOT;
        u32::try_from(self.flags).is_ok()
            && self.mode & !0o7777 == 0
            && (flags.intersects(OFlags::CREATE | NAMELESS) || self.mode == 0)
            && (!flags.contains(OFlags::PATH) || PATH_FLAGS.contains(flags))
            && self.resolve & !RESOLVE_KNOWN == 0
            && !self.limits().contains(both)
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
    let limits = how.limits();
    if limits.contains(ResolveFlags::CACHED) {
        // Nothing is promised to be in the cache (openat2(2)): the program asks again, without this flag.
        let changing = how.open_flags().intersects(CHANGING);
        return if changing { Outcome::Errno(Errno::EAGAIN) } else { refused(call, Errno::EAGAIN) };
    }
    let Some(path) = call.path(1) else { return Outcome::Resume };
    let way = Way { dirfd: call.int(0), path, limits };
    match way.within_scope() {
        Some(way) => start_with(call, way, wanted),
        None => Outcome::Resume,
    }
}

impl Way {
    /// In a root of its own a path that begins with a slash starts at the descriptor as all others do. `None` where the
    /// kernel refuses the path, whatever it leads to.
    fn within_scope(mut self) -> Option<Way> {
        if !self.path.starts_with(b"/") {
            return Some(self);
        }
        if self.limits.contains(ResolveFlags::BENEATH) {
            return None;
        }
        if self.limits.contains(ResolveFlags::IN_ROOT) {
            let from = self.path.iter().position(|&b| b != b'/');
            self.path = from.map_or_else(|| b".".to_vec(), |from| self.path[from..].to_vec());
        }
        Some(self)
    }
}

/// The errno for a remote path; on one of the machine's own the kernel answers for itself.
fn refused(call: Call<'_>, errno: Errno) -> Outcome {
    on_path(call, PathArg::at(call, 0, 1, Last::Keep), move |_, _| async move { Err(errno.into()) })
}
