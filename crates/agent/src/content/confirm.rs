//! Whether what is here is still what the server has.
//!
//! Size and times tell one content from another only as finely as the server's clock steps, a second with the servers of
//! the Chirp standard: a file that is written twice within a step and keeps its size looks the same. So what was taken
//! within the step in which the server's file was changed is compared at the next open, and once more when the step has
//! passed; so is a file whose time of change alone is another. (Git's index has the same race:
//! `Documentation/technical/racy-git.txt`.)

use super::blocks::{BlockReader, give_way};
use super::{Content, PIECE, io_error};
use crate::lock;
use crate::object::Object;
use md5::{Digest, Md5};
use mynah_vfs::{Errno, Error, File, Stat, Time};
use rustix::fs::OFlags;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A file that was changed longer ago than this by our clock was so by that of a server that does not tell its own.
const CLOCKS_DIFFER_MOST: Duration = Duration::from_secs(60);
/// What clocks are read from moves on in steps of its own, whatever the times' resolution (`CONFIG_HZ`).
const TICK: Duration = Duration::from_millis(20);

/// The time of change that the server told of a file's content.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    ctime: Time,
    /// When it was first seen here.
    since: Instant,
    /// Whether the content was taken after the step that this time stands for.
    sure: bool,
}

impl Content {
    /// `stat` was told of what was taken, from `began` on.
    fn stamped(&mut self, stat: &Stat, began: Instant, step: Duration, is_old: bool) {
        let since =
            self.stamp.filter(|old| old.ctime == stat.ctime).map_or_else(Instant::now, |old| old.since);
        let sure = began >= since + step || is_old;
        self.stamp = Some(Stamp { ctime: stat.ctime, since, sure });
    }
}

impl Object {
    /// The content that was moved from `began` on is what `stat` stands for.
    pub(super) fn stamped(&self, stat: &Stat, began: Instant) {
        let step = Duration::from_nanos(u64::from(self.mount.driver.capabilities().time_step_ns)).max(TICK);
        let changed = Duration::from_secs(u64::try_from(stat.ctime.sec).unwrap_or(0))
            + Duration::from_nanos(u64::from(stat.ctime.nsec));
        let is_old = match self.mount.driver.clock() {
            Some(now) => now.saturating_sub(began.elapsed()) > changed + step,
            None => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                now.saturating_sub(changed) > CLOCKS_DIFFER_MOST
            }
        };
        lock(&self.content).stamped(stat, began, step, is_old);
    }

    /// Whether a complete content of the same size and time may all the same be another than the server's.
    pub(super) fn is_doubtful(&self, stat: &Stat) -> bool {
        let content = lock(&self.content);
        content.is_whole()
            && stat.size > 0
            && !content.stamp.is_some_and(|stamp| stamp.sure && stamp.ctime == stat.ctime)
    }

    /// Compares the placeholder with the server's file. The caller holds `moving`, and nobody writes.
    pub(super) async fn confirm(&self, file: &Arc<dyn File>, stat: &Stat) -> Result<bool, Error> {
        let began = Instant::now();
        let same = match self.holds(file, stat.size).await {
            // It was opened for writing alone: it cannot be compared, nor fetched.
            Err(error) if matches!(error.errno(), Errno::EBADF | Errno::EACCES) => return Ok(true),
            same => same?,
        };
        if same {
            self.stamped(stat, began);
            lock(&self.remote).stat = *stat;
        }
        Ok(same)
    }

    async fn holds(&self, file: &Arc<dyn File>, size: u64) -> Result<bool, Error> {
        let here = self.open_placeholder(OFlags::RDONLY)?;
        // What takes one request is read in one; what takes more need not come over again if the server can tell its digest.
        if size > PIECE
            && let Ok(there) = self.mount.driver.md5(&self.driver_path()).await
        {
            return Ok(md5_of(&here).await? == there);
        }
        let mut buffer = Vec::new();
        let mut at = 0;
        while at < size {
            let there = file.read_at(at, (size - at).min(PIECE) as usize).await?;
            buffer.resize(there.len(), 0);
            let read = rustix::io::pread(&here, &mut buffer[..], at).map_err(io_error("read"))?;
            if there.is_empty() || buffer[..read] != there[..] {
                return Ok(false);
            }
            at += read as u64;
        }
        Ok(true)
    }
}

async fn md5_of(file: &OwnedFd) -> Result<[u8; 16], Error> {
    let mut reader = BlockReader::new(file)?;
    let mut digest = Md5::new();
    let mut blocks = 0;
    while let Some(block) = reader.next()? {
        digest.update(block.data);
        blocks += 1;
        give_way(blocks).await;
    }
    Ok(digest.finalize().into())
}
