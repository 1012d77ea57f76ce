//! A directory tree as text, to be compared with another.

use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// One line for each object below `root`, sorted by name: kind, mode, and for files size, links and content (a digest of
/// it), for symbolic links their text. Times, owners and inode numbers are left out.
pub fn describe(root: &Path) -> io::Result<String> {
    let mut text = String::new();
    describe_below(root, &mut String::new(), &mut text)?;
    Ok(text)
}

fn describe_below(directory: &Path, prefix: &mut String, text: &mut String) -> io::Result<()> {
    let mut names =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let path = directory.join(&name);
        let length = prefix.len();
        let _ = write!(prefix, "/{}", name.as_bytes().escape_ascii());
        let stat = fs::symlink_metadata(&path)?;
        let _ =
            writeln!(text, "{} {:04o}{} {prefix}", kind(&stat), stat.mode() & 0o7777, content(&path, &stat)?);
        if stat.is_dir() {
            describe_below(&path, prefix, text)?;
        }
        prefix.truncate(length);
    }
    Ok(())
}

fn kind(stat: &Metadata) -> &'static str {
    let kind = stat.file_type();
    if kind.is_dir() {
        "dir"
    } else if kind.is_symlink() {
        "link"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_file() {
        "file"
    } else {
        "device"
    }
}

fn content(path: &Path, stat: &Metadata) -> io::Result<String> {
    if stat.is_symlink() {
        return Ok(format!(" -> {}", fs::read_link(path)?.as_os_str().as_bytes().escape_ascii()));
    }
    if !stat.is_file() {
        return Ok(String::new());
    }
    Ok(format!(" size={} links={} digest={:016x}", stat.size(), stat.nlink(), digest(&fs::read(path)?)))
}

/// FNV-1a, 64 bits: short, and the same for ever, so that a digest can be written down.
fn digest(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
