//! The calls on names.

use super::pool::Pool;
use super::settle::Settle;
use super::{Outcome, RemoteFile, Session};
use crate::proto::argument::{Attrs, Path, Text};
use crate::proto::reply::Reply;
use crate::proto::{Dialect, Flags, Request};
use bytes::Bytes;
use mynah_vfs::{
    Entry, Errno, Error, FileKind, FsStat, OpenHow, RenameHow, Result, SetAttrs, Stat, VPath, XattrHow,
    check_name,
};
use std::collections::HashSet;
use std::sync::Arc;

/// The longest text of a link, in bytes (symlink(7): PATH_MAX without its NUL).
const LINK_MAX: usize = 4095;
const NONE: Bytes = Bytes::new();

impl Session {
    /// Attributes of the entry itself.
    ///
    /// # Errors
    /// Here and below: those of [`mynah_vfs::Driver`]'s method of the same name.
    pub async fn lstat(&self, path: &VPath) -> Result<Stat> {
        let request = Request::Lstat { path: Path::of(path) };
        let received = self.ask(&request, NONE).await?;
        received.stat().ok_or_else(|| self.nonsense(&request, "no attributes"))
    }

    /// All entries but `.` and `..`, with their attributes. EPROTO if a name cannot be one, or comes twice.
    pub async fn list(&self, path: &VPath) -> Result<Vec<Entry>> {
        let request = Request::Getlongdir { path: Path::of(path) };
        let Reply::Entries(sent) = self.ask(&request, NONE).await?.reply else {
            return Err(self.nonsense(&request, "no listing"));
        };
        let entries: Vec<Entry> = sent
            .into_iter()
            .filter(|entry| entry.name != b"." && entry.name != b"..")
            .map(|entry| Entry { name: entry.name, stat: entry.stat })
            .collect();
        let mut seen = HashSet::with_capacity(entries.len());
        match entries.iter().find(|entry| check_name(&entry.name).is_err() || !seen.insert(&entry.name)) {
            None => Ok(entries),
            Some(bad) => {
                let what = format!("a listing with the name \"{}\"", bad.name.escape_ascii());
                Err(self.nonsense(&request, &what))
            }
        }
    }

    /// The text of a symbolic link.
    pub async fn readlink(&self, path: &VPath) -> Result<Vec<u8>> {
        let request = Request::Readlink { path: Path::of(path), length: LINK_MAX as i64 };
        let text = self.bytes(&request).await?;
        if text.is_empty() || text.contains(&0) {
            return Err(self.nonsense(&request, "a text that no link has"));
        }
        Ok(text)
    }

    /// Whether the server lets us.
    pub async fn access(&self, path: &VPath, bits: u32) -> Result<()> {
        let request = Request::Access { path: Path::of(path), bits: i64::from(bits) };
        self.ask(&request, NONE).await.map(drop)
    }

    /// Figures of the file system that holds the path.
    pub async fn statfs(&self, path: &VPath) -> Result<FsStat> {
        match (self.statfs_of(path).await, path.parent()) {
            // The standard's server asks the kernel of directories alone.
            (Err(error), Some(parent)) if error.errno() == Errno::ENOTDIR => {
                self.lstat(path).await?;
                self.statfs_of(&parent).await
            }
            (found, _) => found,
        }
    }

    async fn statfs_of(&self, path: &VPath) -> Result<FsStat> {
        let request = Request::Statfs { path: Path::of(path) };
        match self.ask(&request, NONE).await?.reply {
            Reply::FsStat(found) => Ok(found),
            _ => Err(self.nonsense(&request, "no figures")),
        }
    }

    /// The MD5 digest of a file's content.
    pub async fn md5(&self, path: &VPath) -> Result<[u8; 16]> {
        let request = Request::Md5 { path: Path::of(path) };
        let digest = self.bytes(&request).await?;
        digest.try_into().map_err(|_| self.nonsense(&request, "a digest of another length"))
    }

    /// Who the server thinks we are: `method:name`.
    pub async fn whoami(&self) -> Result<String> {
        const SUBJECT_MAX: i64 = 1024;
        let subject = self.bytes(&Request::Whoami { length: SUBJECT_MAX }).await?;
        Ok(subject.escape_ascii().to_string())
    }

    /// Makes a directory.
    pub async fn mkdir(&self, path: &VPath, mode: u32) -> Result<()> {
        let request = Request::Mkdir { path: Path::of(path), mode: i64::from(mode) };
        self.change(&request, NONE, Settle::Made(path, FileKind::Directory)).await?;
        match self.dialect().await? {
            Dialect::Extended => Ok(()),
            // The standard's servers make all directories alike.
            Dialect::Standard => self
                .ask(&Request::Chmod { path: Path::of(path), mode: i64::from(mode) }, NONE)
                .await
                .map(drop),
        }
    }

