//! Kernel structures as bytes, against the C library's definitions and the kernel's own answers.
#![allow(clippy::unwrap_used)]

use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use mynah_intercept::arch::{
    STAT_BYTES, STATFS_BYTES, STATX_BYTES, StatFields, StatfsFields, encode_dirent, encode_dirent64,
    encode_stat, encode_statfs, encode_statx,
};

/// The integer of `size` bytes at `offset`.
fn integer(bytes: &[u8], offset: usize, size: usize) -> u64 {
    let mut wide = [0; 8];
    wide[..size].copy_from_slice(&bytes[offset..offset + size]);
    u64::from_le_bytes(wide)
}

macro_rules! field {
    ($bytes:expr, $type:ty, $($field:ident).+) => {{
        // The closure only tells the type; it is never called.
        fn size_of_field<T, F>(_: impl Fn(&T) -> &F) -> usize { size_of::<F>() }
        integer(&$bytes, offset_of!($type, $($field).+), size_of_field(|whole: &$type| &whole.$($field).+))
    }};
}

const FIELDS: StatFields = StatFields {
    dev: 0x0805,
    ino: 0x1122_3344_5566_7788,
    mode: libc::S_IFREG | 0o641,
    nlink: 7,
    uid: 1001,
    gid: 1002,
    rdev: 0x0103,
    size: 0x12_3456_789A,
    blksize: 4096,
    blocks: 0x1234_5678,
    atime: (1_700_000_001, 111),
    mtime: (-5, 222),
    ctime: (1_700_000_003, 333),
    btime: Some((1_600_000_000, 444)),
    mnt_id: Some(99),
    attributes: 0x10,
    attributes_mask: 0x30,
};

#[test]
fn stat_has_the_native_layout() {
    let bytes = encode_stat(&FIELDS);
    assert_eq!(STAT_BYTES, size_of::<libc::stat>());
    assert_eq!(field!(bytes, libc::stat, st_dev), FIELDS.dev);
    assert_eq!(field!(bytes, libc::stat, st_ino), FIELDS.ino);
    assert_eq!(field!(bytes, libc::stat, st_mode), u64::from(FIELDS.mode));
    assert_eq!(field!(bytes, libc::stat, st_nlink), FIELDS.nlink);
    assert_eq!(field!(bytes, libc::stat, st_uid), 1001);
    assert_eq!(field!(bytes, libc::stat, st_gid), 1002);
    assert_eq!(field!(bytes, libc::stat, st_rdev), FIELDS.rdev);
    assert_eq!(field!(bytes, libc::stat, st_size), FIELDS.size);
    assert_eq!(field!(bytes, libc::stat, st_blksize), 4096);
    assert_eq!(field!(bytes, libc::stat, st_blocks), FIELDS.blocks);
    assert_eq!(field!(bytes, libc::stat, st_atime), 1_700_000_001);
    assert_eq!(field!(bytes, libc::stat, st_atime_nsec), 111);
    assert_eq!(field!(bytes, libc::stat, st_mtime) as i64, -5);
    assert_eq!(field!(bytes, libc::stat, st_mtime_nsec), 222);
    assert_eq!(field!(bytes, libc::stat, st_ctime), 1_700_000_003);
    assert_eq!(field!(bytes, libc::stat, st_ctime_nsec), 333);
}

#[test]
fn statx_has_the_kernels_layout() {
    let bytes = encode_statx(&FIELDS, libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID);
    assert_eq!(STATX_BYTES, size_of::<libc::statx>());
    let mask = u64::from(libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID);
    assert_eq!(field!(bytes, libc::statx, stx_mask), mask);
    assert_eq!(field!(bytes, libc::statx, stx_blksize), 4096);
    assert_eq!(field!(bytes, libc::statx, stx_attributes), 0x10);
    assert_eq!(field!(bytes, libc::statx, stx_attributes_mask), 0x30);
    assert_eq!(field!(bytes, libc::statx, stx_nlink), 7);
    assert_eq!(field!(bytes, libc::statx, stx_uid), 1001);
    assert_eq!(field!(bytes, libc::statx, stx_gid), 1002);
    assert_eq!(field!(bytes, libc::statx, stx_mode), u64::from(FIELDS.mode));
    assert_eq!(field!(bytes, libc::statx, stx_ino), FIELDS.ino);
    assert_eq!(field!(bytes, libc::statx, stx_size), FIELDS.size);
    assert_eq!(field!(bytes, libc::statx, stx_blocks), FIELDS.blocks);
    assert_eq!(field!(bytes, libc::statx, stx_atime.tv_sec), 1_700_000_001);
    assert_eq!(field!(bytes, libc::statx, stx_btime.tv_nsec), 444);
    assert_eq!(field!(bytes, libc::statx, stx_ctime.tv_nsec), 333);
    assert_eq!(field!(bytes, libc::statx, stx_mtime.tv_sec) as i64, -5);
    assert_eq!(field!(bytes, libc::statx, stx_rdev_major), 1);
    assert_eq!(field!(bytes, libc::statx, stx_rdev_minor), 3);
    assert_eq!(field!(bytes, libc::statx, stx_dev_major), 8);
    assert_eq!(field!(bytes, libc::statx, stx_dev_minor), 5);
    assert_eq!(field!(bytes, libc::statx, stx_mnt_id), 99);
}

