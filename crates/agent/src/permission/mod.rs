//! What those callers may do whom no server knows.
//!
//! A server knows one user: the one that Mynah is. A program of root's that has changed its user, its groups or its capabilities
//! would have all of his rights there. So the agent judges such a caller itself before it asks the server, by mode, owner and
//! group, as the kernel does for file systems that leave it to it (path_resolution(7), capabilities(7); FUSE has the option
//! `default_permissions` for that); and what the caller makes is given to it. Nobody else is judged: for them the server's word
//! is all, and nothing more is asked. Access lists are not known here.

mod credentials;

pub(crate) use credentials::{Capability, Credentials, Kind, OfThread};

use crate::resolve::Spot;
use crate::tasks::Task;
use mynah_vfs::{Errno, Error, FileKind, NewTime, OpenHow, Opened, RenameHow, SetAttrs, Stat};
use std::sync::Arc;

/// Rights, as access(2) and the last digit of a mode have them.
pub(crate) const READ: u32 = 4;
pub(crate) const WRITE: u32 = 2;
pub(crate) const SEARCH: u32 = 1;

const SET_UID: u32 = libc::S_ISUID;
const SET_GID: u32 = libc::S_ISGID;
const STICKY: u32 = libc::S_ISVTX;
const GROUP_RUNS: u32 = libc::S_IXGRP;
const SET_ID: u32 = SET_UID | SET_GID;

impl Credentials {
    /// EACCES unless all these rights are given.
    pub(crate) fn permits(&self, object: &Stat, rights: u32) -> Result<(), Errno> {
        let given = if object.uid == self.uid {
            object.mode >> 6
        } else if self.is_in(object.gid) {
            object.mode >> 3
        } else {
            object.mode
        };
        if given & rights == rights || self.overrides(object, rights) {
            return Ok(());
        }
        Err(Errno::EACCES)
    }

    /// Capabilities give what a mode does not, but for running what nobody may run.
    fn overrides(&self, object: &Stat, rights: u32) -> bool {
        let only_looks = if object.is_dir() { rights & WRITE == 0 } else { rights == READ };
        let may_be_run = object.is_dir() || rights & SEARCH == 0 || object.mode & 0o111 != 0;
        (only_looks && self.is_capable(Capability::DAC_READ_SEARCH, object))
            || (may_be_run && self.is_capable(Capability::DAC_OVERRIDE, object))
    }

    fn owns(&self, object: &Stat) -> bool {
        object.uid == self.uid || self.is_capable(Capability::FOWNER, object)
    }

