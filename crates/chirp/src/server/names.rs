//! Requests that name what they act on.

use super::connection::{Acted, Answer, DONE};
use super::resolve::{Last, is_reserved, resolve};
use super::rmall::remove_tree;
use crate::proto::{Dialect, Path, Request, path};
use bytes::Bytes;
use mynah_vfs::{Driver, Errno, FileKind, NewTime, RenameHow, Result, SetAttrs, Time, VPath, XattrHow};

/// Bits of access(2).
const ACCESS_BITS: i64 = 7;

/// Acts on names. What this server does not do is answered with EOPNOTSUPP.
pub(super) async fn act(driver: &dyn Driver, dialect: Dialect, request: &Request) -> Acted {
    let names = Names { driver, dialect };
    match request {
        Request::Stat { path } => names.stat(path, Last::Follow).await,
        Request::Lstat { path } => names.stat(path, Last::Keep).await,
        Request::Statfs { path } => {
            Ok(Answer::FsStat(driver.statfs(&names.place(path, Last::Follow).await?).await?))
        }
        Request::Access { path, bits } => names.access(path, *bits).await,
        Request::Readlink { path, length } => names.readlink(path, *length).await,
        Request::Getxattr { path, name } => names.getxattr(path, &name.0, xattr_last(dialect)).await,
        Request::Lgetxattr { path, name } => names.getxattr(path, &name.0, Last::Keep).await,
        Request::Listxattr { path } => names.listxattr(path, xattr_last(dialect)).await,
        Request::Llistxattr { path } => names.listxattr(path, Last::Keep).await,
        _ => match names.change_attributes(request).await {
            Some(changed) => changed.map(|()| DONE).map_err(Into::into),
            None => names.change_names(request).await.map(|()| DONE).map_err(Into::into),
        },
    }
}

/// Whether the attribute requests without an `l` follow a link.
pub(super) fn xattr_last(dialect: Dialect) -> Last {
    match dialect {
        Dialect::Standard => Last::Follow,
        Dialect::Extended => Last::Keep,
    }
}

/// The names of extended attributes as listxattr(2) gives them.
pub(super) fn xattr_list(names: &[Vec<u8>]) -> Bytes {
    names.iter().flat_map(|name| name.iter().copied().chain([0])).collect::<Vec<u8>>().into()
}

