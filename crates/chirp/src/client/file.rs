//! An open file: pinned to a connection, and opened again when that is lost.

use super::connection::{Connection, Descriptor, Failure, Received};
use super::pool::Pool;
use super::{Answered, Session};
use crate::proto::argument::Attrs;
use crate::proto::reply::Reply;
use crate::proto::{Dialect, Request};
use bytes::{Bytes, BytesMut};
use mynah_vfs::{Errno, Error, FileId, FileKind, OpenHow, Result, SetAttrs, Stat, VPath};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much one request moves. Each has a deadline of its own, so that it is progress that counts and not the size of
/// the whole; and a connection is not kept from other files for long.
const PIECE: usize = 4 << 20;

/// An open regular file of a server.
pub struct RemoteFile {
    session: Arc<Session>,
    /// Its last known name.
    path: Mutex<VPath>,
    /// How it is opened again.
    how: OpenHow,
    id: FileId,
    handle: Mutex<Arc<Handle>>,
    reopening: tokio::sync::Mutex<()>,
    /// The storage instance under which the oldest write since the last sync was acknowledged.
    unsynced: Mutex<Option<Vec<u8>>>,
}

/// Where the file is open at the moment.
pub(super) struct Handle {
    pub(super) connection: Arc<Connection>,
    pub(super) descriptor: Descriptor,
}

impl RemoteFile {
    /// The file that an `open` was answered with, if it is one.
    pub(super) fn of(
        session: &Arc<Session>,
        path: &VPath,
        how: OpenHow,
        answered: Answered,
        request: &Request,
    ) -> Result<(RemoteFile, Stat)> {
        let (Some(stat), Some(descriptor)) = (answered.stat(), answered.descriptor) else {
            return Err(session.nonsense(request, "no descriptor"));
        };
        let errno = match stat.kind {
            FileKind::Regular => None,
            FileKind::Directory => Some(Errno::EISDIR),
            FileKind::Symlink => Some(Errno::ELOOP),
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice | FileKind::BlockDevice => {
                Some(Errno::ENXIO)
            }
        };
        if let Some(errno) = errno {
            return Err(Error::new(errno, session.words(request, "not a regular file")));
        }
        let handle = Handle { connection: answered.connection, descriptor };
        let file = RemoteFile {
            session: Arc::clone(session),
            path: Mutex::new(path.clone()),
            how: OpenHow { create: false, exclusive: false, truncate: false, ..how },
            id: stat.id,
            handle: Mutex::new(Arc::new(handle)),
            reopening: tokio::sync::Mutex::new(()),
            unsynced: Mutex::new(None),
        };
        Ok((file, stat))
    }

    /// It has another name by now.
    pub fn moved(&self, path: &VPath) {
        *self.path.lock().unwrap_or_else(PoisonError::into_inner) = path.clone();
    }

    fn path(&self) -> VPath {
        self.path.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Attributes now.
    ///
    /// # Errors
    /// Here and below: those of [`mynah_vfs::File`]'s method of the same name; ESTALE if the connection was lost and the file cannot be found
    /// again under its name.
    pub async fn stat(&self) -> Result<Stat> {
        let make = |fd| Request::Fstat { fd };
        match self.ask(make, Bytes::new()).await?.reply {
            Reply::Stat(_, stat) => Ok(stat),
            _ => Err(self.nonsense(make, "no attributes")),
        }
    }

    /// Up to `len` bytes from `offset`; fewer only at the end of the file.
    pub async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.opened_for(self.how.read, "reading")?;
        let first = self.read_piece(offset, len.min(PIECE)).await?;
        if first.len() == len || self.is_end(first.len(), len.min(PIECE)) {
            return Ok(first);
        }
        let mut all = BytesMut::from(first);
        while all.len() < len {
            let want = (len - all.len()).min(PIECE);
            let at = offset.checked_add(all.len() as u64).ok_or(Errno::EINVAL)?;
            let piece = self.read_piece(at, want).await?;
            all.extend_from_slice(&piece);
            if self.is_end(piece.len(), want) {
                break;
            }
        }
        Ok(all.freeze())
    }

    /// Writes all of `data` at `offset`.
    pub async fn write_at(&self, offset: u64, mut data: Bytes) -> Result<()> {
        self.opened_for(self.how.write, "writing")?;
        let mut at = offset;
        while !data.is_empty() {
            let sent = data.len().min(PIECE);
            let written = self.write_piece(at, data.slice(..sent)).await?;
            at = at.checked_add(written as u64).ok_or(Errno::EFBIG)?;
            data = data.split_off(written);
        }
        Ok(())
    }

    /// Cuts or extends the file.
    pub async fn truncate(&self, size: u64) -> Result<()> {
        let length = i64::try_from(size).map_err(|_| Errno::EINVAL)?;
        self.ask(|fd| Request::Ftruncate { fd, length }, Bytes::new()).await.map(drop)
    }

    /// Returns when the server has put it on stable storage. EIO if the server's machine was started anew since something was
    /// written: that may have been lost.
    pub async fn sync(&self) -> Result<()> {
        let make = |fd| Request::Fsync { fd };
        self.ask(make, Bytes::new()).await?;
        let written_under = self.unsynced().take();
        match (written_under, &self.handle().connection.peer.instance) {
            (Some(then), Some(now)) if then != *now => {
                let what = "the server's machine was started anew: what was written before may be lost";
                Err(Error::new(Errno::EIO, self.words(make, what)))
            }
            _ => Ok(()),
        }
    }

    /// Changes attributes.
    pub async fn set_attrs(&self, attrs: SetAttrs) -> Result<()> {
        match self.handle().connection.peer.dialect {
            Dialect::Extended => {
                let make = |fd| Request::Fsetattr { fd, attrs: Attrs(attrs) };
                self.ask(make, Bytes::new()).await.map(drop)
            }
            Dialect::Standard => self.session.within("fsetattr", self.set_attrs_standard(attrs)).await,
        }
    }