#[test]
fn statx_says_only_what_was_asked_for_and_is_known() {
    let mask = |fields: &StatFields, asked| integer(&encode_statx(fields, asked), 0, 4) as u32;
    assert_eq!(mask(&FIELDS, 0), libc::STATX_BASIC_STATS);
    let unknown = StatFields { btime: None, mnt_id: None, ..FIELDS };
    assert_eq!(mask(&unknown, libc::STATX_BTIME | libc::STATX_MNT_ID), libc::STATX_BASIC_STATS);
}

#[test]
fn statfs_has_the_native_layout() {
    let fields = StatfsFields {
        kind: 0xEF53,
        bsize: 4096,
        blocks: 1000,
        bfree: 900,
        bavail: 800,
        files: 70,
        ffree: 60,
        fsid: [5, 6],
        namelen: 255,
        flags: libc::ST_RDONLY,
    };
    let bytes = encode_statfs(&fields);
    assert_eq!(STATFS_BYTES, size_of::<libc::statfs>());
    assert_eq!(field!(bytes, libc::statfs, f_type), 0xEF53);
    assert_eq!(field!(bytes, libc::statfs, f_bsize), 4096);
    assert_eq!(field!(bytes, libc::statfs, f_blocks), 1000);
    assert_eq!(field!(bytes, libc::statfs, f_bfree), 900);
    assert_eq!(field!(bytes, libc::statfs, f_bavail), 800);
    assert_eq!(field!(bytes, libc::statfs, f_files), 70);
    assert_eq!(field!(bytes, libc::statfs, f_ffree), 60);
    assert_eq!(field!(bytes, libc::statfs, f_fsid), 6 << 32 | 5);
    assert_eq!(field!(bytes, libc::statfs, f_namelen), 255);
    assert_eq!(field!(bytes, libc::statfs, f_frsize), 4096);
}

#[test]
fn an_encoded_stat_is_what_the_kernel_gives() {
    let meta = std::fs::metadata("/etc/passwd").unwrap();
    let time = |sec, nsec| (sec, u32::try_from(nsec).unwrap());
    let fields = StatFields {
        dev: meta.dev(),
        ino: meta.ino(),
        mode: meta.mode(),
        nlink: meta.nlink(),
        uid: meta.uid(),
        gid: meta.gid(),
        rdev: meta.rdev(),
        size: meta.size(),
        blksize: u32::try_from(meta.blksize()).unwrap(),
        blocks: meta.blocks(),
        atime: time(meta.atime(), meta.atime_nsec()),
        mtime: time(meta.mtime(), meta.mtime_nsec()),
        ctime: time(meta.ctime(), meta.ctime_nsec()),
        ..StatFields::default()
    };
    let mut bytes = [0_u8; STAT_BYTES];
    let file = std::fs::File::open("/etc/passwd").unwrap();
    // SAFETY: the buffer has the size of the structure, and the descriptor is open.
    let done = unsafe { libc::syscall(libc::SYS_fstat, file.as_raw_fd(), bytes.as_mut_ptr()) };
    assert_eq!((done, bytes), (0, encode_stat(&fields)));
}

/// The entries of a directory as the kernel wrote them: offset of the next, length, the record's bytes.
fn records(number: libc::c_long, path: &str) -> Vec<Vec<u8>> {
    let directory = std::fs::File::open(path).unwrap();
    let mut buffer = vec![0_u8; 1 << 16];
    // SAFETY: pointer and length describe the buffer, and the descriptor is open.
    let count = unsafe { libc::syscall(number, directory.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
    let mut rest = &buffer[..usize::try_from(count).unwrap()];
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (record, after) = rest.split_at(integer(rest, 16, 2) as usize);
        records.push(record.to_vec());
        rest = after;
    }
    records
}

fn name_in(record: &[u8], head: usize) -> &[u8] {
    record[head..].split(|&byte| byte == 0).next().unwrap()
}

#[test]
fn directory_entries_are_those_that_the_kernel_gives() {
    let records = records(libc::SYS_getdents64, "/usr/bin");
    assert!(records.len() > 20);
    for record in records {
        let mut encoded = Vec::new();
        let (ino, off) = (integer(&record, 0, 8), integer(&record, 8, 8) as i64);
        let length = encode_dirent64(ino, off, record[18], name_in(&record, 19), &mut encoded);
        assert_eq!(length, record.len());
        let significant = 19 + name_in(&record, 19).len() + 1;
        assert_eq!(encoded[..significant], record[..significant]);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn old_directory_entries_are_those_that_the_kernel_gives() {
    for record in records(libc::SYS_getdents, "/usr/bin") {
        let mut encoded = Vec::new();
        let (ino, off) = (integer(&record, 0, 8), integer(&record, 8, 8) as i64);
        let kind = record[record.len() - 1];
        let length = encode_dirent(ino, off, kind, name_in(&record, 18), &mut encoded);
        assert_eq!((length, encoded[length - 1]), (record.len(), kind));
        let significant = 18 + name_in(&record, 18).len() + 1;
        assert_eq!(encoded[..significant], record[..significant]);
    }
}

#[test]
fn entries_follow_each_other_at_multiples_of_eight() {
    let mut out = Vec::new();
    for length in 1..=255 {
        let before = out.len();
        let added = encode_dirent64(1, 2, 8, &vec![b'a'; length], &mut out);
        let also = encode_dirent(1, 2, 8, &vec![b'a'; length], &mut out);
        assert_eq!((added % 8, also % 8, out.len() - before), (0, 0, added + also));
    }
}