/// What setxattr(2)'s flags ask for.
pub(super) fn xattr_how(flags: i64) -> Result<XattrHow> {
    match flags {
        0 => Ok(XattrHow::Set),
        1 => Ok(XattrHow::Create),
        2 => Ok(XattrHow::Replace),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// The permission bits that a request's mode stands for. The standard's servers keep files readable and writable, and directories
/// passable, for their owner, and know no set-id bits.
pub(super) fn permissions(mode: i64, dialect: Dialect, kind: FileKind) -> u32 {
    let bits = (mode & 0o7777) as u32;
    match (dialect, kind) {
        (Dialect::Extended, _) => bits,
        (Dialect::Standard, FileKind::Directory) => bits & 0o777 | 0o700,
        (Dialect::Standard, _) => bits & 0o777 | 0o600,
    }
}

/// A user or group number to be set; -1 leaves it, as in chown(2).
fn account(number: i64) -> Result<Option<u32>> {
    match number {
        -1 => Ok(None),
        _ => u32::try_from(number).map(Some).map_err(|_| Errno::EINVAL.into()),
    }
}

/// The change of owner that a request asks for.
pub(super) fn owners(uid: i64, gid: i64) -> Result<SetAttrs> {
    Ok(SetAttrs { uid: account(uid)?, gid: account(gid)?, ..SetAttrs::default() })
}

struct Names<'a> {
    driver: &'a dyn Driver,
    dialect: Dialect,
}

impl Names<'_> {
    async fn place(&self, path: &Path, last: Last) -> Result<VPath> {
        resolve(self.driver, path, self.dialect, last).await
    }

    async fn stat(&self, path: &Path, last: Last) -> Acted {
        let place = self.place(path, last).await?;
        Ok(Answer::Stat(0, self.driver.lstat(&place).await?))
    }

    async fn access(&self, path: &Path, bits: i64) -> Acted {
        if bits & !ACCESS_BITS != 0 {
            return Err(Errno::EINVAL.into());
        }
        let place = self.place(path, Last::Follow).await?;
        self.driver.access(&place, (bits & ACCESS_BITS) as u32).await?;
        Ok(DONE)
    }

    async fn readlink(&self, path: &Path, length: i64) -> Acted {
        let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
        let place = self.place(path, Last::Keep).await?;
        let mut text = self.driver.readlink(&place).await?;
        text.truncate(length);
        Ok(Answer::Bytes(text.into()))
    }

    async fn getxattr(&self, path: &Path, name: &[u8], last: Last) -> Acted {
        let place = self.place(path, last).await?;
        Ok(Answer::Bytes(self.driver.getxattr(&place, name).await?.into()))
    }

    async fn listxattr(&self, path: &Path, last: Last) -> Acted {
        let place = self.place(path, last).await?;
        Ok(Answer::Bytes(xattr_list(&self.driver.listxattr(&place).await?)))
    }

    /// `None` if the request is none of these.
    async fn change_attributes(&self, request: &Request) -> Option<Result<()>> {
        Some(match request {
            Request::Setattr { path, attrs } => self.set(path, Last::Keep, attrs.0).await,
            Request::Chmod { path, mode } => self.chmod(path, *mode).await,
            Request::Chown { path, uid, gid } => self.chown(path, Last::Follow, *uid, *gid).await,
            Request::Lchown { path, uid, gid } => self.chown(path, Last::Keep, *uid, *gid).await,
            Request::Truncate { path, length } => match u64::try_from(*length) {
                Ok(size) => {
                    self.set(path, Last::Follow, SetAttrs { size: Some(size), ..SetAttrs::default() }).await
                }
                Err(_) => Err(Errno::EINVAL.into()),
            },
            Request::Utime { path, atime, mtime } => {
                let at = |sec| Some(NewTime::At(Time { sec, nsec: 0 }));
                let attrs = SetAttrs { atime: at(*atime), mtime: at(*mtime), ..SetAttrs::default() };
                self.set(path, Last::Follow, attrs).await
            }
            Request::Removexattr { path, name } => {
                self.removexattr(path, &name.0, xattr_last(self.dialect)).await
            }
            Request::Lremovexattr { path, name } => self.removexattr(path, &name.0, Last::Keep).await,
            _ => return None,
        })
    }

    async fn set(&self, path: &Path, last: Last, attrs: SetAttrs) -> Result<()> {
        self.driver.set_attrs(&self.place(path, last).await?, attrs).await
    }

    async fn chmod(&self, path: &Path, mode: i64) -> Result<()> {
        let place = self.place(path, Last::Follow).await?;
        let kind = self.driver.lstat(&place).await?.kind;
        let mode = Some(permissions(mode, self.dialect, kind));
        self.driver.set_attrs(&place, SetAttrs { mode, ..SetAttrs::default() }).await
    }

    /// The standard's servers check the path and do nothing: programs of existing clients, which are root in their own eyes, count on that.
    async fn chown(&self, path: &Path, last: Last, uid: i64, gid: i64) -> Result<()> {
        let place = self.place(path, last).await?;
        match self.dialect {
            Dialect::Standard => self.driver.lstat(&place).await.map(drop),
            Dialect::Extended => self.driver.set_attrs(&place, owners(uid, gid)?).await,
        }
    }

    async fn removexattr(&self, path: &Path, name: &[u8], last: Last) -> Result<()> {
        self.driver.removexattr(&self.place(path, last).await?, name).await
    }

    async fn change_names(&self, request: &Request) -> Result<()> {
        match request {
            Request::Mkdir { path, mode } => self.mkdir(path, *mode).await,
            Request::Mknod { path, mode, rdev } => self.mknod(path, *mode, *rdev).await,
            Request::Unlink { path } => self.driver.unlink(&self.place(path, Last::Keep).await?).await,
            Request::Rmdir { path } => self.rmdir(path).await,
            Request::Rmall { path } => remove_tree(self.driver, self.place(path, Last::Keep).await?).await,
            Request::Rename { old, new } => self.rename(old, new, RenameHow::Replace).await,
            Request::Renameat { old, new, how } => self.rename(old, new, rename_how(*how)?).await,
            Request::Link { old, new } => {
                let old = self.place(old, Last::Keep).await?;
                self.driver.link(&old, &self.place(new, Last::Keep).await?).await
            }
            Request::Symlink { target, new } => {
                let new = self.place(new, Last::Keep).await?;
                match self.dialect {
                    Dialect::Extended => self.driver.symlink(&target.0, &new).await,
                    Dialect::Standard => self.driver.symlink(&path::decode_if_escaped(&target.0), &new).await,
                }
            }
            _ => Err(Errno::EOPNOTSUPP.into()),
        }
    }

    async fn mkdir(&self, path: &Path, mode: i64) -> Result<()> {
        let place = self.place(path, Last::Keep).await?;
        self.driver.mkdir(&place, permissions(mode, self.dialect, FileKind::Directory)).await
    }

    async fn mknod(&self, path: &Path, mode: i64, rdev: i64) -> Result<()> {
        let mode = u32::try_from(mode).map_err(|_| Errno::EINVAL)?;
        let kind = FileKind::of_mode(mode).ok_or(Errno::EINVAL)?;
        let place = self.place(path, Last::Keep).await?;
        self.driver.mknod(&place, kind, mode & 0o7777, rdev.cast_unsigned()).await
    }

    async fn rename(&self, old: &Path, new: &Path, how: RenameHow) -> Result<()> {
        let old = self.place(old, Last::Keep).await?;
        self.driver.rename(&old, &self.place(new, Last::Keep).await?, how).await
    }

    /// A directory in which only the protocol's own files are left looks empty to everybody, so it can be taken away.
    async fn rmdir(&self, path: &Path) -> Result<()> {
        let place = self.place(path, Last::Keep).await?;
        match self.driver.rmdir(&place).await {
            Err(error) if error.errno() == Errno::ENOTEMPTY => {
                let left = self.driver.list(&place).await?;
                if !left.iter().all(|entry| is_reserved(&entry.name)) {
                    return Err(error);
                }
                for entry in left {
                    self.driver.unlink(&place.child(&entry.name)).await?;
                }
                self.driver.rmdir(&place).await
            }
            result => result,
        }
    }
}

fn rename_how(how: i64) -> Result<RenameHow> {
    match how {
        0 => Ok(RenameHow::Replace),
        1 => Ok(RenameHow::NoReplace),
        2 => Ok(RenameHow::Exchange),
        _ => Err(Errno::EINVAL.into()),
    }
}
