//! What became of a request whose reply was lost: found by looking, never by sending it blindly again.

use super::connection::Peer;
use super::pool::Pool;
use super::{Outcome, Session};
use crate::proto::Request;
use bytes::Bytes;
use mynah_vfs::{Errno, Error, FileId, FileKind, Result, Stat, Time, VPath};
use std::time::Duration;
use tokio::time::Instant;

/// How far the times of files can lie behind the clock that a server shows: one tick of the slowest kernel, and then some.
const FILE_CLOCK_LAG: Duration = Duration::from_millis(20);

/// Between when, on the server's clock, a request was carried out, if it was. `None` if the server's clock is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window(Option<(i128, i128)>);

impl Window {
    /// From the sending of a request to the loss of its connection.
    pub(super) fn new(peer: &Peer, sent: Instant, lost: Instant) -> Window {
        Window(peer.clock.map(|clock| {
            let slack = nanos(clock.error + FILE_CLOCK_LAG);
            let showed = |moment: Instant| match moment.checked_duration_since(clock.at) {
                Some(later) => clock.showed_ns + nanos(later),
                None => clock.showed_ns - nanos(clock.at.duration_since(moment)),
            };
            (showed(sent) - slack, showed(lost) + slack)
        }))
    }

    fn contains(self, time: Time) -> Option<bool> {
        let at = i128::from(time.sec) * 1_000_000_000 + i128::from(time.nsec);
        self.0.map(|(from, to)| (from..=to).contains(&at))
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 4)
}

