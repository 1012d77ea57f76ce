//! An open regular file of this machine.

use super::attrs::{apply_open, stat_at};
use super::{blocking, failure};
use bytes::Bytes;
use mynah_vfs::{Error, File, Op, SetAttrs, Stat, VPath};
use rustix::buffer::spare_capacity;
use rustix::fs::{self, AtFlags};
use rustix::io::{self, Errno as Code, ReadWriteFlags, retry_on_intr};
use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Reads up to this many bytes are first asked of the page cache in place: copying them takes less than handing the work
/// to another thread.
const IN_PLACE_MAX: usize = 128 << 10;
/// How much a read of unknown length asks for at a time.
const PIECE: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct LocalFile {
    fd: Arc<OwnedFd>,
    /// The name it was opened by, for messages only.
    path: VPath,
    root_dev: u64,
}

impl LocalFile {
    pub(super) fn new(fd: OwnedFd, path: VPath, root_dev: u64) -> LocalFile {
        LocalFile { fd: Arc::new(fd), path, root_dev }
    }

    pub(super) fn stat_now(&self) -> io::Result<Stat> {
        stat_at(&*self.fd, c"", AtFlags::empty(), self.root_dev)
    }

    fn failure(&self, what: &str, code: Code) -> Error {
        failure(code, format!("{what} of {}", self.path))
    }

    /// What the page cache holds of a range; `None` unless it is all there.
    fn read_cached(&self, offset: u64, len: usize) -> Option<Bytes> {
        let mut data = vec![0; len];
        let mut pieces = [IoSliceMut::new(&mut data)];
        match io::preadv2(&*self.fd, &mut pieces, offset, ReadWriteFlags::NOWAIT) {
            Ok(count) if count == len => Some(Bytes::from(data)),
            _ => None,
        }
    }

    async fn read(&self, offset: u64, len: usize) -> mynah_vfs::Result<Bytes> {
        if i64::try_from(offset).is_err() {
            return Err(self.failure("read", Code::INVAL));
        }
        let size = fs::fstat(&*self.fd).map_err(|code| self.failure("read", code))?.st_size;
        let left = u64::try_from(size).unwrap_or(0).saturating_sub(offset);
        let there = usize::try_from(left).unwrap_or(usize::MAX).min(len);
        // Files of /proc and its like say 0 and have content: only reading tells.
        let in_place = size > 0 && there <= IN_PLACE_MAX;
        if let Some(data) = in_place.then(|| self.read_cached(offset, there)).flatten() {
            return Ok(data);
        }
        let fd = Arc::clone(&self.fd);
        blocking(move || read_all(&fd, offset, len, there), || format!("read of {}", self.path)).await
    }
}

/// Reads until `len` bytes or the end of the file; `there` is how many to expect.
fn read_all(fd: &OwnedFd, mut offset: u64, len: usize, there: usize) -> io::Result<Bytes> {
    if len == 0 {
        // The kernel is asked even for nothing: the file may not be open for reading.
        io::pread(fd, &mut [0_u8; 0], offset)?;
    }
    let mut data: Vec<u8> = Vec::new();
    data.try_reserve_exact(there).map_err(|_| Code::NOMEM)?;
    while data.len() < len {
        if data.spare_capacity_mut().is_empty() {
            data.try_reserve((len - data.len()).min(PIECE)).map_err(|_| Code::NOMEM)?;
        }
        let count = retry_on_intr(|| io::pread(fd, spare_capacity(&mut data), offset))?;
        if count == 0 {
            break;
        }
        offset += count as u64;
    }
    data.truncate(len);
    Ok(Bytes::from(data))
}

/// Writes all; as for [`read_all`], the kernel is asked even for nothing.
fn write_all(fd: &OwnedFd, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
    loop {
        let count = retry_on_intr(|| io::pwrite(fd, data, offset))?;
        data = &data[count..];
        if data.is_empty() {
            return Ok(());
        }
        if count == 0 {
            return Err(Code::IO);
        }
        offset += count as u64;
    }
}

impl File for LocalFile {
    fn stat(&self) -> Op<'_, Stat> {
        Box::pin(async move { self.stat_now().map_err(|code| self.failure("fstat", code)) })
    }

    fn read_at(&self, offset: u64, len: usize) -> Op<'_, Bytes> {
        Box::pin(self.read(offset, len))
    }

    fn write_at(&self, offset: u64, data: Bytes) -> Op<'_, ()> {
        Box::pin(async move {
            let fd = Arc::clone(&self.fd);
            blocking(move || write_all(&fd, offset, &data), || format!("write to {}", self.path)).await
        })
    }

    fn truncate(&self, size: u64) -> Op<'_, ()> {
        Box::pin(
            async move { fs::ftruncate(&*self.fd, size).map_err(|code| self.failure("truncation", code)) },
        )
    }

    fn sync(&self) -> Op<'_, ()> {
        Box::pin(async move {
            let fd = Arc::clone(&self.fd);
            blocking(move || retry_on_intr(|| fs::fsync(&*fd)), || format!("fsync of {}", self.path)).await
        })
    }

    fn set_attrs(&self, attrs: SetAttrs) -> Op<'_, ()> {
        Box::pin(async move {
            apply_open(&*self.fd, &attrs).map_err(|code| self.failure("change of attributes", code))
        })
    }
}
