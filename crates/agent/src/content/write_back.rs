//! Carrying home what programs wrote.

use super::blocks::{Block, BlockReader, Run, give_way};
use super::{Because, Content, Copy, Home, io_error};
use crate::lock;
use crate::object::{Object, Objects, Remote};
use crate::permission::without_set_id;
use bytes::Bytes;
use mynah_intercept::leases::has_writers;
use mynah_vfs::{Errno, Error, File, NewTime, OpenHow, Opened, SetAttrs, Stat, Time, VPath};
use rustix::fs::{self, OFlags};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Instant;

impl Object {
    /// The server's file was just cut to nothing through `file`: so is the placeholder. What an earlier writer left, and is
    /// still on its way, is for nobody any more.
    pub(crate) async fn emptied(
        &self,
        objects: &Objects,
        file: &Arc<dyn File>,
        stat: &Stat,
    ) -> Result<(), Error> {
        lock(&self.content).abandoned = true;
        let _moving = self.moving.lock().await;
        if self.was_writable() {
            // What was told before is for nobody any more, and what comes is to be told again.
            self.arm(objects)?;
        }
        objects.drain();
        // A write-back that was under way may have put some of the old content into the new file.
        let stat = if self.was_writable() { recut(file).await? } else { *stat };
        {
            let mut content = lock(&self.content);
            let fd = self.open_placeholder(OFlags::WRONLY)?;
            content.abandoned = false;
            // Our own cut will be told as a write: one more look at an unchanged file, where forgetting it could hide another's.
            content.written = false;
            content.have = Some(Vec::new());
            content.home = Home::Known(Copy { blocks: Vec::new(), size: 0 });
            fs::ftruncate(&fd, 0).map_err(io_error("size"))?;
            lock(&self.remote).stat = stat;
        }
        self.in_step(stat.mtime, Because::Content)
    }

    /// The file is open for writing from now on: changes are watched and go home through `file`. Returns the program's
    /// descriptor, with its flags.
    pub(crate) async fn open_for_writing(
        &self,
        objects: &Objects,
        file: &Arc<dyn File>,
        flags: OFlags,
        sheds_set_id: bool,
    ) -> Result<OwnedFd, Error> {
        let _moving = self.moving.lock().await;
        objects.note_writing();
        // Until the first writer has its descriptor nobody can change it.
        if matches!(lock(&self.content).home, Home::AsPlaced) {
            let copy = self.digest().await?;
            lock(&self.content).home = Home::Known(copy);
        }
        let changes = objects.store().changes();
        let watched = changes
            .watch_closing(&self.placeholder.path, self.id)
            .and_then(|()| changes.arm(&self.placeholder.path, self.id));
        watched.map_err(io_error("watch (is fs.inotify.max_user_watches reached?)"))?;
        {
            let mut content = lock(&self.content);
            content.sheds_set_id = sheds_set_id || (content.sheds_set_id && content.writer.is_some());
            content.writer.get_or_insert_with(|| Arc::clone(file));
            content.untold |= objects.has_untold_writers();
        }
        // Still under the lock: whoever looks whether writers are left finds this one.
        self.open_for_program(objects, flags)
    }

    /// A file that was nobody's but ours is at its server now, still empty there: all that is here has to be carried to it. Gives
    /// what it was.
    pub(crate) fn born(&self, path: VPath, at_home: &Opened) -> Unborn {
        let mut content = lock(&self.content);
        let mut remote = lock(&self.remote);
        let was = Unborn { remote: remote.clone(), writer: content.writer.take() };
        content.writer = Some(Arc::clone(&at_home.file));
        content.home = Home::Known(Copy { blocks: Vec::new(), size: 0 });
        content.written = true;
        (remote.path, remote.file_id, remote.linked) = (path, at_home.stat.id, true);
        was
    }

    /// It did not get its name after all.
    pub(crate) fn unborn(&self, was: Unborn) {
        let mut content = lock(&self.content);
        content.writer = was.writer;
        *lock(&self.remote) = was.remote;
    }

    /// Asks to be told of the next write.
    fn arm(&self, objects: &Objects) -> Result<(), Error> {
        let armed = objects.store().changes().arm(&self.placeholder.path, self.id);
        armed.map_err(io_error("watch"))
    }

    /// What the server holds, told from a placeholder that is in step.
    async fn digest(&self) -> Result<Copy, Error> {
        let fd = self.open_placeholder(OFlags::RDONLY)?;
        let mut reader = BlockReader::new(&fd)?;
        let mut home = Copy { blocks: Vec::new(), size: 0 };
        while let Some(block) = reader.next()? {
            home.blocks.push(block.digest);
            home.size += block.data.len() as u64;
            give_way(home.blocks.len()).await;
        }
        Ok(home)
    }