    /// Makes a FIFO, a socket's name or a device. EOPNOTSUPP with a server of the standard dialect.
    pub async fn mknod(&self, path: &VPath, kind: FileKind, mode: u32, rdev: u64) -> Result<()> {
        let mode = i64::from(kind.mode_bits() | mode);
        let request = Request::Mknod { path: Path::of(path), mode, rdev: rdev.cast_signed() };
        self.needs_extended(&request).await?;
        self.change(&request, NONE, Settle::Made(path, kind)).await
    }

    /// Takes away a name that is not a directory.
    pub async fn unlink(&self, path: &VPath) -> Result<()> {
        self.change(&Request::Unlink { path: Path::of(path) }, NONE, Settle::Gone(path)).await
    }

    /// Takes away an empty directory.
    pub async fn rmdir(&self, path: &VPath) -> Result<()> {
        self.change(&Request::Rmdir { path: Path::of(path) }, NONE, Settle::Gone(path)).await
    }

    /// Gives an object another name. EOPNOTSUPP for what a server of the standard dialect cannot do.
    pub async fn rename(&self, old: &VPath, new: &VPath, how: RenameHow) -> Result<()> {
        let (from, to) = (Path::of(old), Path::of(new));
        let request = match how {
            RenameHow::Replace => Request::Rename { old: from, new: to },
            RenameHow::NoReplace => Request::Renameat { old: from, new: to, how: 1 },
            RenameHow::Exchange => Request::Renameat { old: from, new: to, how: 2 },
        };
        match how {
            RenameHow::Replace => {}
            RenameHow::NoReplace | RenameHow::Exchange => self.needs_extended(&request).await?,
        }
        let settle = match how {
            RenameHow::Exchange => Settle::Exchanged(old, self.lstat(old).await.ok().map(|stat| stat.id)),
            RenameHow::Replace | RenameHow::NoReplace => Settle::Renamed(old, new),
        };
        match self.change(&request, NONE, settle).await {
            // To the kernel of a standard server an empty directory holds its access list.
            Err(error)
                if error.errno() == Errno::ENOTEMPTY
                    && self.known_dialect() == Some(Dialect::Standard)
                    && self.is_directory(old).await =>
            {
                self.rmdir(new).await?;
                self.change(&request, NONE, Settle::Renamed(old, new)).await
            }
            done => done,
        }
    }

    /// Gives a file one more name.
    pub async fn link(&self, old: &VPath, new: &VPath) -> Result<()> {
        let request = Request::Link { old: Path::of(old), new: Path::of(new) };
        match self.change(&request, NONE, Settle::Linked(old, new)).await {
            // The standard's server says so of a directory, where link(2) says EPERM.
            Err(error) if error.errno() == Errno::EACCES && self.is_directory(old).await => {
                Err(Error::new(Errno::EPERM, self.words(&request, "a directory")).caused_by(error))
            }
            done => done,
        }
    }

    async fn is_directory(&self, path: &VPath) -> bool {
        self.lstat(path).await.is_ok_and(|stat| stat.kind == FileKind::Directory)
    }

    /// Makes a symbolic link.
    pub async fn symlink(&self, text: &[u8], new: &VPath) -> Result<()> {
        if text.is_empty() {
            // The wire has no form for it, and symlink(2) says this.
            return Err(Error::new(Errno::ENOENT, format!("symlink {new}: an empty text")));
        }
        let request = Request::Symlink { target: Text(text.to_vec()), new: Path::of(new) };
        self.change(&request, NONE, Settle::Symlinked(text, new)).await
    }

    /// Changes attributes of the entry itself.
    pub async fn set_attrs(&self, path: &VPath, attrs: SetAttrs) -> Result<()> {
        match self.dialect().await? {
            Dialect::Extended => {
                let request = Request::Setattr { path: Path::of(path), attrs: Attrs(attrs) };
                self.ask(&request, NONE).await.map(drop)
            }
            Dialect::Standard => self.within("setattr", self.set_attrs_standard(path, attrs)).await,
        }
    }

    /// The value of an extended attribute of the entry itself.
    pub async fn getxattr(&self, path: &VPath, name: &[u8]) -> Result<Vec<u8>> {
        let request = Request::Lgetxattr { path: Path::of(path), name: Text(name.to_vec()) };
        self.bytes(&request).await.map_err(|error| self.absent_xattr(error))
    }

