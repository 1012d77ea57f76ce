//! Attributes: from statx(2), and back by chown, chmod, ftruncate and utimensat.

use super::place::Handle;
use mynah_vfs::{FileId, FileKind, NewTime, SetAttrs, Stat, Time};
use rustix::fs::{
    self, AtFlags, FileType, Gid, Mode, OFlags, Statx, StatxFlags, StatxTimestamp, Timespec, Timestamps, Uid,
};
use rustix::io::Errno as Code;
use std::ffi::CStr;
use std::os::fd::AsFd;

/// utimensat(2): take the clock's time, leave this time.
const UTIME_NOW: i64 = 0x3fff_ffff;
const UTIME_OMIT: i64 = 0x3fff_fffe;

/// Attributes of a name, or with an empty name of the descriptor itself.
pub(super) fn stat_at(
    dir: impl AsFd,
    name: &CStr,
    flags: AtFlags,
    root_dev: u64,
) -> rustix::io::Result<Stat> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let flags = flags | AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
    convert(&fs::statx(dir, name, flags, mask)?, root_dev)
}

/// Changes the attributes of an object that is held.
///
/// Ownership goes before the mode, because chown takes set-id bits away; times come last, because truncation sets them.
pub(super) fn apply(handle: &Handle, attrs: &SetAttrs) -> rustix::io::Result<()> {
    if let Some(size) = attrs.size {
        truncate(handle, size)?;
    }
    if let Some((uid, gid)) = owners(attrs)? {
        fs::chownat(handle, c"", uid, gid, AtFlags::EMPTY_PATH)?;
    }
    if let Some(mode) = attrs.mode {
        // Linux links have no mode of their own; the detour through /proc would say so only on newer kernels.
        if handle.kind()? == FileType::Symlink {
            return Err(Code::OPNOTSUPP);
        }
        fs::chmod(handle.proc_path(), Mode::from_raw_mode(mode & 0o7777))?;
    }
    if let Some(times) = times(attrs)? {
        fs::utimensat(handle, c"", &times, AtFlags::EMPTY_PATH)?;
    }
    Ok(())
}

/// As [`apply`], for a file that is open for input or output.
pub(super) fn apply_open(fd: impl AsFd, attrs: &SetAttrs) -> rustix::io::Result<()> {
    if let Some(size) = attrs.size {
        fs::ftruncate(&fd, size)?;
    }
    if let Some((uid, gid)) = owners(attrs)? {
        fs::fchown(&fd, uid, gid)?;
    }
    if let Some(mode) = attrs.mode {
        fs::fchmod(&fd, Mode::from_raw_mode(mode & 0o7777))?;
    }
    if let Some(times) = times(attrs)? {
        fs::futimens(&fd, &times)?;
    }
    Ok(())
}

fn truncate(handle: &Handle, size: u64) -> rustix::io::Result<()> {
    match handle.kind()? {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Code::ISDIR),
        FileType::Symlink => return Err(Code::LOOP),
        _ => return Err(Code::INVAL),
    }
    fs::ftruncate(handle.open(OFlags::WRONLY | OFlags::CLOEXEC)?, size)
}

/// The owner and group to set; `None` if both stay. The number -1 is nobody's.
fn owners(attrs: &SetAttrs) -> rustix::io::Result<Option<(Option<Uid>, Option<Gid>)>> {
    if attrs.uid == Some(u32::MAX) || attrs.gid == Some(u32::MAX) {
        return Err(Code::INVAL);
    }
    let (uid, gid) = (attrs.uid.map(Uid::from_raw), attrs.gid.map(Gid::from_raw));
    Ok((uid.is_some() || gid.is_some()).then_some((uid, gid)))
}

fn times(attrs: &SetAttrs) -> rustix::io::Result<Option<Timestamps>> {
    if attrs.atime.is_none() && attrs.mtime.is_none() {
        return Ok(None);
    }
    Ok(Some(Timestamps { last_access: timespec(attrs.atime)?, last_modification: timespec(attrs.mtime)? }))
}

fn timespec(time: Option<NewTime>) -> rustix::io::Result<Timespec> {
    match time {
        None => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }),
        Some(NewTime::Now) => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_NOW }),
        Some(NewTime::At(time)) if time.nsec < 1_000_000_000 => {
            Ok(Timespec { tv_sec: time.sec, tv_nsec: time.nsec.into() })
        }
        Some(NewTime::At(_)) => Err(Code::INVAL),
    }
}

fn convert(stat: &Statx, root_dev: u64) -> rustix::io::Result<Stat> {
    let full_mode = u32::from(stat.stx_mode);
    let dev = fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    let has_btime = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    Ok(Stat {
        kind: FileKind::of_mode(full_mode).ok_or(Code::IO)?,
        mode: full_mode & 0o7777,
        id: file_id(dev, stat.stx_ino, root_dev),
        nlink: stat.stx_nlink.into(),
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        rdev: fs::makedev(stat.stx_rdev_major, stat.stx_rdev_minor),
        size: stat.stx_size,
        blksize: stat.stx_blksize,
        blocks: stat.stx_blocks,
        atime: time(stat.stx_atime),
        mtime: time(stat.stx_mtime),
        ctime: time(stat.stx_ctime),
        btime: has_btime.then(|| time(stat.stx_btime)),
        local_dev: Some(dev),
    })
}

fn time(stamp: StatxTimestamp) -> Time {
    Time { sec: stamp.tv_sec, nsec: stamp.tv_nsec }
}

/// The inode number on the root's own file system. File systems mounted below it count their inodes anew, so theirs are
/// mixed with the device number into the upper half of 63 bits, where hardly any file system numbers its own.
fn file_id(dev: u64, ino: u64, root_dev: u64) -> FileId {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 divided by the golden ratio
    if dev == root_dev {
        return FileId(ino);
    }
    let mixed = (dev.wrapping_mul(ODD).rotate_left(32) ^ ino).wrapping_mul(ODD);
    FileId((mixed >> 2) | 1 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inodes_of_nested_file_systems_do_not_meet() {
        let root = fs::makedev(8, 1);
        let mut seen = std::collections::HashSet::new();
        for dev in [root, fs::makedev(8, 2), fs::makedev(0, 33)] {
            for ino in 1..10_000 {
                assert!(seen.insert(file_id(dev, ino, root)));
            }
        }
        assert_eq!(file_id(root, 7, root), FileId(7));
    }

    #[test]
    fn a_nanosecond_count_cannot_say_now_or_omit() {
        for nsec in [1_000_000_000, 0x3fff_ffff, 0x3fff_fffe] {
            let odd = Some(NewTime::At(Time { sec: 0, nsec }));
            assert!(times(&SetAttrs { mtime: odd, ..SetAttrs::default() }).is_err());
        }
    }
}
