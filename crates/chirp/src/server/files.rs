//! Open files of one connection, and the requests that act on them.

use super::connection::{Acted, Answer, Connection, DONE};
use super::names;
use super::resolve::Last;
use crate::proto::argument::Text;
use crate::proto::{Dialect, Flags, Path, Request, TRANSFER_MAX, XATTR_MAX};
use mynah_vfs::{Errno, File, FileId, FileKind, Result, SetAttrs, Stat, VPath};
use std::sync::Arc;

/// Open files of one connection. All that a program of many files needs, and few enough that one client cannot use up a
/// server's memory; the machine's own limit on descriptors may be lower.
const OPEN_MAX: usize = 4096;
/// How much of one write is in memory at one time.
const PIECE: usize = 1 << 20;

/// The descriptors of a connection: small integers from 0.
#[derive(Default)]
pub(super) struct Files {
    slots: Vec<Option<OpenFile>>,
}

/// What a descriptor stands for.
#[derive(Clone)]
struct OpenFile {
    node: Node,
    /// Where it was when it was opened.
    path: VPath,
    id: FileId,
    append: bool,
    sync: bool,
}

#[derive(Clone)]
enum Node {
    File(Arc<dyn File>),
    /// Existing clients open directories to see whether they are there.
    Directory,
}

impl Files {
    /// The lowest free descriptor. EMFILE if there is none.
    fn vacant(&mut self) -> Result<usize> {
        match self.slots.iter().position(Option::is_none) {
            Some(free) => Ok(free),
            None if self.slots.len() < OPEN_MAX => {
                self.slots.push(None);
                Ok(self.slots.len() - 1)
            }
            None => Err(Errno::EMFILE.into()),
        }
    }

    fn at(&self, fd: i64) -> Result<&OpenFile> {
        let slot = usize::try_from(fd).ok().and_then(|fd| self.slots.get(fd));
        slot.and_then(Option::as_ref).ok_or_else(|| Errno::EBADF.into())
    }

    fn close(&mut self, fd: i64) -> Result<()> {
        let slot = usize::try_from(fd).ok().and_then(|fd| self.slots.get_mut(fd));
        slot.and_then(Option::take).map(drop).ok_or_else(|| Errno::EBADF.into())
    }
}

impl OpenFile {
    fn file(&self) -> Result<&Arc<dyn File>> {
        match &self.node {
            Node::File(file) => Ok(file),
            Node::Directory => Err(Errno::EISDIR.into()),
        }
    }
}

impl Connection {
    /// `None` if the request does not concern open files.
    pub(super) async fn act_on_file(&mut self, request: &Request) -> Option<Acted> {
        Some(match request {
            Request::Open { path, flags, mode } => self.open(path, *flags, *mode).await,
            Request::Close { fd } => self.files.close(*fd).map(|()| DONE).map_err(Into::into),
            Request::Pread { fd, length, offset } => self.pread(*fd, *length, *offset).await,
            Request::Pwrite { fd, length, offset } => self.pwrite(*fd, *length, *offset).await,
            Request::Fstat { fd } => self.fstat(*fd).await.map(|found| Answer::Stat(0, found)),
            Request::Fstatfs { fd } => self.fstatfs(*fd).await,
            Request::Fsync { fd } => self.fsync(*fd).await,
            Request::Ftruncate { fd, length } => self.ftruncate(*fd, *length).await,
            Request::Fchmod { fd, mode } => {
                let mode = Some(names::permissions(*mode, self.dialect, FileKind::Regular));
                self.fset(*fd, SetAttrs { mode, ..SetAttrs::default() }).await
            }
            Request::Fchown { fd, uid, gid } => self.fchown(*fd, *uid, *gid).await,
            Request::Fsetattr { fd, attrs } => self.fset(*fd, attrs.0).await,
            Request::Fgetxattr { fd, name } => self.fgetxattr(*fd, name).await,
            Request::Flistxattr { fd } => self.flistxattr(*fd).await,
            Request::Fsetxattr { fd, name, size, flags } => self.fsetxattr(*fd, name, *size, *flags).await,
            Request::Fremovexattr { fd, name } => self.fremovexattr(*fd, name).await,
            _ => return None,
        })
    }

    async fn open(&mut self, path: &Path, flags: Flags, mode: i64) -> Acted {
        let fd = self.files.vacant()?;
        let last = if flags.create && flags.exclusive { Last::Keep } else { Last::Follow };
        let place = self.place(path, last).await?;
        let how = flags.how(names::permissions(mode, self.dialect, FileKind::Regular));
        let (node, found) = match self.shared.driver.open(&place, how).await {
            Ok(opened) => (Node::File(opened.file), opened.stat),
            Err(error) if error.errno() == Errno::EISDIR && self.may_open_directory(flags) => {
                (Node::Directory, self.shared.driver.lstat(&place).await?)
            }
            Err(error) => return Err(error.into()),
        };
        let (append, sync) = (flags.append, flags.sync);
        self.files.slots[fd] = Some(OpenFile { node, path: place, id: found.id, append, sync });
        Ok(Answer::Stat(i64::try_from(fd).unwrap_or(i64::MAX), found))
    }

