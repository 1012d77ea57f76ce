//! Reading directories.
//!
//! A remote directory's placeholder is empty; what a program reads from it is made here. The position lives where it
//! lives natively, in the open file: lseek on the placeholder is the kernel's own, so that telldir, seekdir, rewinddir, dup
//! and fork need nothing more.

use crate::lock;
use crate::object::{Listed, Listing, Object};
use crate::outcome::{Call, Outcome};
use crate::resolve::Last;
use crate::tasks::Task;
use mynah_cache::Ident;
use mynah_intercept::arch;
use mynah_vfs::{Errno, Error, FileKind, MountPoint};
use rustix::fs::{self, SeekFrom};
use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The positions of `.` and `..`; entries follow.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;

/// What one call reads at most, in bytes: the C libraries ask for 32 KiB.
const READ_MAX: u64 = 1 << 20;

/// How an entry is laid out for the caller: inode, position after it, type, name; adds to the bytes.
type Encode = fn(u64, i64, u8, &[u8], &mut Vec<u8>) -> usize;

pub(super) fn getdents64(call: Call<'_>) -> Outcome {
    read(call, arch::encode_dirent64)
}

#[cfg(target_arch = "x86_64")]
pub(super) fn getdents(call: Call<'_>) -> Outcome {
    read(call, arch::encode_dirent)
}

fn read(call: Call<'_>, encode: Encode) -> Outcome {
    let task = call.task();
    let number = call.int(0);
    let (to, room) = (call.pointer(1), call.arg(2).min(READ_MAX) as usize);
    if let Some((object, fd)) = task.opened(number) {
        if object.kind != FileKind::Directory {
            return Outcome::Errno(Errno::ENOTDIR);
        }
        return Outcome::wait(async move {
            let read = read_hosted(&task, &object, &fd, room, encode).await;
            read.map(|bytes| Outcome::Fill { to, value: bytes.len() as i64, bytes }).into()
        });
    }
    match read_native(&task, number, room, encode) {
        Some(Ok(bytes)) => Outcome::Fill { to, value: bytes.len() as i64, bytes },
        Some(Err(errno)) => Outcome::Errno(errno),
        None => Outcome::Resume,
    }
}

fn os(errno: rustix::io::Errno) -> Errno {
    Errno::new(errno.raw_os_error()).unwrap_or(Errno::EIO)
}

async fn read_hosted(
    task: &Task,
    object: &Arc<Object>,
    fd: &OwnedFd,
    room: usize,
    encode: Encode,
) -> Result<Vec<u8>, Error> {
    let position = fs::seek(fd, SeekFrom::Current(0)).map_err(os)?;
    if !object.is_linked() {
        // A directory that was removed while open reads as ended, or not at all (readdir(3), getdents(2)).
        return Err(Errno::ENOENT.into());
    }
    let reader = task.run.id();
    let is_new = !lock(&object.listings).contains_key(&reader);
    if position == 0 || is_new {
        refresh(task, object).await?;
    }
    let mut bytes = Vec::new();
    let mut at = position;
    {
        let mut listings = lock(&object.listings);
        let listing = listings.entry(reader).or_default();
        let dots = [(DOT, b".".as_slice(), object.file_id().0), (DOT_DOT, b"..".as_slice(), listing.parent)];
        let dots =
            dots.into_iter().map(|(position, name, ino)| (position, name, ino, Some(FileKind::Directory)));
        let entries =
            listing.entries.iter().map(|one| (one.position, one.name.as_slice(), one.ino, one.kind));
        for (entry, name, ino, kind) in dots.chain(entries).filter(|(entry, ..)| *entry > position) {
            let before = bytes.len();
            encode(ino, entry as i64, kind.map_or(libc::DT_UNKNOWN, FileKind::dirent_type), name, &mut bytes);
            if bytes.len() > room {
                bytes.truncate(before);
                if before == 0 {
                    return Err(Errno::EINVAL.into());
                }
                break;
            }
            at = entry;
        }
    }
    fs::seek(fd, SeekFrom::Start(at)).map_err(os)?;
    Ok(bytes)
}

/// Asks the server for the entries, and gives those that are new a position behind all others.
async fn refresh(task: &Task, object: &Arc<Object>) -> Result<(), Error> {
    let path = object.driver_path();
    let agent = &task.agent;
    let asked = agent.dentries.moment();
    let entries = agent.ask(&object.mount, object.mount.driver.list(&path)).await?;
    let points = task.shown(object).map_or_else(Vec::new, |shown| task.run.namespace.mount_points(&shown));
    let mut now: HashMap<Vec<u8>, (u64, Option<FileKind>)> = HashMap::with_capacity(entries.len());
    let mut order = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some(stat) = entry.stat {
            agent.dentries.put(asked, object.mount.driver_id, path.child(&entry.name), stat);
        }
        let shown = entry.stat.map_or((1, None), |stat| (stat.id.0, Some(stat.kind)));
        now.insert(entry.name.clone(), shown);
        order.push(entry.name);
    }
    for MountPoint { name, hidden } in points {
        if hidden {
            now.remove(&name);
        } else if now.insert(name.clone(), (1, None)).is_none() {
            order.push(name);
        }
    }
    let parent = parent_inode(task, object).await?;
    let mut listings = lock(&object.listings);
    let listing = listings.entry(task.run.id()).or_default();
    listing.parent = parent;
    listing.update(now, order);
    Ok(())
}

