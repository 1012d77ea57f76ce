//! `struct stat` and `struct statx`.

use std::io;
use std::os::fd::BorrowedFd;

use super::{native, put};
use crate::sys;
use rustix::fs::{major, minor};

/// Bytes of `struct statx`.
pub const STATX_BYTES: usize = 256;

/// Where a structure that the kernel fills in has its owner: the user, and directly behind it the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerAt {
    /// Bytes before the user.
    pub offset: usize,
    /// Bytes of each of the two: 2 or 4.
    pub width: usize,
}

/// In `struct statx`.
pub const STATX_OWNER: OwnerAt = OwnerAt { offset: 20, width: 4 };
/// In `struct stat64` of i386 programs.
pub const I386_STAT64_OWNER: OwnerAt = OwnerAt { offset: 24, width: 4 };
/// In `struct stat` of i386 programs.
pub const I386_STAT_OWNER: OwnerAt = OwnerAt { offset: 12, width: 2 };
/// In `struct __old_kernel_stat` of i386 programs.
pub const I386_OLD_STAT_OWNER: OwnerAt = OwnerAt { offset: 8, width: 2 };
/// In `struct ucred`, the peer of a socket.
pub const UCRED_OWNER: OwnerAt = OwnerAt { offset: 4, width: 4 };

/// `struct stat` of an open file, O_PATH descriptors included, as the kernel gives it to native programs.
pub fn stat_of(fd: BorrowedFd<'_>) -> io::Result<[u8; native::STAT_BYTES]> {
    let mut bytes = [0; native::STAT_BYTES];
    sys::fstat_bytes(fd, &mut bytes)?;
    Ok(bytes)
}

/// `struct statx` of an open file, asked for with `flags` (of the `AT_STATX_*` kind) and `mask` (`STATX_*`).
pub fn statx_of(fd: BorrowedFd<'_>, flags: i32, mask: u32) -> io::Result<[u8; STATX_BYTES]> {
    let mut bytes = [0; STATX_BYTES];
    sys::statx_bytes(fd, flags, mask, &mut bytes)?;
    Ok(bytes)
}

/// What stat and statx tell of an object, in the units of the kernel's structures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatFields {
    /// Device number of the file system, as `makedev` packs it.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Kind and permission bits.
    pub mode: u32,
    /// Number of hard links.
    pub nlink: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device node, as `makedev` packs it.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// Preferred size of a transfer, in bytes.
    pub blksize: u32,
    /// Space used, in units of 512 bytes.
    pub blocks: u64,
    /// Last access: seconds, nanoseconds.
    pub atime: (i64, u32),
    /// Last change of content.
    pub mtime: (i64, u32),
    /// Last change of attributes.
    pub ctime: (i64, u32),
    /// Creation, if known. statx only.
    pub btime: Option<(i64, u32)>,
    /// The mount's number, if it has one. statx only.
    pub mnt_id: Option<u64>,
    /// `STATX_ATTR_*` bits that are set. statx only.
    pub attributes: u64,
    /// `STATX_ATTR_*` bits that the file system knows. statx only.
    pub attributes_mask: u64,
}

/// `struct stat` as native programs know it.
#[must_use]
pub fn encode_stat(fields: &StatFields) -> [u8; native::STAT_BYTES] {
    let mut bytes = [0; native::STAT_BYTES];
    native::lay_out_stat(fields, &mut bytes);
    bytes
}

/// Bytes of `struct stat64` of i386 programs.
pub const I386_STAT64_BYTES: usize = 96;

/// `struct stat64` as i386 programs know it (arch/x86/include/uapi/asm/stat.h, asm/ia32.h).
#[must_use]
pub fn encode_i386_stat64(fields: &StatFields) -> [u8; I386_STAT64_BYTES] {
    let mut bytes = [0; I386_STAT64_BYTES];
    put!(bytes, 0, fields.dev);
    // The low half stands here as well, from the time before inodes of 64 bits.
    put!(bytes, 12, fields.ino as u32);
    put!(bytes, 16, fields.mode);
    put!(bytes, 20, u32::try_from(fields.nlink).unwrap_or(u32::MAX));
    put!(bytes, 24, fields.uid);
    put!(bytes, 28, fields.gid);
    put!(bytes, 32, fields.rdev);
    put!(bytes, 44, fields.size);
    put!(bytes, 52, fields.blksize);
    put!(bytes, 56, fields.blocks);
    for (offset, (sec, nsec)) in [(64, fields.atime), (72, fields.mtime), (80, fields.ctime)] {
        put!(bytes, offset, sec as u32);
        put!(bytes, offset + 4, nsec);
    }
    put!(bytes, 88, fields.ino);
    bytes
}

/// `struct statx` for a caller that asked for `mask` (`STATX_*`).
///
/// As from a real file system, the basic fields are all there, asked for or not; creation time and mount number are
/// given, and said to be in `stx_mask`, if they were asked for and are known.
#[must_use]
pub fn encode_statx(fields: &StatFields, mask: u32) -> [u8; STATX_BYTES] {
    let mut bytes = [0; STATX_BYTES];
    let mut known = libc::STATX_BASIC_STATS;
    put!(bytes, 4, fields.blksize);
    put!(bytes, 8, fields.attributes);
    put!(bytes, 16, u32::try_from(fields.nlink).unwrap_or(u32::MAX));
    put!(bytes, 20, fields.uid);
    put!(bytes, 24, fields.gid);
    put!(bytes, 28, fields.mode as u16);
    put!(bytes, 32, fields.ino);
    put!(bytes, 40, fields.size);
    put!(bytes, 48, fields.blocks);
    put!(bytes, 56, fields.attributes_mask);
    put_time(&mut bytes, 64, fields.atime);
    if let Some(btime) = fields.btime.filter(|_| mask & libc::STATX_BTIME != 0) {
        put_time(&mut bytes, 80, btime);
        known |= libc::STATX_BTIME;
    }
    put_time(&mut bytes, 96, fields.ctime);
    put_time(&mut bytes, 112, fields.mtime);
    put!(bytes, 128, major(fields.rdev));
    put!(bytes, 132, minor(fields.rdev));
    put!(bytes, 136, major(fields.dev));
    put!(bytes, 140, minor(fields.dev));
    if let Some(mnt_id) = fields.mnt_id.filter(|_| mask & libc::STATX_MNT_ID != 0) {
        put!(bytes, 144, mnt_id);
        known |= libc::STATX_MNT_ID;
    }
    put!(bytes, 0, known);
    bytes
}

/// `struct statx_timestamp`: seconds, nanoseconds, four bytes unused.
fn put_time(bytes: &mut [u8; STATX_BYTES], offset: usize, (sec, nsec): (i64, u32)) {
    put!(bytes, offset, sec);
    put!(bytes, offset + 8, nsec);
}
