//! Files without a name (O_TMPFILE), and the name that they may be given.
//!
//! No server has such files. Until it gets a name, one is a placeholder and no more: its attributes are kept in memory, and it is
//! gone with its last descriptor. linkat(2) makes the file at the server under a name of Mynah's own, brings the content there,
//! and links it to the name that the program wants: whoever sees that name sees the whole file.

use super::open::{DESCRIPTION_FLAGS, Wanted, check_directory};
use crate::lock;
use crate::object::Object;
use crate::outcome::Outcome;
use crate::resolve::Spot;
use crate::tasks::Task;
use mynah_vfs::{Driver, Errno, Error, OpenHow, Opened, SetAttrs, Stat, VPath, XattrHow};
use rustix::fs::OFlags;
use std::sync::Arc;

/// Names tried for a file on its way to its own: each that is taken was left by a run that broke off.
const STAGED_MAX: u32 = 64;

/// open(2) with O_TMPFILE of a directory in a mount.
pub(super) async fn open(task: &Task, spot: &Spot, wanted: Wanted) -> Result<Outcome, Error> {
    let directory = task.stat_at(spot).await?;
    check_directory(&directory, wanted)?;
    spot.writable()?;
    if spot.mount.driver.local_path(&spot.path).is_some() {
        return Err(Error::new(
            Errno::EOPNOTSUPP,
            "O_TMPFILE in a directory of this machine shown by a mount",
        ));
    }
    task.allows(&spot.mount, &spot.path, &directory, (libc::W_OK | libc::X_OK) as u32).await?;
    let Opened { file, stat } = task.conceive(&directory, wanted.mode & !task.umask()).await?;
    let objects = &task.agent.objects;
    // Where the kernel's own have such a name, too: proc(5) shows it.
    let path = spot.path.child(format!("#{}", stat.id.0).as_bytes());
    let object = objects.nameless(&spot.mount, path, &stat, !wanted.has(OFlags::EXCL))?;
    object.emptied(objects, &file, &stat).await?;
    let flags = wanted.flags & DESCRIPTION_FLAGS.difference(OFlags::DIRECTORY);
    let fd = object.open_for_writing(objects, &file, flags, false).await?;
    Ok(wanted.install(fd))
}

impl Task {
    /// A new file in the agent's memory, of which only the attributes are used.
    async fn conceive(&self, directory: &Stat, mode: u32) -> Result<Opened, Error> {
        let memory = self.agent.objects.memory();
        let path = VPath::root().child(format!("{}", self.agent.objects.number()).as_bytes());
        let how =
            OpenHow { read: true, write: true, create: true, exclusive: true, mode, ..OpenHow::default() };
        let opened = memory.open(&path, how).await?;
        memory.unlink(&path).await?;
        let (uid, gid) = self.file_owner().ok_or(Errno::ESRCH)?;
        let gid = if directory.mode & libc::S_ISGID != 0 { directory.gid } else { gid };
        let owner = SetAttrs { uid: Some(uid), gid: Some(gid), mode: Some(mode), ..SetAttrs::default() };
        opened.file.set_attrs(owner).await?;
        let stat = opened.file.stat().await?;
        Ok(Opened { stat, ..opened })
    }

    /// Gives a nameless file a name.
    ///
    /// # Errors
    /// ENOENT for one that is not to have a name: O_EXCL was given, or it had one and lost it. Those of open(2) and link(2).
    pub(super) async fn name_nameless(&self, object: &Arc<Object>, new: &Spot) -> Result<(), Error> {
        let nameable = std::mem::take(&mut lock(&object.remote).nameable);
        if !nameable {
            return Err(Errno::ENOENT.into());
        }
        let named = self.stage_and_link(object, new).await;
        if named.is_err() {
            lock(&object.remote).nameable = true;
        }
        named
    }

    async fn stage_and_link(&self, object: &Arc<Object>, new: &Spot) -> Result<(), Error> {
        let agent = &self.agent;
        let driver = &new.mount.driver;
        let (staged, opened) = self.stage(object.stat().mode, new).await?;
        let before = object.born(staged.clone(), &opened);
        let kept = lock(&object.remote).kept.clone().unwrap_or_default();
        let owner = self.owner_to_give(&object.stat());
        let linked = async {
            if !owner.is_empty() {
                agent.ask(&new.mount, opened.file.set_attrs(owner)).await?;
            }
            object.carry_home(&agent.objects).await?;
            for (name, value) in &kept {
                let set = driver.setxattr(&staged, name, value, XattrHow::Set);
                agent.ask(&new.mount, set).await?;
            }
            agent.ask(&new.mount, driver.link(&staged, &new.path)).await
        };
        let linked = linked.await;
        // What is left behind by a server that does not answer any more is an odd name, not a half file under the wanted one.
        let removed = agent.ask(&new.mount, driver.unlink(&staged)).await;
        if let Err(error) = linked {
            object.unborn(before);
            return Err(error);
        }
        let stat = agent.ask(&new.mount, driver.lstat(&new.path)).await?;
        agent.objects.named(object, new.path.clone(), &stat);
        agent.objects.watches().opened(object);
        self.name_changed(new);
        removed
    }

    /// The file at the server, beside the name that it is to have.
    async fn stage(&self, mode: u32, new: &Spot) -> Result<(VPath, Opened), Error> {
        let directory = new.path.parent().ok_or(Errno::EEXIST)?;
        let how =
            OpenHow { read: true, write: true, create: true, exclusive: true, mode, ..OpenHow::default() };
        for _ in 0..STAGED_MAX {
            let number = self.agent.objects.number();
            let staged = directory.child(format!(".mynah-{}-{number}", std::process::id()).as_bytes());
            match self.agent.ask(&new.mount, new.mount.driver.open(&staged, how)).await {
                Ok(opened) => return Ok((staged, opened)),
                Err(error) if error.errno() == Errno::EEXIST => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EEXIST.into())
    }
}