    /// Carries home what was changed. After a success the server holds what the placeholder held when this began, or newer.
    /// After a failure everything is still here, and is tried again the next time.
    pub(crate) async fn carry_home(&self, objects: &Objects) -> Result<(), Error> {
        let _moving = self.moving.lock().await;
        objects.drain();
        if !self.may_differ() || self.is_gone_at_home().await? {
            return Ok(());
        }
        // Not on the thread that answers everybody: files are read from here on.
        tokio::task::yield_now().await;
        let unfinished = Unfinished::begin(&self.content);
        match self.carry(objects).await? {
            Carried::Whole => unfinished.done(),
            // Whoever cuts the file waits for us, and settles what is left of it.
            Carried::Abandoned => drop(unfinished),
        }
        Ok(())
    }

    /// Whether the file has no name left at its server, so that nobody will ever miss what was written to it. Our own
    /// books are not trusted in this: names come and go at the same time in many programs.
    async fn is_gone_at_home(&self) -> Result<bool, Error> {
        if lock(&self.remote).linked {
            return Ok(false);
        }
        let writer = lock(&self.content).writer.clone();
        let Some(file) = writer else { return Ok(true) };
        let stat = file.stat().await?;
        let mut remote = lock(&self.remote);
        remote.stat.nlink = stat.nlink;
        remote.linked = stat.nlink > 0;
        Ok(stat.nlink == 0)
    }

    async fn carry(&self, objects: &Objects) -> Result<Carried, Error> {
        {
            let mut content = lock(&self.content);
            content.written = false;
            content.abandoned = false;
        }
        // Armed before anything is read: what is written from here on is told again.
        self.arm(objects)?;
        let file = self.writer().await?;
        let from = self.open_placeholder(OFlags::RDONLY)?;
        let before = fs::fstat(&from).map_err(io_error("look at"))?;
        let began = Instant::now();
        let Some(changed) = self.carry_blocks(&file, &from).await? else { return Ok(Carried::Abandoned) };
        let mtime = Time { sec: before.st_mtime, nsec: before.st_mtime_nsec as u32 };
        if !changed && lock(&self.content).placed_mtime == Some(mtime) {
            return Ok(Carried::Whole);
        }
        let mode = self.mode_to_shed().filter(|_| changed);
        let attrs = SetAttrs { mode, mtime: Some(NewTime::At(mtime)), ..SetAttrs::default() };
        let mtime = match file.set_attrs(attrs).await {
            Ok(()) => Some(mtime),
            // Who may write a file need not own it, and only its owner may date it (utimensat(2)); or its name is gone, and the
            // server knows no other way to date it: the server's time holds.
            Err(error) if matches!(error.errno(), Errno::EPERM | Errno::EACCES | Errno::ESTALE) => None,
            Err(error) => return Err(error),
        };
        let stat = file.stat().await?;
        self.stamped(&stat, began);
        let path = {
            let mut remote = lock(&self.remote);
            remote.stat = stat;
            remote.path.clone()
        };
        objects.dentries().forget(self.mount.driver_id, &path);
        match mtime {
            Some(mtime) => lock(&self.content).placed_mtime = Some(mtime),
            None => self.dated(objects, &stat)?,
        }
        Ok(Carried::Whole)
    }

    /// The mode that the file is to have after a write, where the server would leave it set-id bits.
    fn mode_to_shed(&self) -> Option<u32> {
        let mode = lock(&self.remote).stat.mode;
        let shed = without_set_id(mode);
        (shed != mode && lock(&self.content).sheds_set_id).then_some(shed)
    }

    /// The file at the server to write through; opened again by name if nobody was thought to write any more.
    async fn writer(&self) -> Result<Arc<dyn File>, Error> {
        if let Some(file) = &lock(&self.content).writer {
            return Ok(Arc::clone(file));
        }
        let path = self.driver_path();
        let how = OpenHow { write: true, ..OpenHow::default() };
        let opened = self.mount.driver.open(&path, how).await?;
        if opened.stat.id != self.file_id() {
            return Err(Error::new(
                Errno::ESTALE,
                format!("{path} is another file now: changes cannot go home"),
            ));
        }
        lock(&self.content).writer = Some(Arc::clone(&opened.file));
        Ok(opened.file)
    }

