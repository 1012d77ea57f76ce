//! The one thing that has to be known of an ELF file: which loader it asks the kernel for, and how to ask for another.

use mynah_vfs::PATH_MAX;
use rustix::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};

/// The type of the program header that names the loader.
const PT_INTERP: u32 = 3;
/// All program headers together, as the kernel limits them (binfmt_elf.c).
const HEADERS_MAX: usize = 64 << 10;

/// Where the numbers are that matter here, in files of one width (elf(5)).
struct Layout {
    /// Bytes of an offset.
    word: usize,
    headers_at: usize,
    header_size_at: usize,
    header_size: usize,
    /// In a program header.
    offset_at: usize,
    size_at: usize,
}

const WIDE: Layout =
    Layout { word: 8, headers_at: 32, header_size_at: 54, header_size: 56, offset_at: 8, size_at: 32 };
const NARROW: Layout =
    Layout { word: 4, headers_at: 28, header_size_at: 42, header_size: 32, offset_at: 4, size_at: 16 };

/// What a program says of its loader.
pub(crate) struct Loader {
    /// The loader's path.
    pub(crate) path: Vec<u8>,
    layout: &'static Layout,
    /// Where in the file its program header is.
    header: u64,
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let mut wide = [0; 8];
    wide[..width].copy_from_slice(bytes.get(at..at + width)?);
    Some(u64::from_le_bytes(wide))
}

fn read(file: impl AsFd, at: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    let read = rustix::io::pread(file, &mut bytes, at).ok()?;
    (read == length).then_some(bytes)
}

/// The loader of a program; `None` for one that has none, and for what is no program, of which the kernel says so itself.
pub(crate) fn loader_of(file: impl AsFd) -> Option<Loader> {
    const HEAD: usize = 52;
    let file = file.as_fd();
    let head = [read(file, 0, HEAD)?, read(file, HEAD as u64, 12).unwrap_or_default()].concat();
    let layout = match head.get(..6)? {
        b"\x7fELF\x02\x01" => &WIDE,
        b"\x7fELF\x01\x01" => &NARROW,
        _ => return None,
    };
    let headers_at = number(&head, layout.headers_at, layout.word)?;
    let size = number(&head, layout.header_size_at, 2)? as usize;
    let count = number(&head, layout.header_size_at + 2, 2)? as usize;
    if size != layout.header_size || count * size > HEADERS_MAX {
        return None;
    }
    let headers = read(file, headers_at, count * size)?;
    let is_loader = |header: &[u8]| number(header, 0, 4) == Some(u64::from(PT_INTERP));
    let index = headers.chunks_exact(size).position(is_loader)?;
    let header = &headers[index * size..][..size];
    let length = number(header, layout.size_at, layout.word)?;
    let length = usize::try_from(length).ok().filter(|length| (2..=PATH_MAX).contains(length))?;
    let mut path = read(file, number(header, layout.offset_at, layout.word)?, length)?;
    path.truncate(path.iter().position(|&byte| byte == 0)?);
    Some(Loader { path, layout, header: headers_at.checked_add((index * size) as u64)? })
}

impl Loader {
    /// Copies the program into an empty file, asking for the loader at `path` instead.
    ///
    /// The new path stands behind the end of the old file, and only the kernel looks there: in memory the program finds the
    /// name of its own loader, and everything else, where it was.
    pub(crate) fn copy_with(&self, program: &OwnedFd, into: OwnedFd, path: &[u8]) -> io::Result<()> {
        let size = fs::fstat(program)?.st_size as u64;
        let mut from = std::fs::File::open(format!("/proc/self/fd/{}", raw(program)))?;
        let mut into = std::fs::File::from(into);
        io::copy(&mut from, &mut into)?;
        into.write_all(path)?;
        into.write_all(&[0])?;
        let word = self.layout.word;
        for (at, value) in [(self.layout.offset_at, size), (self.layout.size_at, path.len() as u64 + 1)] {
            let bytes = value.to_le_bytes();
            rustix::io::pwrite(&into, &bytes[..word], self.header + at as u64)?;
        }
        Ok(())
    }
}

fn raw(fd: &OwnedFd) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_asks_for_another_loader_and_is_the_same_otherwise() {
        let own = std::fs::read("/bin/sh").unwrap();
        let program = OwnedFd::from(std::fs::File::open("/bin/sh").unwrap());
        let loader = loader_of(&program).unwrap();
        assert!(loader.path.starts_with(b"/lib"));
        let copy = tempfile::NamedTempFile::new().unwrap();
        loader.copy_with(&program, OwnedFd::from(copy.reopen().unwrap()), b"/another/loader").unwrap();
        assert_eq!(loader_of(copy.as_file()).unwrap().path, b"/another/loader");
        let told = std::fs::read(copy.path()).unwrap();
        let differing = own.iter().zip(&told).filter(|(a, b)| a != b).count();
        assert!(differing <= 2 * loader.layout.word, "{differing} bytes differ");
    }

    #[test]
    fn what_is_no_program_has_no_loader() {
        for text in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01", &[0xff; 4096]] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text).unwrap();
            assert!(loader_of(&file).is_none());
        }
        let mut hostile = b"\x7fELF\x02\x01".to_vec();
        hostile.resize(64, 0xff);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&hostile).unwrap();
        assert!(loader_of(&file).is_none());
    }
}