    /// Whether a name may be taken out of a directory (namei.c, may_delete).
    fn may_remove(&self, directory: &Stat, object: &Stat) -> Result<(), Errno> {
        self.permits(directory, WRITE | SEARCH)?;
        let is_sticky = directory.mode & STICKY != 0;
        if is_sticky && directory.uid != self.uid && !self.owns(object) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// What a change of attributes comes to that this one asks for: set-id bits go that it may not give (attr.c).
    fn may_change(&self, object: &Stat, mut attrs: SetAttrs) -> Result<SetAttrs, Errno> {
        self.may_give(object, &attrs)?;
        self.may_date(object, &attrs)?;
        if let Some(mode) = &mut attrs.mode {
            if !self.owns(object) {
                return Err(Errno::EPERM);
            }
            let group = attrs.gid.unwrap_or(object.gid);
            if !self.is_in(group) && !self.is_capable(Capability::FSETID, object) {
                *mode &= !SET_GID;
            }
        }
        if attrs.size.is_some() {
            self.permits(object, WRITE)?;
            attrs.mode = self.mode_after_cut(object);
        }
        Ok(attrs)
    }

    /// chown(2).
    fn may_give(&self, object: &Stat, attrs: &SetAttrs) -> Result<(), Errno> {
        let is_owner = object.uid == self.uid;
        let may_set = self.is_capable(Capability::CHOWN, object);
        let to_user = attrs.uid.is_none_or(|uid| is_owner && uid == object.uid);
        let to_group = attrs.gid.is_none_or(|gid| is_owner && (gid == object.gid || self.is_in(gid)));
        if may_set || (to_user && to_group) { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// utimensat(2): whoever may write may say that it is now.
    fn may_date(&self, object: &Stat, attrs: &SetAttrs) -> Result<(), Errno> {
        if (attrs.atime.is_none() && attrs.mtime.is_none()) || self.owns(object) {
            return Ok(());
        }
        let now = Some(NewTime::Now);
        if (attrs.atime, attrs.mtime) == (now, now) { self.permits(object, WRITE) } else { Err(Errno::EPERM) }
    }

    /// The mode of a file that it has cut, where set-id bits go with that.
    fn mode_after_cut(&self, file: &Stat) -> Option<u32> {
        let mode = without_set_id(file.mode);
        (mode != file.mode && !self.is_capable(Capability::FSETID, file)).then_some(mode)
    }

    /// Whether a file may be given one more name, where the machine has protected_hardlinks (proc(5)).
    fn may_link(&self, file: &Stat) -> bool {
        let is_special = file.kind != FileKind::Regular || without_set_id(file.mode) != file.mode;
        self.owns(file) || (!is_special && self.permits(file, READ | WRITE).is_ok())
    }

    /// Extended attributes (xattr(7)).
    fn may_use_attribute(&self, object: &Stat, name: &[u8], rights: u32) -> Result<(), Errno> {
        let refused = if rights & WRITE == 0 { Errno::ENODATA } else { Errno::EPERM };
        if name.starts_with(b"trusted.") {
            let may = self.is_capable_here(Capability::SYS_ADMIN);
            return if may { Ok(()) } else { Err(refused) };
        }
        if !name.starts_with(b"user.") {
            return Ok(());
        }
        match object.kind {
            FileKind::Regular => {}
            FileKind::Directory => {
                if rights & WRITE != 0 && object.mode & STICKY != 0 && !self.owns(object) {
                    return Err(Errno::EPERM);
                }
            }
            _ => return Err(refused),
        }
        self.permits(object, rights)
    }
}

/// What an ordinary user's write leaves of a mode (write(2), inode(7)): no set-user-id; no set-group-id where the group
/// may execute.
pub(crate) fn without_set_id(mode: u32) -> u32 {
    let set_gid = if mode & GROUP_RUNS != 0 { SET_GID } else { 0 };
    mode & !(SET_UID | set_gid)
}

/// What somebody makes: to whom it is to belong.
#[derive(Default)]
pub(crate) struct Newborn {
    maker: Option<Arc<Credentials>>,
    directory: Option<Stat>,
    /// The owner and group that it does not get by itself.
    given: SetAttrs,
}

impl Newborn {
    /// The mode that it may have.
    pub(crate) fn mode(&self, kind: FileKind, mode: u32) -> u32 {
        let (Some(maker), Some(directory)) = (&self.maker, &self.directory) else { return mode };
        let of_group = SET_GID | GROUP_RUNS;
        let is_foreign = directory.mode & SET_GID != 0
            && !maker.is_in(directory.gid)
            && !maker.is_capable(Capability::FSETID, directory);
        let strips = kind != FileKind::Directory && mode & of_group == of_group && is_foreign;
        if strips { mode & !SET_GID } else { mode }
    }

    fn keeps_set_id(&self) -> bool {
        let may = |maker: &Arc<Credentials>| {
            self.directory.is_some_and(|of| maker.is_capable(Capability::FSETID, &of))
        };
        self.maker.as_ref().is_none_or(may)
    }

    /// EPERM for a device that its maker may not make.
    pub(crate) fn may_be(&self, kind: FileKind, rdev: u64) -> Result<(), Errno> {
        // The device 0, 0 is overlayfs's whiteout, and anybody's.
        let is_device = kind == FileKind::BlockDevice || (kind == FileKind::CharDevice && rdev != 0);
        let may = |maker: &Arc<Credentials>| maker.is_capable_here(Capability::MKNOD);
        if !is_device || self.maker.as_ref().is_none_or(may) { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// What is left to be set once it is there. A change of owner takes set-id bits away, but a directory's.
    fn attrs(&self, kind: FileKind, mode: u32) -> SetAttrs {
        let mut attrs = self.given;
        let has_set_id = mode & SET_ID != 0 && !matches!(kind, FileKind::Directory | FileKind::Symlink);
        if !attrs.is_empty() && has_set_id {
            attrs.mode = Some(mode);
        }
        attrs
    }
}

/// How an open is put to the server, and what follows on it.
pub(crate) struct Opening {
    pub(crate) how: OpenHow,
    /// Whether it is for a caller who is judged: what was found may be another file when the server looks.
    is_judged: bool,
    is_new: bool,
    /// To be set on what was opened.
    then: SetAttrs,
    /// Whether writing takes set-id bits away.
    pub(crate) sheds: bool,
}

impl Opening {
    /// Whether the server found what we did not, or the other way round: then it is to be judged anew.
    pub(crate) fn is_outrun(&self, asked: OpenHow, errno: Errno) -> bool {
        let came = self.is_new && !asked.exclusive && errno == Errno::EEXIST;
        let went = !self.is_new && asked.create && errno == Errno::ENOENT;
        self.is_judged && (came || went)
    }
}

impl Task {
    /// The caller, if the agent has to judge what it may do.
    pub(crate) fn judged(&self) -> Option<Arc<Credentials>> {
        if !self.agent.tasks.credentials_vary() {
            return None;
        }
        let of = self.credentials()?;
        let own = &self.agent.credentials.acting;
        let one = if self.by_real_ids { &of.real } else { &of.acting };
        (!one.passes_for(own)).then(|| Arc::new(one.clone()))
    }

    /// Owner and group as the caller is to see them: in a user namespace by its numbers, else by those of the identity.
    pub(crate) fn shown_owner(&self, object: &Stat) -> (u32, u32) {
        let identity = &self.agent.identity;
        match self.in_user_namespace() {
            Some(of) => of.acting.seen_from_inside((object.uid, object.gid)),
            None => (identity.uid(object.uid), identity.gid(object.gid)),
        }
    }

    /// Owner and group that a caller in a user namespace means. EINVAL for those that it does not have.
    fn meant_owner(&self, attrs: SetAttrs) -> Result<SetAttrs, Errno> {
        let Some(of) = self.in_user_namespace() else { return Ok(attrs) };
        let meant = |kind, id: Option<u32>| id.map(|id| of.acting.meant_from_inside(kind, id)).transpose();
        Ok(SetAttrs { uid: meant(Kind::User, attrs.uid)?, gid: meant(Kind::Group, attrs.gid)?, ..attrs })
    }

    fn in_user_namespace(&self) -> Option<Arc<OfThread>> {
        if !self.agent.tasks.credentials_vary() {
            return None;
        }
        self.credentials().filter(|of| of.acting.is_elsewhere())
    }

    /// EACCES for a judged caller that has not all these rights.
    pub(crate) fn permits(&self, object: &Stat, rights: u32) -> Result<(), Errno> {
        self.judged().map_or(Ok(()), |caller| caller.permits(object, rights))
    }

    /// EPERM for a judged caller who does not own an object, for what only its owner may ask (O_NOATIME).
    pub(crate) fn owns(&self, object: &Stat) -> Result<(), Errno> {
        if self.judged().is_none_or(|caller| caller.owns(object)) { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// The change of attributes that the caller may ask for, in its own numbers, and what it gets: a chown that leaves owner and group as they are takes
    /// set-id bits away all the same.
    pub(crate) fn may_change(&self, object: &Stat, attrs: SetAttrs) -> Result<SetAttrs, Errno> {
        let mut attrs = self.meant_owner(attrs)?;
        if attrs.is_empty() && object.kind == FileKind::Regular {
            attrs.mode = Some(without_set_id(object.mode)).filter(|&mode| mode != object.mode);
        }
        self.judged().map_or(Ok(attrs), |caller| caller.may_change(object, attrs))
    }

    pub(crate) fn may_use_attribute(&self, object: &Stat, name: &[u8], rights: u32) -> Result<(), Errno> {
        self.judged().map_or(Ok(()), |caller| caller.may_use_attribute(object, name, rights))
    }

    /// Whether a list of extended attributes has this name for the caller.
    pub(crate) fn sees_attribute(&self, name: &[u8]) -> bool {
        let may = |caller: Arc<Credentials>| caller.is_capable_here(Capability::SYS_ADMIN);
        !name.starts_with(b"trusted.") || self.judged().is_none_or(may)
    }

    /// Whether the caller may make this name. EEXIST where there is one comes first.
    pub(crate) async fn may_make(&self, spot: &Spot) -> Result<Newborn, Error> {
        let Some(caller) = self.judged() else { return Ok(Newborn::default()) };
        match self.found(spot).await? {
            Some(_) => Err(Errno::EEXIST.into()),
            None => self.newborn(spot, caller).await,
        }
    }

    async fn newborn(&self, spot: &Spot, maker: Arc<Credentials>) -> Result<Newborn, Error> {
        let directory = self.directory_of(spot).await?;
        maker.permits(&directory, WRITE | SEARCH)?;
        let own = &self.agent.credentials.acting;
        let inherits = directory.mode & SET_GID != 0;
        let given = SetAttrs {
            uid: (maker.uid != own.uid).then_some(maker.uid),
            gid: (maker.gid != own.gid && !inherits).then_some(maker.gid),
            ..SetAttrs::default()
        };
        Ok(Newborn { maker: Some(maker), directory: Some(directory), given })
    }

    /// Gives what was just made to its maker. A server that does not let us keeps nothing: a file that belongs to somebody else
    /// than it seems would be worse than none.
    pub(crate) async fn give(
        &self,
        spot: &Spot,
        newborn: &Newborn,
        kind: FileKind,
        mode: u32,
    ) -> Result<(), Error> {
        let attrs = newborn.attrs(kind, mode);
        if attrs.is_empty() {
            return Ok(());
        }
        match self.agent.ask(&spot.mount, spot.mount.driver.set_attrs(&spot.path, attrs)).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.undo(spot, kind, attrs, error).await),
        }
    }

    async fn undo(&self, spot: &Spot, kind: FileKind, attrs: SetAttrs, cause: Error) -> Error {
        let driver = &spot.mount.driver;
        let taken_away = match kind {
            FileKind::Directory => driver.rmdir(&spot.path),
            _ => driver.unlink(&spot.path),
        };
        // If that fails too, the first error says more.
        let _ = self.agent.ask(&spot.mount, taken_away).await;
        let id = |id: Option<u32>| id.map_or("as it is".to_owned(), |id| id.to_string());
        let to = format!("user {} and group {}", id(attrs.uid), id(attrs.gid));
        Error::new(Errno::EPERM, format!("{}: the server does not give it to its maker, {to}", spot.path))
            .caused_by(cause)
    }

    /// Gives a file that its owner had before it had a name to him.
    pub(crate) fn owner_to_give(&self, of: &Stat) -> SetAttrs {
        let own = &self.agent.credentials.acting;
        if (of.uid, of.gid) == (own.uid, own.gid) {
            return SetAttrs::default();
        }
        SetAttrs { uid: Some(of.uid), gid: Some(of.gid), mode: Some(of.mode), ..SetAttrs::default() }
    }

    /// How the caller's open is to be put to the server. Directories and links are judged where they are met.
    pub(crate) async fn may_open(
        &self,
        spot: &Spot,
        how: OpenHow,
        owner_only: bool,
    ) -> Result<Opening, Error> {
        let nothing = SetAttrs::default();
        let mut opening = Opening { how, is_judged: false, is_new: false, then: nothing, sheds: false };
        let Some(caller) = self.judged() else { return Ok(opening) };
        opening.is_judged = true;
        let writes = how.write || how.truncate;
        let Some(stat) = self.found(spot).await? else {
            if how.create {
                let newborn = self.newborn(spot, caller).await?;
                opening.is_new = true;
                opening.sheds = writes && !newborn.keeps_set_id();
                opening.how.mode = newborn.mode(FileKind::Regular, how.mode);
                opening.how.exclusive = true;
                opening.then = newborn.attrs(FileKind::Regular, opening.how.mode);
            }
            return Ok(opening);
        };
        if matches!(stat.kind, FileKind::Directory | FileKind::Symlink) || (how.create && how.exclusive) {
            return Ok(opening);
        }
        caller.permits(&stat, if how.read { READ } else { 0 } | if writes { WRITE } else { 0 })?;
        if owner_only && !caller.owns(&stat) {
            return Err(Errno::EPERM.into());
        }
        opening.how.create = false;
        opening.sheds = writes && !caller.is_capable(Capability::FSETID, &stat);
        opening.then.mode = caller.mode_after_cut(&stat).filter(|_| how.truncate);
        Ok(opening)
    }

    /// What follows on an open.
    pub(crate) async fn follow_up(
        &self,
        spot: &Spot,
        opening: &Opening,
        mut opened: Opened,
    ) -> Result<Opened, Error> {
        if opening.then.is_empty() {
            return Ok(opened);
        }
        match self.agent.ask(&spot.mount, opened.file.set_attrs(opening.then)).await {
            Err(error) if opening.is_new => {
                return Err(self.undo(spot, FileKind::Regular, opening.then, error).await);
            }
            done => done?,
        }
        opened.stat = self.agent.ask(&spot.mount, opened.file.stat()).await?;
        Ok(opened)
    }

    /// What follows on an open of a file of this machine's.
    pub(crate) async fn follow_up_locally(&self, spot: &Spot, opening: &Opening) -> Result<(), Error> {
        if opening.then.is_empty() {
            return Ok(());
        }
        match self.agent.ask(&spot.mount, spot.mount.driver.set_attrs(&spot.path, opening.then)).await {
            Err(error) if opening.is_new => {
                Err(self.undo(spot, FileKind::Regular, opening.then, error).await)
            }
            done => done,
        }
    }

    /// Whether the caller may take this name away.
    pub(crate) async fn may_remove(&self, spot: &Spot) -> Result<(), Error> {
        let Some(caller) = self.judged() else { return Ok(()) };
        let object = self.agent.ask(&spot.mount, spot.mount.driver.lstat(&spot.path)).await?;
        Ok(caller.may_remove(&self.directory_of(spot).await?, &object)?)
    }

    /// Whether the caller may give an object another name (namei.c, vfs_rename).
    pub(crate) async fn may_rename(&self, old: &Spot, new: &Spot, how: RenameHow) -> Result<(), Error> {
        let Some(caller) = self.judged() else { return Ok(()) };
        let object = self.agent.ask(&old.mount, old.mount.driver.lstat(&old.path)).await?;
        let target = self.found(new).await?;
        match target {
            // Two names of one file: there is nothing to be done, for anybody.
            Some(target) if target.id == object.id => return Ok(()),
            Some(_) if how == RenameHow::NoReplace => return Err(Errno::EEXIST.into()),
            None if how == RenameHow::Exchange => return Err(Errno::ENOENT.into()),
            _ => {}
        }
        let (from, to) = (self.directory_of(old).await?, self.directory_of(new).await?);
        caller.may_remove(&from, &object)?;
        match &target {
            Some(target) => caller.may_remove(&to, target)?,
            None => caller.permits(&to, WRITE | SEARCH)?,
        }
        // Its `..` changes.
        let moves = |stat: &Stat| stat.is_dir() && from.id != to.id;
        if moves(&object) {
            caller.permits(&object, WRITE)?;
        }
        if let Some(target) = target.filter(|target| how == RenameHow::Exchange && moves(target)) {
            caller.permits(&target, WRITE)?;
        }
        Ok(())
    }

    /// Whether the caller may give a file one more name.
    pub(crate) fn may_link(&self, file: &Stat) -> Result<(), Errno> {
        let Some(caller) = self.judged() else { return Ok(()) };
        if caller.may_link(file) || !hard_links_are_protected() { Ok(()) } else { Err(Errno::EPERM) }
    }

    async fn found(&self, spot: &Spot) -> Result<Option<Stat>, Error> {
        match self.agent.ask(&spot.mount, spot.mount.driver.lstat(&spot.path)).await {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.errno() == Errno::ENOENT => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The directory that a name is in, which is not a mount point's.
    async fn directory_of(&self, spot: &Spot) -> Result<Stat, Error> {
        let above = spot.path.parent().ok_or(Errno::EBUSY)?;
        self.agent.lstat_believed(&spot.mount, &above, false).await
    }
}

fn hard_links_are_protected() -> bool {
    std::fs::read_to_string("/proc/sys/fs/protected_hardlinks").is_ok_and(|text| text.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::credentials::tests::{user, with};
    use super::*;
    use mynah_vfs::{FileId, Time};

    pub(super) fn object(uid: u32, gid: u32, mode: u32) -> Stat {
        let never = Time::default();
        Stat {
            kind: FileKind::Regular,
            mode,
            id: FileId(1),
            nlink: 1,
            uid,
            gid,
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

    fn directory(uid: u32, gid: u32, mode: u32) -> Stat {
        Stat { kind: FileKind::Directory, ..object(uid, gid, mode) }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let caller = user(10, 20, &[30]);
        assert_eq!(caller.permits(&object(10, 20, 0o077), READ), Err(Errno::EACCES));
        assert_eq!(caller.permits(&object(11, 30, 0o040), READ), Ok(()));
        assert_eq!(caller.permits(&object(11, 30, 0o706), WRITE), Err(Errno::EACCES));
        assert_eq!(caller.permits(&object(11, 31, 0o006), READ | WRITE), Ok(()));
    }

    #[test]
    fn capabilities_give_what_the_mode_does_not() {
        let reads = with(Capability::DAC_READ_SEARCH, user(10, 20, &[]));
        assert_eq!(reads.permits(&object(0, 0, 0), READ), Ok(()));
        assert_eq!(reads.permits(&object(0, 0, 0), WRITE), Err(Errno::EACCES));
        assert_eq!(reads.permits(&directory(0, 0, 0), READ | SEARCH), Ok(()));
        let all = with(Capability::DAC_OVERRIDE, user(10, 20, &[]));
        assert_eq!(all.permits(&object(0, 0, 0), READ | WRITE), Ok(()));
        assert_eq!(all.permits(&object(0, 0, 0o600), SEARCH), Err(Errno::EACCES));
        assert_eq!(all.permits(&object(0, 0, 0o010), SEARCH), Ok(()));
    }

    #[test]
    fn a_sticky_directory_keeps_what_is_anothers() {
        let (caller, all) = (user(10, 20, &[]), 0o1777);
        assert_eq!(caller.may_remove(&directory(0, 0, all), &object(0, 0, 0o666)), Err(Errno::EPERM));
        assert_eq!(caller.may_remove(&directory(0, 0, all), &object(10, 0, 0)), Ok(()));
        assert_eq!(caller.may_remove(&directory(10, 0, all), &object(0, 0, 0)), Ok(()));
        assert_eq!(caller.may_remove(&directory(0, 0, 0o1755), &object(10, 0, 0)), Err(Errno::EACCES));
    }

    #[test]
    fn owners_may_change_what_is_theirs() {
        let caller = user(10, 20, &[30]);
        let own = object(10, 20, 0o644);
        let give = |uid, gid| SetAttrs { uid, gid, ..SetAttrs::default() };
        assert!(caller.may_change(&own, give(Some(10), Some(30))).is_ok());
        assert!(caller.may_change(&own, give(None, Some(31))).is_err());
        assert!(caller.may_change(&own, give(Some(11), None)).is_err());
        let mode = |mode| SetAttrs { mode: Some(mode), ..SetAttrs::default() };
        assert_eq!(caller.may_change(&own, mode(0o6755)).map(|attrs| attrs.mode), Ok(Some(0o6755)));
        assert_eq!(
            caller.may_change(&object(10, 40, 0o644), mode(0o2755)).map(|attrs| attrs.mode),
            Ok(Some(0o755))
        );
        assert_eq!(caller.may_change(&object(0, 20, 0o666), mode(0o600)), Err(Errno::EPERM));
        let times = |atime, mtime| SetAttrs { atime, mtime, ..SetAttrs::default() };
        let now = Some(NewTime::Now);
        assert!(caller.may_change(&object(0, 0, 0o666), times(now, now)).is_ok());
        assert_eq!(caller.may_change(&object(0, 0, 0o644), times(now, now)), Err(Errno::EACCES));
        assert_eq!(caller.may_change(&object(0, 0, 0o666), times(now, None)), Err(Errno::EPERM));
    }

    #[test]
    fn cutting_a_file_sheds_its_set_id_bits() {
        let caller = user(10, 20, &[]);
        let cut = SetAttrs { size: Some(0), ..SetAttrs::default() };
        let mode = |mode| caller.may_change(&object(10, 20, mode), cut).map(|attrs| attrs.mode);
        assert_eq!(mode(0o6755), Ok(Some(0o755)));
        assert_eq!(mode(0o2644), Ok(None), "it marks mandatory locking");
        assert_eq!(mode(0o4644), Ok(Some(0o644)));
        assert_eq!(mode(0o444), Err(Errno::EACCES));
    }
}
