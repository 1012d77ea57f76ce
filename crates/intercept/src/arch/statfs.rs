//! `struct statfs`.

use super::put;

/// Bytes of `struct statfs` of 64-bit programs.
pub const STATFS_BYTES: usize = 120;

/// What statfs tells of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatfsFields {
    /// Magic number of its type.
    pub kind: u64,
    /// Bytes of one block.
    pub bsize: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub bfree: u64,
    /// Blocks free to ordinary users.
    pub bavail: u64,
    /// Objects in all.
    pub files: u64,
    /// Objects that can still be made.
    pub ffree: u64,
    /// Its identity.
    pub fsid: [i32; 2],
    /// Longest name, in bytes.
    pub namelen: u64,
    /// `ST_*` mount flags.
    pub flags: u64,
}

/// `struct statfs` as native programs know it (include/uapi/asm-generic/statfs.h; both processors use it).
#[must_use]
pub fn encode_statfs(fields: &StatfsFields) -> [u8; STATFS_BYTES] {
    /// `ST_VALID`: the flags mean something. The C library looks for it and hides it from statvfs.
    const ST_VALID: u64 = 0x20;
    let mut bytes = [0; STATFS_BYTES];
    put!(bytes, 0, fields.kind);
    put!(bytes, 8, fields.bsize);
    put!(bytes, 16, fields.blocks);
    put!(bytes, 24, fields.bfree);
    put!(bytes, 32, fields.bavail);
    put!(bytes, 40, fields.files);
    put!(bytes, 48, fields.ffree);
    put!(bytes, 56, fields.fsid[0]);
    put!(bytes, 60, fields.fsid[1]);
    put!(bytes, 64, fields.namelen);
    // Fragments: as large as blocks, as on all file systems of today.
    put!(bytes, 72, fields.bsize);
    put!(bytes, 80, fields.flags | ST_VALID);
    bytes
}