    fn may_open_directory(&self, flags: Flags) -> bool {
        self.dialect == Dialect::Standard && flags == Flags { read: true, ..Flags::default() }
    }

    async fn pread(&mut self, fd: i64, length: i64, offset: i64) -> Acted {
        let file = Arc::clone(self.files.at(fd)?.file()?);
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?.min(TRANSFER_MAX);
        let shared = Arc::clone(&self.shared);
        let permit = shared.read_permit(length).await;
        let bytes = file.read_at(offset, length).await?;
        crate::proto::reply::value(i64::try_from(bytes.len()).unwrap_or(i64::MAX), &mut self.wire.out);
        self.wire.send(bytes).await?;
        drop(permit);
        Ok(Answer::Sent)
    }

    /// Writes as the data comes in. What was written before a failure is reported as a short count, as write(2) does.
    async fn pwrite(&mut self, fd: i64, length: i64, offset: i64) -> Acted {
        let open = self.files.at(fd)?.clone();
        let file = open.file()?;
        let start = match open.append {
            true => file.stat().await?.size,
            false => u64::try_from(offset).map_err(|_| Errno::EINVAL)?,
        };
        let total = usize::try_from(length).unwrap_or(usize::MAX).min(TRANSFER_MAX);
        let mut written = 0;
        while written < total {
            let piece = self.wire.data(PIECE.min(total - written)).await?;
            let len = piece.len();
            let at = start.checked_add(written as u64).ok_or(Errno::EFBIG)?;
            match file.write_at(at, piece).await {
                Ok(()) => written += len,
                Err(error) if written == 0 => return Err(error.into()),
                Err(_) => break,
            }
        }
        if open.sync {
            file.sync().await?;
        }
        Ok(Answer::Value(i64::try_from(written).unwrap_or(i64::MAX)))
    }

    async fn fstat(&self, fd: i64) -> std::result::Result<Stat, super::connection::Fault> {
        let open = self.files.at(fd)?;
        Ok(match &open.node {
            Node::File(file) => file.stat().await?,
            Node::Directory => self.shared.driver.lstat(&open.path).await?,
        })
    }

    async fn fstatfs(&self, fd: i64) -> Acted {
        let place = self.place_of(fd).await?;
        Ok(Answer::FsStat(self.shared.driver.statfs(&place).await?))
    }

    async fn fsync(&self, fd: i64) -> Acted {
        self.files.at(fd)?.file()?.sync().await?;
        Ok(DONE)
    }

    async fn ftruncate(&self, fd: i64, length: i64) -> Acted {
        let size = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
        self.files.at(fd)?.file()?.truncate(size).await?;
        Ok(DONE)
    }

    async fn fset(&self, fd: i64, attrs: SetAttrs) -> Acted {
        self.files.at(fd)?.file()?.set_attrs(attrs).await?;
        Ok(DONE)
    }

    /// Nothing happens in the standard dialect: see `chown`.
    async fn fchown(&self, fd: i64, uid: i64, gid: i64) -> Acted {
        match self.dialect {
            Dialect::Standard => self.files.at(fd).map(|_| DONE).map_err(Into::into),
            Dialect::Extended => self.fset(fd, names::owners(uid, gid)?).await,
        }
    }

    async fn fgetxattr(&self, fd: i64, name: &Text) -> Acted {
        let place = self.place_of(fd).await?;
        Ok(Answer::Bytes(self.shared.driver.getxattr(&place, &name.0).await?.into()))
    }

    async fn flistxattr(&self, fd: i64) -> Acted {
        let place = self.place_of(fd).await?;
        Ok(Answer::Bytes(names::xattr_list(&self.shared.driver.listxattr(&place).await?)))
    }

    async fn fsetxattr(&mut self, fd: i64, name: &Text, size: i64, flags: i64) -> Acted {
        let how = names::xattr_how(flags)?;
        let place = self.place_of(fd).await?;
        if usize::try_from(size).map_or(true, |size| size > XATTR_MAX) {
            return Err(Errno::E2BIG.into());
        }
        let value = self.wire.data(XATTR_MAX).await?;
        self.shared.driver.setxattr(&place, &name.0, &value, how).await?;
        Ok(DONE)
    }

    async fn fremovexattr(&self, fd: i64, name: &Text) -> Acted {
        let place = self.place_of(fd).await?;
        self.shared.driver.removexattr(&place, &name.0).await?;
        Ok(DONE)
    }

    /// Where an open file is, for what drivers can only do by name. ESTALE if something else has its name by now.
    async fn place_of(&self, fd: i64) -> Result<VPath> {
        let open = self.files.at(fd)?;
        match self.shared.driver.lstat(&open.path).await {
            Ok(found) if found.id == open.id => Ok(open.path.clone()),
            _ => Err(Errno::ESTALE.into()),
        }
    }
}
