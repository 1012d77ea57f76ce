//! Directory entries as getdents64 and getdents give them.

/// Appends a `struct linux_dirent64`: inode, offset of the next entry, kind (`DT_*`), name. Gives its length, a
/// multiple of 8. Whoever fills a buffer checks the total against its size, and [`Vec::truncate`]s what is too much.
///
/// The name has no NUL and at most 255 bytes (`NAME_MAX`), so that the 16-bit length holds the record.
pub fn encode_dirent64(ino: u64, off: i64, kind: u8, name: &[u8], out: &mut Vec<u8>) -> usize {
    const HEAD: usize = 19;
    let length = (HEAD + name.len() + 1).next_multiple_of(8);
    let end = out.len() + length;
    out.extend_from_slice(&ino.to_ne_bytes());
    out.extend_from_slice(&off.to_ne_bytes());
    out.extend_from_slice(&(length as u16).to_ne_bytes());
    out.push(kind);
    out.extend_from_slice(name);
    out.resize(end, 0);
    length
}

/// Appends a `struct linux_dirent`, the older form: the kind is in the last byte of the record. Gives its length, a
/// multiple of 8.
pub fn encode_dirent(ino: u64, off: i64, kind: u8, name: &[u8], out: &mut Vec<u8>) -> usize {
    const HEAD: usize = 18;
    let length = (HEAD + name.len() + 2).next_multiple_of(8);
    let end = out.len() + length;
    out.extend_from_slice(&ino.to_ne_bytes());
    out.extend_from_slice(&off.to_ne_bytes());
    out.extend_from_slice(&(length as u16).to_ne_bytes());
    out.extend_from_slice(name);
    out.resize(end - 1, 0);
    out.push(kind);
    length
}
