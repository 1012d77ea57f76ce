//! Bringing a file's content into its placeholder.

use super::{Because, Home, PIECE, changed, io_error, pieces_of};
use crate::lock;
use crate::object::{Object, Objects, store_error};
use crate::trace;
use mynah_vfs::{Errno, Error, File, FileKind, Stat};
use rustix::fs::{self, OFlags};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

/// Pieces under way at once for one file: enough to fill a long fat pipe with 8 MiB.
const PIECES_IN_FLIGHT: usize = 8;
/// How programs and shared libraries begin (elf(5)).
const ELF_MAGIC: [u8; 4] = *b"\x7fELF";

impl Object {
    /// Makes the placeholder hold what `file` holds, whose attributes are `stat`. What was written here and is not yet
    /// home is kept. Once for all who ask; what was fetched before a failure is not fetched again.
    pub(crate) async fn fetch(
        &self,
        objects: &Objects,
        file: &Arc<dyn File>,
        stat: &Stat,
    ) -> Result<(), Error> {
        let _moving = self.moving.lock().await;
        objects.drain();
        // What the open brought may be older than a write-back that ended meanwhile; under the lock nothing moves.
        let stat = &if self.differs_from(stat) { file.stat().await? } else { *stat };
        if self.accept(objects, stat)? {
            return Ok(());
        }
        tracing::info!(path = %self.driver_path(), bytes = stat.size, "fetching");
        let began = Instant::now();
        self.fetch_pieces(file, stat.size).await?;
        self.stamped(stat, began);
        self.in_step(stat.mtime, Because::Times)
    }

    /// Whether the placeholder is complete and as new as `stat`, so that nothing need be fetched.
    pub(crate) fn is_current(&self, objects: &Objects, stat: &Stat) -> bool {
        objects.drain();
        let content = lock(&self.content);
        content.is_whole() && !content.written && !changed(&lock(&self.remote).stat, stat)
    }

    /// Whether it is something that the kernel would map for execution: an ELF file. Scripts are only read. Nothing is asked
    /// where every placeholder will do for that.
    pub(crate) async fn is_program(&self, objects: &Objects, file: &Arc<dyn File>) -> bool {
        if !objects.store().sets_programs_apart() || self.kind != FileKind::Regular {
            return false;
        }
        if lock(&self.content).is_whole() {
            let mut head = [0; ELF_MAGIC.len()];
            let read = self.open_placeholder(OFlags::RDONLY).map(|fd| rustix::io::pread(&fd, &mut head, 0));
            return matches!(read, Ok(Ok(_))) && head == ELF_MAGIC;
        }
        // Who opened it for writing only will not run it.
        file.read_at(0, ELF_MAGIC.len()).await.is_ok_and(|head| head[..] == ELF_MAGIC)
    }

    fn differs_from(&self, stat: &Stat) -> bool {
        lock(&self.content).have.is_some() && changed(&lock(&self.remote).stat, stat)
    }

    /// Takes note of what the server says now. True if the placeholder needs nothing.
    fn accept(&self, objects: &Objects, stat: &Stat) -> Result<bool, Error> {
        let mut content = lock(&self.content);
        if content.written && content.have.is_some() {
            return Ok(true);
        }
        let mut remote = lock(&self.remote);
        let same = content.have.is_some() && !changed(&remote.stat, stat);
        if same && content.is_whole() {
            remote.stat = *stat;
            return Ok(true);
        }
        if !same {
            objects.store().admit(stat.size, &self.placeholder).map_err(store_error)?;
            content.room = stat.size;
            let fd = self.open_placeholder(OFlags::WRONLY)?;
            fs::ftruncate(&fd, stat.size).map_err(io_error("size"))?;
            content.have = Some(vec![false; pieces_of(stat.size)]);
            content.home = Home::AsPlaced;
        }
        remote.stat = *stat;
        Ok(false)
    }

    async fn fetch_pieces(&self, file: &Arc<dyn File>, size: u64) -> Result<(), Error> {
        let into = Arc::new(self.open_placeholder(OFlags::WRONLY)?);
        let missing: Vec<usize> = match &lock(&self.content).have {
            Some(pieces) => pieces.iter().enumerate().filter(|(_, here)| !**here).map(|(at, _)| at).collect(),
            None => Vec::new(),
        };
        if let [only] = missing[..] {
            fetch_piece(Arc::clone(file), into, only, size).await?;
            self.piece_is_here(only);
            return Ok(());
        }
        let mut under_way = JoinSet::new();
        for piece in missing {
            if under_way.len() >= PIECES_IN_FLIGHT {
                self.one_more(&mut under_way).await?;
            }
            under_way.spawn(trace::inherit(fetch_piece(Arc::clone(file), Arc::clone(&into), piece, size)));
        }
        while !under_way.is_empty() {
            self.one_more(&mut under_way).await?;
        }
        Ok(())
    }

    async fn one_more(&self, under_way: &mut JoinSet<Result<usize, Error>>) -> Result<(), Error> {
        match under_way.join_next().await {
            Some(Ok(piece)) => {
                self.piece_is_here(piece?);
                Ok(())
            }
            Some(Err(panic)) => Err(Error::new(Errno::EIO, "a transfer broke off").caused_by(panic)),
            None => Ok(()),
        }
    }

    fn piece_is_here(&self, piece: usize) {
        if let Some(here) = lock(&self.content).have.as_mut().and_then(|pieces| pieces.get_mut(piece)) {
            *here = true;
        }
    }

    /// Whether the server's file is another than the one that programs may have open here.
    pub(crate) async fn is_outdated(
        &self,
        objects: &Objects,
        file: &Arc<dyn File>,
        stat: &Stat,
    ) -> Result<bool, Error> {
        if !self.differs_from(stat) && !self.is_doubtful(stat) {
            return Ok(false);
        }
        let _moving = self.moving.lock().await;
        objects.drain();
        if self.may_differ() {
            return Ok(false);
        }
        // What the open brought may be older than a write-back that ended meanwhile; under the lock nothing moves.
        let stat = if self.differs_from(stat) { file.stat().await? } else { *stat };
        if self.differs_from(&stat) {
            return Ok(true);
        }
        if !self.is_doubtful(&stat) || self.confirm(file, &stat).await? {
            return Ok(false);
        }
        // Unless it was written here while it was compared.
        objects.drain();
        Ok(!self.may_differ())
    }
}

async fn fetch_piece(
    file: Arc<dyn File>,
    into: Arc<OwnedFd>,
    piece: usize,
    size: u64,
) -> Result<usize, Error> {
    let mut at = piece as u64 * PIECE;
    let end = (at + PIECE).min(size);
    while at < end {
        let data = file.read_at(at, (end - at) as usize).await?;
        if data.is_empty() {
            // It shrank meanwhile: what is gone reads as zeros, as after a truncation that is still under way.
            break;
        }
        write_all(&into, at, &data)?;
        at += data.len() as u64;
    }
    Ok(piece)
}

fn write_all(into: &OwnedFd, mut offset: u64, mut data: &[u8]) -> Result<(), Error> {
    while !data.is_empty() {
        let written = rustix::io::pwrite(into, data, offset).map_err(io_error("fill"))?;
        offset += written as u64;
        data = &data[written..];
    }
    Ok(())
}
