//! Content in blocks: read from placeholders with their digests, and gathered into requests.

use super::{PIECE, io_error};
use bytes::{Bytes, BytesMut};
use mynah_vfs::Error;
use rustix::fs;
use std::os::fd::OwnedFd;

/// The unit in which changes are found and carried home, in bytes.
const BLOCK: usize = 64 << 10;

/// One block of a placeholder.
pub(super) struct Block<'a> {
    pub(super) data: &'a [u8],
    pub(super) digest: blake3::Hash,
    /// Nothing but zeros.
    pub(super) blank: bool,
}

/// Reads a placeholder block by block. Holes are not read, and cost next to nothing.
pub(super) struct BlockReader<'a> {
    from: &'a OwnedFd,
    at: u64,
    size: u64,
    /// Where the next data lies, as far as is known.
    data_at: u64,
    buffer: Vec<u8>,
    zeros: Vec<u8>,
    digest_of_zeros: blake3::Hash,
}

impl<'a> BlockReader<'a> {
    pub(super) fn new(from: &'a OwnedFd) -> Result<BlockReader<'a>, Error> {
        let size = fs::fstat(from).map_err(io_error("look at"))?.st_size as u64;
        let zeros = vec![0; BLOCK];
        let digest_of_zeros = blake3::hash(&zeros);
        Ok(BlockReader { from, at: 0, size, data_at: 0, buffer: vec![0; BLOCK], zeros, digest_of_zeros })
    }

    /// The next block; `None` at the end of the file as it was when the reading began, or is now.
    pub(super) fn next(&mut self) -> Result<Option<Block<'_>>, Error> {
        if self.at >= self.size {
            return Ok(None);
        }
        if self.data_at <= self.at {
            self.data_at = self.next_data();
        }
        if self.at + BLOCK as u64 <= self.data_at.min(self.size) {
            self.at += BLOCK as u64;
            return Ok(Some(Block { data: &self.zeros, digest: self.digest_of_zeros, blank: true }));
        }
        let filled = read_block(self.from, self.at, &mut self.buffer)?;
        self.at += filled as u64;
        let data = &self.buffer[..filled];
        let blank = data == &self.zeros[..filled];
        Ok((filled > 0).then(|| Block { data, digest: blake3::hash(data), blank }))
    }

    /// Where data lies from here on. A file system that cannot tell holes says that everything is data.
    fn next_data(&self) -> u64 {
        match fs::seek(self.from, fs::SeekFrom::Data(self.at)) {
            Ok(offset) => offset,
            Err(rustix::io::Errno::NXIO) => u64::MAX,
            Err(_) => self.at,
        }
    }
}

/// Lets others have the thread after each piece.
pub(super) async fn give_way(blocks: usize) {
    if blocks.is_multiple_of(PIECE as usize / BLOCK) {
        tokio::task::yield_now().await;
    }
}

/// Neighbouring blocks on their way home in one request.
#[derive(Default)]
pub(super) struct Run {
    offset: u64,
    data: BytesMut,
}

impl Run {
    /// Adds a block; gives back the run before it when the block does not continue it or makes it a piece.
    pub(super) fn add(&mut self, offset: u64, block: &[u8]) -> Option<(u64, Bytes)> {
        let follows = offset == self.offset + self.data.len() as u64;
        let full = self.data.len() + block.len() > PIECE as usize;
        let done = if !follows || full { self.take() } else { None };
        if self.data.is_empty() {
            self.offset = offset;
        }
        self.data.extend_from_slice(block);
        done
    }

    pub(super) fn take(&mut self) -> Option<(u64, Bytes)> {
        if self.data.is_empty() {
            return None;
        }
        Some((self.offset, self.data.split().freeze()))
    }
}

/// Fills the buffer from `offset`, less only at the end of the file.
fn read_block(from: &OwnedFd, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::pread(from, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(io_error("read")(errno)),
        }
    }
    Ok(filled)
}
