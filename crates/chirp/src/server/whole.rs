//! Replies and requests that are longer than one line and one piece of data: listings and whole files.

use super::connection::{Acted, Answer, Connection, DONE};
use super::names;
use super::resolve::{Last, is_reserved};
use crate::proto::argument::Text;
use crate::proto::{Dialect, Path, XATTR_MAX, reply, stat};
use mynah_vfs::{Entry, Errno, FileKind, OpenHow, Result, Stat, VPath};
use std::io;

/// How much of a whole file is in memory at one time.
const PIECE: usize = 256 << 10;

/// The standard's line for attributes that could not be read.
const STANDARD_NO_STAT: &[u8] = b"0 0 0 0 0 0 0 0 0 0 0 0 0";

impl Connection {
    pub(super) async fn getdir(&mut self, path: &Path) -> Acted {
        let place = self.place(path, Last::Follow).await?;
        let entries = self.shared.driver.list(&place).await?;
        reply::value(0, &mut self.wire.out);
        if self.dialect == Dialect::Standard {
            self.wire.out.extend_from_slice(b".\n..\n");
        }
        for entry in entries.iter().filter(|entry| !is_reserved(&entry.name)) {
            if !reply::entry_name(&entry.name, self.dialect, &mut self.wire.out) {
                log_left_out(&place, entry);
            }
            self.wire.flush_if_full().await?;
        }
        self.wire.out.push(b'\n');
        Ok(Answer::Sent)
    }

    pub(super) async fn getlongdir(&mut self, path: &Path) -> Acted {
        let place = self.place(path, Last::Follow).await?;
        let entries = self.shared.driver.list(&place).await?;
        reply::value(0, &mut self.wire.out);
        if self.dialect == Dialect::Standard {
            let parent = place.parent().unwrap_or_else(VPath::root);
            for (name, place) in [(b".".as_slice(), &place), (b"..", &parent)] {
                let found = self.shared.driver.lstat(place).await.ok();
                self.put_entry(name, found);
            }
        }
        for entry in entries.iter().filter(|entry| !is_reserved(&entry.name)) {
            match self.entry_stat(&place, entry).await {
                Err(error) if error.errno() == Errno::ENOENT => {}
                found => {
                    if !self.put_entry(&entry.name, found.ok()) {
                        log_left_out(&place, entry);
                    }
                }
            }
            self.wire.flush_if_full().await?;
        }
        self.wire.out.push(b'\n');
        Ok(Answer::Sent)
    }

    async fn entry_stat(&self, dir: &VPath, entry: &Entry) -> Result<Stat> {
        match entry.stat {
            Some(found) => Ok(found),
            None => self.shared.driver.lstat(&dir.child(&entry.name)).await,
        }
    }

    fn put_entry(&mut self, name: &[u8], found: Option<Stat>) -> bool {
        let out = &mut self.wire.out;
        let named = reply::entry_name(name, self.dialect, out);
        match found {
            _ if !named => {}
            Some(found) => stat::encode(&found, self.dialect, out),
            None => {
                out.extend_from_slice(match self.dialect {
                    Dialect::Standard => STANDARD_NO_STAT,
                    Dialect::Extended => reply::NO_STAT,
                });
                out.push(b'\n');
            }
        }
        named
    }

    /// Sends as many bytes as the file had when it was opened. If it shrinks meanwhile the number cannot be kept, and the
    /// connection ends, which is how the client learns of it.
    pub(super) async fn getfile(&mut self, path: &Path) -> Acted {
        let place = self.place(path, Last::Follow).await?;
        let how = OpenHow { read: true, ..OpenHow::default() };
        let opened = self.shared.driver.open(&place, how).await?;
        let size = opened.stat.size;
        reply::value(i64::try_from(size).map_err(|_| Errno::EFBIG)?, &mut self.wire.out);
        let mut offset = 0;
        while offset < size {
            let want = usize::try_from(size - offset).unwrap_or(PIECE).min(PIECE);
            let piece = match opened.file.read_at(offset, want).await {
                Ok(piece) if !piece.is_empty() => piece,
                Ok(_) => return Err(io::Error::other("a file shrank while it was sent").into()),
                Err(error) => return Err(io::Error::other(error).into()),
            };
            offset += piece.len() as u64;
            self.wire.send(piece).await?;
        }
        Ok(Answer::Sent)
    }

    /// Replaces a file. What is left of it after a failure, or when the client goes away in the middle, is removed.
    pub(super) async fn putfile(&mut self, path: &Path, mode: i64, length: i64) -> Acted {
        let announced = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
        let place = self.place(path, Last::Follow).await?;
        let mode = names::permissions(mode, self.dialect, FileKind::Regular);
        let how = OpenHow { write: true, create: true, truncate: true, mode, ..OpenHow::default() };
        let opened = self.shared.driver.open(&place, how).await?;
        reply::value(0, &mut self.wire.out);
        self.wire.flush().await?;
        self.wire.announce(announced);
        let mut offset = 0;
        while self.wire.announced() > 0 {
            let written = match self.wire.data(PIECE).await {
                Ok(piece) => {
                    let len = piece.len() as u64;
                    opened.file.write_at(offset, piece).await.map(|()| offset += len).map_err(Into::into)
                }
                Err(error) => Err(error.into()),
            };
            if let Err(fault) = written {
                let _ = self.shared.driver.unlink(&place).await;
                return Err(fault);
            }
        }
        Ok(Answer::Value(length))
    }

    pub(super) async fn setxattr(
        &mut self,
        path: &Path,
        name: &Text,
        size: i64,
        flags: i64,
        last: Last,
    ) -> Acted {
        let how = names::xattr_how(flags)?;
        let place = self.place(path, last).await?;
        if usize::try_from(size).map_or(true, |size| size > XATTR_MAX) {
            return Err(Errno::E2BIG.into());
        }
        let value = self.wire.data(XATTR_MAX).await?;
        self.shared.driver.setxattr(&place, &name.0, &value, how).await?;
        Ok(DONE)
    }
}

/// A name that the standard's listing cannot express.
fn log_left_out(dir: &VPath, entry: &Entry) {
    tracing::warn!(%dir, name = %entry.name.escape_ascii(), "a name with a newline is left out of a listing");
}