    /// Sends each block that the server does not have, and the size. Returns whether anything had to be sent; `None` if it
    /// was abandoned.
    async fn carry_blocks(&self, file: &Arc<dyn File>, from: &OwnedFd) -> Result<Option<bool>, Error> {
        let home = match std::mem::replace(&mut lock(&self.content).home, Home::Unknown) {
            Home::Known(home) => Some(home),
            // Every block is sent.
            Home::AsPlaced | Home::Unknown => None,
        };
        let home_size = match &home {
            Some(home) => home.size,
            // Not for the holes, of which there may be a tebibyte: a write-back that broke off is begun again here.
            None => file.stat().await?.size,
        };
        let mut server_size = home_size;
        let known = home.map_or_else(Vec::new, |home| home.blocks);
        let mut blocks = Vec::new();
        let mut size = 0u64;
        let mut run = Run::default();
        let mut changed = false;
        let mut reader = BlockReader::new(from)?;
        while let Some(Block { data: block, digest, blank }) = reader.next()? {
            if lock(&self.content).abandoned {
                return Ok(None);
            }
            // Beyond the server's end zeros come of themselves when the size is set.
            let there = known.get(blocks.len()) == Some(&digest) || (blank && size >= home_size);
            if !there {
                changed = true;
                let kept = appended_after(block, size, home_size, known.get(blocks.len()));
                if let Some(done) = run.add(size + kept as u64, &block[kept..]) {
                    send(file, done, &mut server_size).await?;
                }
            }
            blocks.push(digest);
            size += block.len() as u64;
            give_way(blocks.len()).await;
        }
        if let Some(done) = run.take() {
            send(file, done, &mut server_size).await?;
        }
        if server_size != size {
            changed = true;
            file.truncate(size).await?;
        }
        lock(&self.content).home = Home::Known(Copy { blocks, size });
        Ok(Some(changed))
    }

    /// The last writer has gone: what it left is carried home, and the server's file is let go.
    pub(crate) async fn left_by_writers(self: &Arc<Self>, objects: &Objects) {
        if let Err(error) = self.carry_home(objects).await {
            tracing::error!(path = %self.driver_path(), "what was written could not be carried home yet: {error}");
            return;
        }
        let _moving = self.moving.lock().await;
        // One of several was closed: the others, and mappings, go on.
        let last = self.open_placeholder(OFlags::RDONLY).is_ok_and(|fd| !has_writers(&fd));
        let linked = lock(&self.remote).linked;
        {
            let mut content = lock(&self.content);
            // What was written to a file that nobody can find any more is for nobody.
            if !last || (content.written && linked) {
                return;
            }
            content.untold = false;
            content.writer = None;
        }
        objects.store().changes().forget(self.id);
        if !linked {
            objects.retire(self);
        }
    }
}

/// What a nameless file was before it was given a name.
pub(crate) struct Unborn {
    remote: Remote,
    writer: Option<Arc<dyn File>>,
}

/// How a write-back ended that did not fail.
enum Carried {
    /// The server holds it all.
    Whole,
    /// The file was cut to nothing meanwhile.
    Abandoned,
}

/// A write-back under way. Should it be dropped half-way (its caller was killed) or fail, everything counts as written still.
struct Unfinished<'a> {
    content: &'a Mutex<Content>,
}

impl<'a> Unfinished<'a> {
    fn begin(content: &'a Mutex<Content>) -> Unfinished<'a> {
        lock(content).carrying = true;
        Unfinished { content }
    }

    fn done(self) {
        let mut content = lock(self.content);
        content.carrying = false;
        drop(content);
        std::mem::forget(self);
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let mut content = lock(self.content);
        content.carrying = false;
        content.written = true;
    }
}

/// How many bytes at the beginning of a block the server has: all that it had of it, where more was only appended. (What
/// another host did to those meanwhile stays, as with any append.)
fn appended_after(block: &[u8], offset: u64, server_size: u64, known: Option<&blake3::Hash>) -> usize {
    let had = server_size.saturating_sub(offset);
    match (usize::try_from(had), known) {
        (Ok(had), Some(known)) if had < block.len() && blake3::hash(&block[..had]) == *known => had,
        _ => 0,
    }
}

/// Cuts a file at its server to nothing once more.
async fn recut(file: &Arc<dyn File>) -> Result<Stat, Error> {
    let stat = file.stat().await?;
    if stat.size == 0 {
        return Ok(stat);
    }
    file.truncate(0).await?;
    file.stat().await
}

async fn send(
    file: &Arc<dyn File>,
    (offset, data): (u64, Bytes),
    server_size: &mut u64,
) -> Result<(), Error> {
    let end = offset + data.len() as u64;
    file.write_at(offset, data).await?;
    *server_size = end.max(*server_size);
    Ok(())
}