    /// The names of the extended attributes of the entry itself.
    pub async fn listxattr(&self, path: &VPath) -> Result<Vec<Vec<u8>>> {
        let list = self.bytes(&Request::Llistxattr { path: Path::of(path) }).await?;
        Ok(list.split(|&b| b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }

    /// Sets an extended attribute of the entry itself.
    pub async fn setxattr(&self, path: &VPath, name: &[u8], value: &[u8], how: XattrHow) -> Result<()> {
        let request = Request::Lsetxattr {
            path: Path::of(path),
            name: Text(name.to_vec()),
            size: i64::try_from(value.len()).map_err(|_| Errno::E2BIG)?,
            flags: match how {
                XattrHow::Set => 0,
                XattrHow::Create => 1,
                XattrHow::Replace => 2,
            },
        };
        let settle = Settle::XattrSet { path, name, value, create: how == XattrHow::Create };
        self.change(&request, Bytes::copy_from_slice(value), settle).await
    }

    /// Takes away an extended attribute of the entry itself.
    pub async fn removexattr(&self, path: &VPath, name: &[u8]) -> Result<()> {
        let request = Request::Lremovexattr { path: Path::of(path), name: Text(name.to_vec()) };
        let removed = self.change(&request, NONE, Settle::XattrGone { path, name }).await;
        removed.map_err(|error| self.absent_xattr(error))
    }

    /// Opens a regular file.
    pub async fn open(self: &Arc<Self>, path: &VPath, how: OpenHow) -> Result<(RemoteFile, Stat)> {
        self.within("open", async {
            let standard = self.dialect().await? == Dialect::Standard;
            let fresh = standard && self.is_fresh(path, how).await?;
            let (file, stat) = match how.create && how.exclusive {
                true => self.open_exclusively(path, how).await?,
                false => self.open_repeatably(path, how).await?,
            };
            let stat = if fresh { file.adopt_mode(how.mode, stat).await? } else { stat };
            Ok((file, stat))
        })
        .await
    }

    /// Opens in a way that does no harm when it is done twice.
    pub(super) async fn open_repeatably(
        self: &Arc<Self>,
        path: &VPath,
        how: OpenHow,
    ) -> Result<(RemoteFile, Stat)> {
        let request = open_request(path, how);
        let answered = self.ask(&request, NONE).await?;
        RemoteFile::of(self, path, how, answered, &request)
    }

    async fn open_exclusively(self: &Arc<Self>, path: &VPath, how: OpenHow) -> Result<(RemoteFile, Stat)> {
        let request = open_request(path, how);
        let deadline = self.deadline();
        let mut backoff = Pool::backoff();
        loop {
            let attempt = self.attempt(&request, NONE, deadline).await;
            let error = match attempt.map_err(|refusal| refusal.error)? {
                Outcome::Replied(answered) => return RemoteFile::of(self, path, how, answered, &request),
                Outcome::LostBefore(error) => error,
                Outcome::LostAfterSending(window, error) => {
                    if self.has_made(&request, path, window).await? {
                        let how = OpenHow { create: false, exclusive: false, ..how };
                        return self.open_repeatably(path, how).await;
                    }
                    error
                }
            };
            self.pool.pause(&mut backoff, deadline, error).await?;
        }
    }

    async fn bytes(&self, request: &Request) -> Result<Vec<u8>> {
        match self.ask(request, NONE).await?.reply {
            Reply::Bytes(bytes) => Ok(bytes.into()),
            _ => Err(self.nonsense(request, "no bytes")),
        }
    }

    async fn needs_extended(&self, request: &Request) -> Result<()> {
        match self.dialect().await? {
            Dialect::Extended => Ok(()),
            Dialect::Standard => Err(Error::new(
                Errno::EOPNOTSUPP,
                self.words(request, "the server's protocol has no such request"),
            )),
        }
    }

    /// The standard has no code for an attribute that is absent: its servers say "unknown", which on these calls means just that.
    fn absent_xattr(&self, error: Error) -> Error {
        match (self.known_dialect(), error.errno()) {
            (Some(Dialect::Standard), Errno::EIO) => {
                Error::new(Errno::ENODATA, format!("chirp://{}: no such attribute", self.endpoint))
            }
            _ => error,
        }
    }
}

fn open_request(path: &VPath, how: OpenHow) -> Request {
    Request::Open { path: Path::of(path), flags: Flags::from(how), mode: i64::from(how.mode) }
}
