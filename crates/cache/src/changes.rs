//! What happened to placeholders since one last looked: inotify, in the two shapes that are needed.

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// One thing that happened to the placeholder that was watched under `K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched<K> {
    /// It was written, cut or extended since the last [`Changes::arm`]. Told once.
    Written(K),
    /// A descriptor that could write was closed for the last time, or a mapping of it went.
    ClosedAfterWrite(K),
    /// It has no name any more, and its last descriptor is gone.
    Gone(K),
    /// Events were lost: any placeholder may have been written or closed.
    Overflow,
}

/// Watches over placeholders.
///
/// The kernel allows one watch for each file and inotify instance, and a one-shot watch goes with its first event. So
/// there are two instances: one that lasts, for closing, and one that is armed anew after each write-back, for writing
/// (which costs a writer nothing once it has fired, against 400 ns on every write of a lasting one).
pub struct Changes {
    writes: Instance,
    closes: Instance,
}

struct Instance {
    fd: OwnedFd,
    keys: Mutex<HashMap<i32, u64>>,
}

impl Instance {
    fn new() -> rustix::io::Result<Instance> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Instance { fd, keys: Mutex::default() })
    }

    fn watch(&self, path: &Path, flags: WatchFlags, key: u64) -> rustix::io::Result<()> {
        // The table is held over the call: an event that comes at once must find its key.
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let wd = inotify::add_watch(&self.fd, path, flags)?;
        keys.insert(wd, key);
        Ok(())
    }

    fn forget(&self, key: u64) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let watched: Vec<i32> = keys.iter().filter(|(_, known)| **known == key).map(|(wd, _)| *wd).collect();
        for wd in watched {
            keys.remove(&wd);
            // A one-shot watch may have gone by itself.
            let _ = inotify::remove_watch(&self.fd, wd);
        }
    }

    fn drain(&self, mut each: impl FnMut(ReadFlags, Option<u64>)) -> rustix::io::Result<()> {
        let mut buffer = [const { MaybeUninit::uninit() }; 4096];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        loop {
            let (wd, events) = match reader.next() {
                Ok(event) => (event.wd(), event.events()),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            };
            let key = {
                let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
                if events.contains(ReadFlags::IGNORED) { keys.remove(&wd) } else { keys.get(&wd).copied() }
            };
            each(events, key);
        }
    }
}

impl Changes {
    pub(crate) fn new() -> rustix::io::Result<Changes> {
        Ok(Changes { writes: Instance::new()?, closes: Instance::new()? })
    }

    /// Watches for the closing of descriptors that can write. `key` comes back with each event.
    ///
    /// # Errors
    /// ENOSPC when the user's limit of watches is reached.
    pub fn watch_closing(&self, path: &Path, key: u64) -> rustix::io::Result<()> {
        self.closes.watch(path, WatchFlags::CLOSE_WRITE, key)
    }

    /// Watches for the end of a placeholder that is about to lose its name, too.
    ///
    /// # Errors
    /// ENOSPC when the user's limit of watches is reached.
    pub fn watch_end(&self, path: &Path, key: u64) -> rustix::io::Result<()> {
        self.closes.watch(path, WatchFlags::CLOSE_WRITE | WatchFlags::DELETE_SELF, key)
    }

    /// Watches for the first write from now on. To be called before the content is read for a write-back, so that a write
    /// that falls between is told again.
    ///
    /// # Errors
    /// ENOSPC when the user's limit of watches is reached.
    pub fn arm(&self, path: &Path, key: u64) -> rustix::io::Result<()> {
        self.writes.watch(path, WatchFlags::MODIFY | WatchFlags::ONESHOT, key)
    }

    /// Ends the watches under a key: each is one of a number that all of the user's programs share.
    pub fn forget(&self, key: u64) {
        self.writes.forget(key);
        self.closes.forget(key);
    }

    /// Readable when a descriptor was closed: for whoever waits for that.
    #[must_use]
    pub fn closing(&self) -> BorrowedFd<'_> {
        self.closes.fd.as_fd()
    }

    /// Hands over all that has happened. The kernel queues an event before the call that caused it returns, so what is
    /// drained at the head of a trapped call holds everything that any local program had done before.
    ///
    /// # Errors
    /// The kernel's.
    pub fn drain(&self, mut each: impl FnMut(Watched<u64>)) -> rustix::io::Result<()> {
        self.writes.drain(|events, key| {
            if events.contains(ReadFlags::QUEUE_OVERFLOW) {
                each(Watched::Overflow);
            } else if let Some(key) = key.filter(|_| events.contains(ReadFlags::MODIFY)) {
                each(Watched::Written(key));
            }
        })?;
        self.closes.drain(|events, key| {
            if events.contains(ReadFlags::QUEUE_OVERFLOW) {
                each(Watched::Overflow);
            } else if let Some(key) = key {
                if events.contains(ReadFlags::CLOSE_WRITE) {
                    each(Watched::ClosedAfterWrite(key));
                }
                if events.contains(ReadFlags::DELETE_SELF) {
                    each(Watched::Gone(key));
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn drained(changes: &Changes) -> Vec<Watched<u64>> {
        let mut all = Vec::new();
        changes.drain(|one| all.push(one)).unwrap();
        all
    }

    #[test]
    fn a_write_is_told_once_until_armed_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mut file = std::fs::File::create(&path).unwrap();
        let changes = Changes::new().unwrap();
        changes.arm(&path, 7).unwrap();
        changes.watch_closing(&path, 7).unwrap();
        assert_eq!(drained(&changes), []);
        file.write_all(b"x").unwrap();
        file.write_all(b"y").unwrap();
        assert_eq!(drained(&changes), [Watched::Written(7)]);
        file.write_all(b"z").unwrap();
        assert_eq!(drained(&changes), []);
        changes.arm(&path, 7).unwrap();
        file.set_len(1).unwrap();
        drop(file);
        assert_eq!(drained(&changes), [Watched::Written(7), Watched::ClosedAfterWrite(7)]);
    }
}