/// The inode that stat shows for `..`.
async fn parent_inode(task: &Task, object: &Object) -> Result<u64, Error> {
    let Some(above) = task.shown(object).and_then(|shown| shown.parent()) else {
        return Ok(object.file_id().0);
    };
    let start = task.native_start(libc::AT_FDCWD, b"/")?;
    let reached = task.walk(start, above.as_bytes(), Last::Follow).await?;
    Ok(task.stat_at(&task.whole_spot(reached)).await?.id.0)
}

impl Listing {
    fn update(&mut self, mut now: HashMap<Vec<u8>, (u64, Option<FileKind>)>, order: Vec<Vec<u8>>) {
        self.last = self.last.max(DOT_DOT);
        self.entries.retain_mut(|listed| match now.remove(&listed.name) {
            Some((ino, kind)) => {
                (listed.ino, listed.kind) = (ino, kind);
                true
            }
            None => false,
        });
        for name in order {
            if let Some((ino, kind)) = now.remove(&name) {
                self.last += 1;
                self.entries.push(Listed { position: self.last, name, ino, kind });
            }
        }
    }
}

/// A directory of the machine's own in which mounts appear, or from which something is hidden: the kernel's entries,
/// edited. `None` for all others, which are the kernel's alone.
fn read_native(task: &Task, number: i32, room: usize, encode: Encode) -> Option<Result<Vec<u8>, Errno>> {
    let fd = task.descriptor(number).ok()?;
    let stat = fs::fstat(&fd).ok()?;
    if !task.run.above_mounts.contains(&Ident { dev: stat.st_dev, ino: stat.st_ino }) {
        return None;
    }
    let crate::tasks::Dir::Native(path) = task.dir_of_descriptor(number).ok()? else { return None };
    let points = task.run.namespace.mount_points(&path);
    if points.is_empty() {
        return None;
    }
    Some(edited(&fd, &points, room, encode))
}

fn edited(fd: &OwnedFd, points: &[MountPoint], room: usize, encode: Encode) -> Result<Vec<u8>, Errno> {
    let at_start = fs::seek(fd, SeekFrom::Current(0)).map_err(os)? == 0;
    let extra: Vec<&MountPoint> = points.iter().filter(|point| at_start && !point.hidden).collect();
    let known: HashSet<&[u8]> = points.iter().map(|point| point.name.as_slice()).collect();
    let mut extra_room = Vec::new();
    for point in &extra {
        encode(1, 0, libc::DT_UNKNOWN, &point.name, &mut extra_room);
    }
    let mut bytes = Vec::new();
    // A batch in which everything is hidden must not look like the end.
    while bytes.is_empty() {
        let mut buffer = vec![std::mem::MaybeUninit::uninit(); room.saturating_sub(extra_room.len())];
        let mut raw = fs::RawDir::new(fd, &mut buffer);
        let mut last = 0;
        let mut any = false;
        while let Some(entry) = raw.next() {
            let entry = entry.map_err(os)?;
            any = true;
            last = entry.next_entry_cookie() as i64;
            if !known.contains(entry.file_name().to_bytes()) {
                encode(
                    entry.ino(),
                    last,
                    dirent_type(entry.file_type()),
                    entry.file_name().to_bytes(),
                    &mut bytes,
                );
            }
            if raw.is_buffer_empty() {
                break;
            }
        }
        if !any {
            break;
        }
        for point in &extra {
            encode(1, last, libc::DT_UNKNOWN, &point.name, &mut bytes);
        }
    }
    Ok(bytes)
}

fn dirent_type(kind: fs::FileType) -> u8 {
    match kind {
        fs::FileType::RegularFile => libc::DT_REG,
        fs::FileType::Directory => libc::DT_DIR,
        fs::FileType::Symlink => libc::DT_LNK,
        fs::FileType::Fifo => libc::DT_FIFO,
        fs::FileType::Socket => libc::DT_SOCK,
        fs::FileType::CharacterDevice => libc::DT_CHR,
        fs::FileType::BlockDevice => libc::DT_BLK,
        fs::FileType::Unknown => libc::DT_UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listing: &Listing) -> Vec<(u64, &[u8])> {
        listing.entries.iter().map(|one| (one.position, one.name.as_slice())).collect()
    }

    fn update(listing: &mut Listing, entries: &[&str]) {
        let order: Vec<Vec<u8>> = entries.iter().map(|name| name.as_bytes().to_vec()).collect();
        let now = order.iter().map(|name| (name.clone(), (7, None))).collect();
        listing.update(now, order);
    }

    #[test]
    fn positions_last_while_entries_come_and_go() {
        let mut listing = Listing::default();
        update(&mut listing, &["a", "b", "c"]);
        assert_eq!(names(&listing), [(3, b"a".as_slice()), (4, b"b"), (5, b"c")]);
        update(&mut listing, &["d", "c", "a"]);
        assert_eq!(names(&listing), [(3, b"a".as_slice()), (5, b"c"), (6, b"d")]);
    }
}
