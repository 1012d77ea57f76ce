//! The bytes of one file, with holes that take no memory.

use crate::Errno;
use std::collections::BTreeMap;

/// Bytes of one page, and the preferred size of a transfer.
pub(super) const PAGE: usize = 4096;
/// The largest size, as on Linux: what a signed offset can say.
const SIZE_MAX: u64 = i64::MAX as u64;

/// A sparse run of bytes. Absent pages, and all bytes beyond `size` on the last page, are zero.
#[derive(Default)]
pub(super) struct Content {
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
    size: u64,
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn page_count(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Up to `len` bytes, fewer at the end.
    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
        if offset > SIZE_MAX {
            return Err(Errno::EINVAL);
        }
        let left = self.size.saturating_sub(offset);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(len);
        let mut data = Vec::new();
        data.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
        data.resize(len, 0);
        for piece in pieces(offset, len) {
            if let Some(page) = self.pages.get(&piece.page) {
                data[piece.start..piece.start + piece.len]
                    .copy_from_slice(&page[piece.at..piece.at + piece.len]);
            }
        }
        Ok(data)
    }

    /// Writes all of `data`, with a hole before it if it begins beyond the end.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let end =
            offset.checked_add(data.len() as u64).filter(|&end| end <= SIZE_MAX).ok_or(Errno::EINVAL)?;
        for piece in pieces(offset, data.len()) {
            let page = self.pages.entry(piece.page).or_insert_with(|| Box::new([0; PAGE]));
            page[piece.at..piece.at + piece.len].copy_from_slice(&data[piece.start..piece.start + piece.len]);
        }
        if !data.is_empty() {
            self.size = self.size.max(end);
        }
        Ok(())
    }

    pub(super) fn truncate(&mut self, size: u64) -> Result<(), Errno> {
        if size > SIZE_MAX {
            return Err(Errno::EINVAL);
        }
        let (last, at) = split(size);
        self.pages.split_off(&if at == 0 { last } else { last + 1 });
        if let Some(page) = self.pages.get_mut(&last) {
            page[at..].fill(0);
        }
        self.size = size;
        Ok(())
    }
}

/// What lies on one page of a range: `len` bytes, from `at` on the page and from `start` in the range.
struct Piece {
    page: u64,
    at: usize,
    start: usize,
    len: usize,
}

fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let (page, at) = split(offset.checked_add(start as u64)?);
        let piece = Piece { page, at, start, len: (PAGE - at).min(len - start) };
        start += piece.len;
        (piece.len > 0).then_some(piece)
    })
}

/// Page number and place on the page.
fn split(offset: u64) -> (u64, usize) {
    (offset / PAGE as u64, (offset % PAGE as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_comes_back_as_zeros() {
        let mut content = Content::default();
        content.write(0, &[7; 10_000]).unwrap();
        content.truncate(5000).unwrap();
        content.truncate(9000).unwrap();
        let data = content.read(0, 20_000).unwrap();
        assert_eq!(data.len(), 9000);
        assert!(data[..5000].iter().all(|&byte| byte == 7) && data[5000..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn holes_take_no_memory_and_offsets_end_where_linux_ends_them() {
        let mut content = Content::default();
        content.write(SIZE_MAX - 3, b"end").unwrap();
        assert_eq!((content.size(), content.page_count()), (SIZE_MAX, 1));
        assert_eq!(content.read(SIZE_MAX - 5, 100).unwrap(), b"\0\0end");
        assert_eq!(content.write(SIZE_MAX - 2, b"end"), Err(Errno::EINVAL));
        assert_eq!(content.truncate(SIZE_MAX + 1), Err(Errno::EINVAL));
        assert_eq!(content.read(SIZE_MAX, 1).unwrap(), b"");
        content.truncate(0).unwrap();
        content.write(100, b"").unwrap();
        assert_eq!((content.size(), content.page_count()), (0, 0));
    }
}
