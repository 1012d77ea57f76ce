//! inotify(7): what may be watched, and the shadow that is watched in its place.

use super::path_call::{PathArg, follow_unless, on_path};
use crate::object::Object;
use crate::outcome::{Call, Outcome};
use crate::resolve::Spot;
use crate::tasks::Task;
use mynah_vfs::{Errno, Error, FileKind, OpenHow, Stat};
use rustix::fs::{
    self,
    inotify::{self, WatchFlags},
};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::MutexGuard;

pub(super) fn inotify_add_watch(call: Call<'_>) -> Outcome {
    let number = call.int(0);
    let mask = call.bits(2);
    let last = follow_unless(mask, libc::IN_DONT_FOLLOW as i32);
    if !may_watch(call, number, mask) {
        return Outcome::Resume;
    }
    on_path(call, PathArg::cwd(1, last), move |task, spot| async move {
        // The kernel has the errno for a bad descriptor.
        let Ok(instance) = task.descriptor(number) else { return Ok(Outcome::Resume) };
        let stat = task.stat_at(&spot).await?;
        if mask & libc::IN_ONLYDIR != 0 && stat.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        task.allows(&spot.mount, &spot.path, &stat, libc::R_OK as u32).await?;
        let watched = task.to_watch(&spot, &stat).await?;
        match inotify::add_watch(&instance, &watched, WatchFlags::from_bits_retain(mask)) {
            Ok(watch) => Ok(Outcome::Value(i64::from(watch))),
            Err(errno) => Ok(Outcome::Errno(Errno::new(errno.raw_os_error()).unwrap_or(Errno::EIO))),
        }
    })
}

/// Whether anything can come of the call, before its path is looked at: if not, the kernel has the errno.
fn may_watch(call: Call<'_>, number: i32, mask: u32) -> bool {
    let how = libc::IN_ONLYDIR | libc::IN_DONT_FOLLOW | libc::IN_EXCL_UNLINK | libc::IN_MASK_CREATE;
    let how = how | libc::IN_MASK_ADD | libc::IN_ISDIR | libc::IN_ONESHOT;
    let events = libc::IN_ALL_EVENTS | libc::IN_UNMOUNT | libc::IN_Q_OVERFLOW | libc::IN_IGNORED;
    let both = libc::IN_MASK_CREATE | libc::IN_MASK_ADD;
    let is_instance = || {
        let link = fs::readlink(call.task().proc(&format!("fd/{number}")), Vec::new());
        link.is_ok_and(|link| link.as_bytes() == b"anon_inode:inotify")
    };
    mask & !(how | events) == 0 && mask != 0 && mask & both != both && is_instance()
}

impl Task {
    /// What the kernel is to watch.
    async fn to_watch(&self, spot: &Spot, stat: &Stat) -> Result<PathBuf, Error> {
        if let Some(path) = spot.mount.driver.local_path(&spot.path) {
            return Ok(path);
        }
        let watches = self.agent.objects.watches();
        let driver = spot.mount.driver_id;
        Ok(match stat.kind {
            FileKind::Directory if watches.knows(driver, &spot.path) => {
                watches.directory(driver, &spot.path, Vec::new())?
            }
            FileKind::Directory => {
                let names = self.names_in(spot).await?;
                let objects = names.iter().filter_map(|(_, _, object)| object.clone()).collect::<Vec<_>>();
                let _still = at_rest(&objects).await;
                watches.directory(driver, &spot.path, names)?
            }
            FileKind::Regular => {
                let object = self.present(spot).await?;
                let objects = vec![Arc::clone(&object)];
                let _still = at_rest(&objects).await;
                watches.alone(driver, &spot.path, stat.kind, Some(&object))?
            }
            kind => watches.alone(driver, &spot.path, kind, None)?,
        })
    }

    async fn names_in(
        &self,
        spot: &Spot,
    ) -> Result<Vec<(mynah_vfs::VPath, FileKind, Option<Arc<Object>>)>, Error> {
        let entries = self.agent.ask(&spot.mount, spot.mount.driver.list(&spot.path)).await?;
        let known = entries.into_iter().map(|entry| {
            let path = spot.path.child(&entry.name);
            let kind = entry.stat.map_or(FileKind::Regular, |stat| stat.kind);
            let object = self.agent.objects.by_path(spot.mount.driver_id, &path);
            (path, kind, object)
        });
        Ok(known.collect())
    }

    /// The file, complete: what is fetched later would be told as written.
    async fn present(&self, spot: &Spot) -> Result<Arc<Object>, Error> {
        let objects = &self.agent.objects;
        let how = OpenHow { read: true, ..OpenHow::default() };
        let opened = self.agent.ask(&spot.mount, spot.mount.driver.open(&spot.path, how)).await?;
        let object = self.object_as_it_is_now(spot, &opened).await?;
        if !object.is_current(objects, &opened.stat) {
            objects.make_room(opened.stat.size);
            object.fetch(objects, &opened.file, &opened.stat).await?;
        }
        Ok(object)
    }
}

/// While their placeholders get other names nobody may be moving content by the old ones. Each is waited for in the order of its
/// number, so that no two who do this wait for each other.
async fn at_rest(objects: &[Arc<Object>]) -> Vec<MutexGuard<'_, ()>> {
    let mut ordered: Vec<&Arc<Object>> = objects.iter().collect();
    ordered.sort_by_key(|object| object.id);
    ordered.dedup_by_key(|object| object.id);
    let mut still = Vec::with_capacity(ordered.len());
    for object in ordered {
        still.push(object.moving.lock().await);
    }
    still
}
