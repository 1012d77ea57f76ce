//! What was lately learned of remote names, for as long as it may be believed.
//!
//! Two facts are kept, each for [`BELIEVED_FOR`]: that a name is a directory (so that walking a path does not ask for
//! each component again), and the attributes that a listing brought (so that `ls -l` asks once, not once a file). What
//! this Mynah changes itself is forgotten at once; what others change is seen within that time, and by every open, which
//! always asks the server.

use crate::lock;
use mynah_vfs::{DriverId, FileKind, Stat, VPath};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a remote name's attributes are believed without asking again.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// Names kept at once: some 100 MiB at 400 bytes each would be too much, so an eighth of that.
const NAMES_MAX: usize = 32 * 1024;

/// When a server was asked, in changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(u64);

#[derive(Default)]
pub(crate) struct Dentries {
    /// Counts what was forgotten: an answer that was asked for before a change may be older than it.
    changes: AtomicU64,
    known: Mutex<HashMap<(DriverId, VPath), Known>>,
}

struct Known {
    at: Instant,
    stat: Stat,
    /// Only that it is a directory still holds: something came or went in it.
    is_outdated: bool,
}

impl Dentries {
    /// The attributes of a name that a listing brought, or a directory's from a walk.
    pub(crate) fn get(&self, driver: DriverId, path: &VPath) -> Option<Stat> {
        self.believed(driver, path, |known| !known.is_outdated)
    }

    /// The attributes of a directory on the way to another name, which may be outdated but for its being one.
    pub(crate) fn directory(&self, driver: DriverId, path: &VPath) -> Option<Stat> {
        self.believed(driver, path, |known| known.stat.kind == FileKind::Directory)
    }

    fn believed(&self, driver: DriverId, path: &VPath, which: impl Fn(&Known) -> bool) -> Option<Stat> {
        let mut all = lock(&self.known);
        let key = (driver, path.clone());
        let known = all.get(&key)?;
        if known.at.elapsed() > BELIEVED_FOR {
            all.remove(&key);
            return None;
        }
        which(known).then_some(known.stat)
    }

    /// To be taken before a server is asked, and given with the answer.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.changes.load(Ordering::Acquire))
    }

    /// Keeps what a listing or a walk brought, unless something changed since the server was asked.
    pub(crate) fn put(&self, asked: Moment, driver: DriverId, path: VPath, stat: Stat) {
        // What changes under one name of a file changes under all, and the others are not known.
        if stat.kind != FileKind::Directory && stat.nlink > 1 {
            return;
        }
        let mut known = lock(&self.known);
        if self.changes.load(Ordering::Acquire) != asked.0 {
            return;
        }
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        known.insert((driver, path), Known { at: Instant::now(), stat, is_outdated: false });
    }

    /// A name comes, goes or changes: it and its directory's attributes are forgotten. That there is a directory is not, or
    /// whoever makes many files would have each directory on the way asked for again with every one.
    pub(crate) fn forget(&self, driver: DriverId, path: &VPath) {
        let mut known = lock(&self.known);
        self.changes.fetch_add(1, Ordering::AcqRel);
        known.remove(&(driver, path.clone()));
        if let Some(parent) = path.parent().and_then(|parent| known.get_mut(&(driver, parent))) {
            parent.is_outdated = true;
        }
    }

    /// A directory goes or gets another name: all below it is forgotten too.
    pub(crate) fn forget_tree(&self, driver: DriverId, path: &VPath) {
        self.forget(driver, path);
        lock(&self.known).retain(|(id, name), _| *id != driver || !path.contains(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_vfs::{FileId, Time};

    const DRIVER: DriverId = DriverId(1);

    fn path(text: &str) -> VPath {
        VPath::normal(text.as_bytes()).expect("a path")
    }

    fn directory() -> Stat {
        let never = Time::default();
        Stat {
            kind: FileKind::Directory,
            mode: 0o755,
            id: FileId(7),
            nlink: 2,
            uid: 0,
            gid: 0,
            rdev: 0,
            size: 0,
            blksize: 4096,
            blocks: 0,
            atime: never,
            mtime: never,
            ctime: never,
            btime: None,
            local_dev: None,
        }
    }

    #[test]
    fn a_directory_in_which_something_came_is_still_one_on_the_way() {
        let dentries = Dentries::default();
        for known in ["/a", "/a/b"] {
            dentries.put(dentries.moment(), DRIVER, path(known), directory());
        }
        dentries.forget(DRIVER, &path("/a/b/new"));
        assert!(dentries.get(DRIVER, &path("/a/b")).is_none(), "its times have changed");
        assert!(dentries.directory(DRIVER, &path("/a/b")).is_some());
        assert!(dentries.get(DRIVER, &path("/a")).is_some());
        // It is told anew, and goes.
        dentries.put(dentries.moment(), DRIVER, path("/a/b"), directory());
        assert!(dentries.get(DRIVER, &path("/a/b")).is_some());
        dentries.forget_tree(DRIVER, &path("/a/b"));
        assert!(dentries.directory(DRIVER, &path("/a/b")).is_none());
        assert!(dentries.directory(DRIVER, &path("/a")).is_some());
    }
}
