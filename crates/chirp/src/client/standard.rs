//! What a server of the standard dialect needs instead of our own requests.

use super::Session;
use crate::proto::Request;
use crate::proto::argument::Path;
use bytes::Bytes;
use mynah_vfs::{Errno, Error, FileKind, NewTime, OpenHow, Result, SetAttrs, Stat, Time, VPath};
use std::time::SystemTime;

/// Set-id and sticky bits, which the standard's servers drop.
const SPECIAL_BITS: u32 = 0o7000;

/// A change of attributes in the standard's terms.
pub(super) struct Plan {
    pub(super) mode: Option<i64>,
    /// Last access and last change, in whole seconds.
    pub(super) times: Option<(i64, i64)>,
}

impl Plan {
    /// How to bring `attrs` about on an object that now has `stat`.
    ///
    /// # Errors
    /// EPERM for what the server would answer with success and not do: a change of owner, set-id and sticky bits.
    pub(super) fn of(attrs: SetAttrs, stat: &Stat) -> Result<Plan> {
        let changes_owner =
            attrs.uid.is_some_and(|uid| uid != stat.uid) || attrs.gid.is_some_and(|gid| gid != stat.gid);
        if changes_owner {
            return Err(Error::new(Errno::EPERM, "the server's protocol cannot change owners"));
        }
        if attrs.mode.is_some_and(|mode| mode & SPECIAL_BITS != 0) {
            return Err(Error::new(Errno::EPERM, "the server's protocol knows no set-id and sticky bits"));
        }
        let times = (attrs.atime.is_some() || attrs.mtime.is_some())
            .then(|| (seconds(attrs.atime, stat.atime), seconds(attrs.mtime, stat.mtime)));
        Ok(Plan { mode: attrs.mode.map(i64::from), times })
    }
}

/// The protocol has no word for the server's own clock: ours stands in.
fn seconds(new: Option<NewTime>, old: Time) -> i64 {
    match new {
        None => old.sec,
        Some(NewTime::At(time)) => time.sec,
        Some(NewTime::Now) => SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)),
    }
}

impl Session {
    /// Changes attributes step by step. The standard's requests follow links, so those cannot be changed.
    pub(super) async fn set_attrs_standard(&self, path: &VPath, attrs: SetAttrs) -> Result<()> {
        let stat = self.lstat(path).await?;
        let plan = Plan::of(attrs, &stat)?;
        let changes_nothing = plan.mode.is_none() && plan.times.is_none() && attrs.size.is_none();
        if stat.kind == FileKind::Symlink && !changes_nothing {
            return Err(Error::new(Errno::EOPNOTSUPP, "the server's protocol cannot change links"));
        }
        if let Some(mode) = plan.mode {
            self.ask(&Request::Chmod { path: Path::of(path), mode }, Bytes::new()).await?;
        }
        if let Some(size) = attrs.size {
            let length = i64::try_from(size).map_err(|_| Errno::EFBIG)?;
            self.ask(&Request::Truncate { path: Path::of(path), length }, Bytes::new()).await?;
        }
        match plan.times {
            Some(times) => self.utime(path, times).await,
            None => Ok(()),
        }
    }

    pub(super) async fn utime(&self, path: &VPath, (atime, mtime): (i64, i64)) -> Result<()> {
        let request = Request::Utime { path: Path::of(path), atime, mtime };
        self.ask(&request, Bytes::new()).await.map(drop)
    }

    /// Checks what the standard's `open` does not tell apart, because it follows links and opens directories. Gives whether the
    /// open will make the file.
    pub(super) async fn is_fresh(&self, path: &VPath, how: OpenHow) -> Result<bool> {
        let found = match self.lstat(path).await {
            Ok(found) => found,
            Err(error) if error.errno() == Errno::ENOENT && how.create => return Ok(true),
            Err(error) => return Err(error),
        };
        let errno = match found.kind {
            _ if how.create && how.exclusive => Errno::EEXIST,
            FileKind::Regular => return Ok(false),
            FileKind::Directory => Errno::EISDIR,
            FileKind::Symlink => Errno::ELOOP,
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice | FileKind::BlockDevice => Errno::ENXIO,
        };
        Err(Error::new(errno, format!("chirp://{}: open {path}: not a regular file", self.endpoint())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_vfs::FileId;

    const NOW: Stat = Stat {
        kind: FileKind::Regular,
        mode: 0o644,
        id: FileId(1),
        nlink: 1,
        uid: 1000,
        gid: 100,
        rdev: 0,
        size: 0,
        blksize: 4096,
        blocks: 0,
        atime: Time { sec: 5, nsec: 6 },
        mtime: Time { sec: 7, nsec: 8 },
        ctime: Time { sec: 9, nsec: 0 },
        btime: None,
        local_dev: None,
    };

    #[test]
    fn what_would_be_answered_and_not_done_is_refused() {
        let change = |attrs| Plan::of(attrs, &NOW).map_err(|error| error.errno());
        assert_eq!(change(SetAttrs { uid: Some(0), ..SetAttrs::default() }).err(), Some(Errno::EPERM));
        assert_eq!(change(SetAttrs { mode: Some(0o4755), ..SetAttrs::default() }).err(), Some(Errno::EPERM));
        assert!(change(SetAttrs { uid: Some(1000), gid: Some(100), ..SetAttrs::default() }).is_ok());
    }

    #[test]
    fn a_time_that_is_not_given_stays() {
        let mtime = Some(NewTime::At(Time { sec: -3, nsec: 999 }));
        let plan = Plan::of(SetAttrs { mtime, ..SetAttrs::default() }, &NOW).unwrap();
        assert_eq!((plan.mode, plan.times), (None, Some((5, -3))));
    }
}