    /// Gives a file that the standard's server has just made the mode that was asked for: it makes all alike.
    pub(super) async fn adopt_mode(&self, mode: u32, stat: Stat) -> Result<Stat> {
        if stat.mode == mode {
            return Ok(stat);
        }
        self.ask(|fd| Request::Fchmod { fd, mode: i64::from(mode) }, Bytes::new()).await?;
        self.stat().await
    }

    async fn set_attrs_standard(&self, attrs: SetAttrs) -> Result<()> {
        let stat = self.stat().await?;
        let plan = super::standard::Plan::of(attrs, &stat)?;
        if let Some(mode) = plan.mode {
            self.ask(|fd| Request::Fchmod { fd, mode }, Bytes::new()).await?;
        }
        if let Some(size) = attrs.size {
            self.truncate(size).await?;
        }
        match plan.times {
            Some(times) => self.utime_by_name(times).await,
            None => Ok(()),
        }
    }

    /// The standard has no request for the times of an open file.
    async fn utime_by_name(&self, times: (i64, i64)) -> Result<()> {
        let path = self.path();
        let found = match self.session.lstat(&path).await {
            Err(error) if error.errno() != Errno::ENOENT => return Err(error),
            found => found.ok().map(|stat| stat.id),
        };
        if found != Some(self.id) {
            let what = "the server's protocol dates files by name, and this name no longer leads to the file";
            return Err(Error::new(
                Errno::ESTALE,
                format!("chirp://{}: {path}: {what}", self.session.endpoint),
            ));
        }
        self.session.utime(&path, times).await
    }

    fn opened_for(&self, it_is: bool, what: &str) -> Result<()> {
        match it_is {
            true => Ok(()),
            false => Err(Error::new(Errno::EBADF, format!("{}: not open for {what}", self.path()))),
        }
    }

    async fn read_piece(&self, offset: u64, len: usize) -> Result<Bytes> {
        let offset = i64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        let make = |fd| Request::Pread { fd, length: len as i64, offset };
        match self.ask(make, Bytes::new()).await?.reply {
            Reply::Bytes(bytes) => Ok(bytes),
            _ => Err(self.nonsense(make, "no bytes")),
        }
    }

    /// Whether a read that brought `got` of `want` bytes has met the end of the file. A server of the standard dialect may bring less at any
    /// time.
    fn is_end(&self, got: usize, want: usize) -> bool {
        got == 0 || (got < want && self.handle().connection.peer.dialect == Dialect::Extended)
    }

    /// Gives how many bytes were written, at least one.
    async fn write_piece(&self, offset: u64, data: Bytes) -> Result<usize> {
        let sent = data.len();
        let offset = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
        let make = |fd| Request::Pwrite { fd, length: sent as i64, offset };
        let Received { reply: Reply::Value(written), .. } = self.ask(make, data).await? else {
            return Err(self.nonsense(make, "no count"));
        };
        match usize::try_from(written) {
            Ok(written) if (1..=sent).contains(&written) => {
                let instance = self.handle().connection.peer.instance.clone();
                let mut unsynced = self.unsynced();
                if unsynced.is_none() {
                    *unsynced = instance;
                }
                Ok(written)
            }
            _ => Err(self.nonsense(make, "a count that cannot be")),
        }
    }

    /// Sends a request about this file; after a loss, on the same file opened again.
    async fn ask(&self, make: impl Fn(i64) -> Request, payload: Bytes) -> Result<Received> {
        let deadline = self.session.deadline();
        let mut backoff = Pool::backoff();
        let asking = async {
            loop {
                let handle = self.handle();
                let request = make(handle.descriptor.fd);
                let failure = match handle.connection.exchange(&request, payload.clone()).await {
                    Ok(received) => return Ok(received),
                    Err(failure) => failure,
                };
                let dialect = handle.connection.peer.dialect;
                let error = self.session.refusal(&request, dialect, failure).error;
                if !matches!(failure, Failure::Lost { .. }) {
                    return Err(error);
                }
                self.session.pool.pause(&mut backoff, deadline, error).await?;
                self.reopen(&handle).await?;
            }
        };
        deadline.bound(|| self.words(&make, "no answer in time"), asking).await
    }

    /// Opens the file again, unless that has been done since `lost` was in use.
    async fn reopen(&self, lost: &Arc<Handle>) -> Result<()> {
        let _one_at_a_time = self.reopening.lock().await;
        if !Arc::ptr_eq(&self.handle(), lost) {
            return Ok(());
        }
        let (again, stat) = match self.session.open_repeatably(&self.path(), self.how).await {
            Ok(opened) => opened,
            Err(error) if error.retry() == mynah_vfs::Retry::Later => return Err(error),
            Err(error) => return Err(self.stale().caused_by(error)),
        };
        if stat.id != self.id {
            return Err(self.stale());
        }
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = again.handle();
        Ok(())
    }

    fn stale(&self) -> Error {
        let what = format!(
            "chirp://{}: {}: the connection was lost, and the name no longer leads to the file",
            self.session.endpoint,
            self.path()
        );
        Error::new(Errno::ESTALE, what)
    }

    fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn unsynced(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn words(&self, make: impl Fn(i64) -> Request, outcome: &str) -> String {
        let words = self.session.words(&make(self.handle().descriptor.fd), outcome);
        format!("{}: {words}", self.path())
    }

    fn nonsense(&self, make: impl Fn(i64) -> Request, what: &str) -> Error {
        Error::new(Errno::EPROTO, self.words(make, what))
    }
}