/// What a request was to bring about.
pub(super) enum Settle<'a> {
    /// A name is gone.
    Gone(&'a VPath),
    /// An object of this kind has been made.
    Made(&'a VPath, FileKind),
    /// An object has another name.
    Renamed(&'a VPath, &'a VPath),
    /// Two objects have changed places; the first was this one. If none was seen there, none can have been exchanged.
    Exchanged(&'a VPath, Option<FileId>),
    /// A file has one more name.
    Linked(&'a VPath, &'a VPath),
    /// There is a link with this text.
    Symlinked(&'a [u8], &'a VPath),
    /// There is an attribute with this value.
    XattrSet { path: &'a VPath, name: &'a [u8], value: &'a [u8], create: bool },
    /// An attribute is gone.
    XattrGone { path: &'a VPath, name: &'a [u8] },
}

/// What looking showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The request was carried out.
    Done,
    /// It was not: send it again.
    Again,
    /// It was not, and could not be now.
    Failed(Errno),
    /// It cannot be told.
    Ambiguous,
}

impl Session {
    /// Sends a request that must not be done twice; after a lost reply, looks what became of it.
    pub(super) async fn change(&self, request: &Request, payload: Bytes, settle: Settle<'_>) -> Result<()> {
        self.within(request.row().verb, async {
            let deadline = self.deadline();
            let mut backoff = Pool::backoff();
            loop {
                let attempt = self.attempt(request, payload.clone(), deadline).await;
                let error = match attempt.map_err(|refusal| refusal.error)? {
                    Outcome::Replied(_) => return Ok(()),
                    Outcome::LostBefore(error) => error,
                    Outcome::LostAfterSending(window, error) => match settle.look(self, window).await? {
                        Verdict::Done => return Ok(()),
                        Verdict::Again => error,
                        Verdict::Failed(errno) => {
                            return Err(Error::new(errno, self.words(request, "refused")));
                        }
                        Verdict::Ambiguous => return Err(self.ambiguous(request)),
                    },
                };
                self.pool.pause(&mut backoff, deadline, error).await?;
            }
        })
        .await
    }

    /// Whether the file that an exclusive `open` was to make has been made by it.
    pub(super) async fn has_made(&self, request: &Request, path: &VPath, window: Window) -> Result<bool> {
        let found = absent_as_none(self.lstat(path).await)?;
        match made(found, FileKind::Regular, window) {
            Verdict::Done => Ok(found.is_some_and(|found| found.size == 0)),
            Verdict::Again => Ok(false),
            Verdict::Failed(errno) => Err(Error::new(errno, self.words(request, "refused"))),
            Verdict::Ambiguous => Err(self.ambiguous(request)),
        }
    }

    fn ambiguous(&self, request: &Request) -> Error {
        let what = "the reply was lost, and whether it was done cannot be told";
        Error::new(Errno::EIO, self.words(request, what))
    }
}

impl Settle<'_> {
    async fn look(&self, session: &Session, window: Window) -> Result<Verdict> {
        Ok(match *self {
            Settle::Gone(path) => match absent_as_none(session.lstat(path).await)? {
                None => Verdict::Done,
                Some(_) => Verdict::Again,
            },
            Settle::Made(path, kind) => made(absent_as_none(session.lstat(path).await)?, kind, window),
            Settle::Renamed(old, new) => {
                let old = absent_as_none(session.lstat(old).await)?;
                renamed(old, absent_as_none(session.lstat(new).await)?)
            }
            Settle::Exchanged(_, None) => Verdict::Again,
            Settle::Exchanged(old, Some(was)) => match absent_as_none(session.lstat(old).await)? {
                Some(found) if found.id == was => Verdict::Again,
                Some(_) => Verdict::Done,
                None => Verdict::Ambiguous,
            },
            Settle::Linked(old, new) => {
                let old = absent_as_none(session.lstat(old).await)?;
                linked(old, absent_as_none(session.lstat(new).await)?)
            }
            Settle::Symlinked(text, new) => match absent_as_none(session.readlink(new).await) {
                Ok(Some(found)) if found == text => Verdict::Done,
                Ok(None) => Verdict::Again,
                Ok(Some(_)) => Verdict::Failed(Errno::EEXIST),
                Err(error) if error.errno() == Errno::EINVAL => Verdict::Failed(Errno::EEXIST),
                Err(error) => return Err(error),
            },
            Settle::XattrSet { path, name, value, create } => match session.getxattr(path, name).await {
                Ok(found) if found == value => Verdict::Done,
                Ok(_) if create => Verdict::Failed(Errno::EEXIST),
                Ok(_) => Verdict::Again,
                Err(error) if error.errno() == Errno::ENODATA => Verdict::Again,
                Err(error) => return Err(error),
            },
            Settle::XattrGone { path, name } => match session.getxattr(path, name).await {
                Ok(_) => Verdict::Again,
                Err(error) if error.errno() == Errno::ENODATA => Verdict::Done,
                Err(error) => return Err(error),
            },
        })
    }
}

fn absent_as_none<T>(looked: Result<T>) -> Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.errno() == Errno::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

/// Something that is there now was either made by the request or was there before, which the time of its making tells.
fn made(found: Option<Stat>, kind: FileKind, window: Window) -> Verdict {
    let Some(found) = found else { return Verdict::Again };
    if found.kind != kind {
        return Verdict::Failed(Errno::EEXIST);
    }
    match window.contains(found.btime.unwrap_or(found.ctime)) {
        Some(true) => Verdict::Done,
        Some(false) => Verdict::Failed(Errno::EEXIST),
        None => Verdict::Ambiguous,
    }
}

/// While the old name is there, nothing has happened; if both are the same file, nothing is to happen.
fn renamed(old: Option<Stat>, new: Option<Stat>) -> Verdict {
    match (old, new) {
        (Some(_), _) => Verdict::Again,
        (None, Some(_)) => Verdict::Done,
        (None, None) => Verdict::Failed(Errno::ENOENT),
    }
}

fn linked(old: Option<Stat>, new: Option<Stat>) -> Verdict {
    match (old, new) {
        (_, None) => Verdict::Again,
        (Some(old), Some(new)) if old.id == new.id => Verdict::Done,
        (_, Some(_)) => Verdict::Failed(Errno::EEXIST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(id: u64, sec: i64) -> Option<Stat> {
        let time = Time { sec, nsec: 0 };
        Some(Stat {
            kind: FileKind::Directory,
            mode: 0o755,
            id: FileId(id),
            nlink: 2,
            uid: 0,
            gid: 0,
            rdev: 0,
            size: 0,
            blksize: 4096,
            blocks: 0,
            atime: time,
            mtime: time,
            ctime: time,
            btime: None,
            local_dev: None,
        })
    }

    #[test]
    fn what_was_made_within_the_window_is_ours() {
        let window = Window(Some((5_000_000_000, 7_000_000_000)));
        assert_eq!(made(None, FileKind::Directory, window), Verdict::Again);
        assert_eq!(made(stat(1, 6), FileKind::Directory, window), Verdict::Done);
        assert_eq!(made(stat(1, 4), FileKind::Directory, window), Verdict::Failed(Errno::EEXIST));
        assert_eq!(made(stat(1, 8), FileKind::Directory, window), Verdict::Failed(Errno::EEXIST));
        assert_eq!(made(stat(1, 6), FileKind::Fifo, window), Verdict::Failed(Errno::EEXIST));
        assert_eq!(made(stat(1, 6), FileKind::Directory, Window(None)), Verdict::Ambiguous);
    }

    #[test]
    fn names_tell_of_renames_and_links() {
        assert_eq!(renamed(stat(1, 0), stat(2, 0)), Verdict::Again);
        assert_eq!(renamed(None, stat(2, 0)), Verdict::Done);
        assert_eq!(renamed(None, None), Verdict::Failed(Errno::ENOENT));
        assert_eq!(linked(stat(1, 0), None), Verdict::Again);
        assert_eq!(linked(stat(1, 0), stat(1, 0)), Verdict::Done);
        assert_eq!(linked(stat(1, 0), stat(2, 0)), Verdict::Failed(Errno::EEXIST));
    }

    #[tokio::test]
    async fn the_window_is_on_the_servers_clock() {
        let at = Instant::now();
        let clock = super::super::connection::ServerClock {
            at,
            showed_ns: 1_000_000_000_000,
            error: Duration::from_millis(5),
        };
        let peer = Peer { dialect: crate::proto::Dialect::Extended, clock: Some(clock), instance: None };
        let window = Window::new(&peer, at + Duration::from_secs(1), at + Duration::from_secs(2));
        assert_eq!(window, Window(Some((1_000_975_000_000, 1_002_025_000_000))));
        assert_eq!(window.contains(Time { sec: 1001, nsec: 0 }), Some(true));
        assert_eq!(window.contains(Time { sec: 1003, nsec: 0 }), Some(false));
    }
}
