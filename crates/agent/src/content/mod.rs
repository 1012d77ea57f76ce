//! The content of remote files: fetched whole when a file is opened for it, carried home when it is closed, synced, or its
//! process ends.
//!
//! Here is how far a placeholder and its server are in step; [`fetch`] brings content, [`confirm`] tells whether it is still what
//! the server has, [`write_back`] carries it home, [`blocks`] is the unit in which it does so. Whoever moves content holds the
//! object's `moving`.

mod blocks;
mod confirm;
mod fetch;
mod write_back;

use crate::lock;
use crate::object::{Object, Objects};
use crate::permission::without_set_id;
use mynah_vfs::{Errno, Error, File, FileKind, Stat, Time};
use rustix::fs::{self, AtFlags, Mode, OFlags, Timestamps};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What is asked of a server at once, in bytes.
const PIECE: u64 = 1 << 20;
/// How far a placeholder's content is in step with the server's.
#[derive(Default)]
pub(crate) struct Content {
    /// Bytes that were made room for.
    room: u64,
    /// Which pieces are here; complete when all are. `None` before anything was fetched.
    have: Option<Vec<bool>>,
    /// Written since it was last carried home, as far as the kernel has told.
    pub(crate) written: bool,
    /// What its writers do is told by nobody, so the content is compared: a shared mapping that can write exists or existed, or
    /// they use asynchronous I/O (io_submit(2)), of which the kernel gives no notice.
    pub(crate) untold: bool,
    /// On its way home at this moment: the server's answers may tell of either state.
    carrying: bool,
    /// The file at the server through which changes go home, whatever becomes of its name and mode.
    pub(crate) writer: Option<Arc<dyn File>>,
    /// What the server holds.
    home: Home,
    /// The placeholder's modification time when both were last in step.
    placed_mtime: Option<Time>,
    /// Whether the server's attributes can stand for no other content than this.
    stamp: Option<confirm::Stamp>,
    /// The file was cut to nothing at its server: a write-back under way is to stop.
    abandoned: bool,
    /// Somebody writes it who takes set-id bits away by that, and the server will not know it.
    sheds_set_id: bool,
}

/// What is known of the server's copy of a file that is written here.
#[derive(Default)]
enum Home {
    /// It is what the placeholder is: nobody has opened it for writing yet.
    #[default]
    AsPlaced,
    /// Digests of its blocks.
    Known(Copy),
    /// A write-back is under way or broke off, or the size was changed by name: whatever the placeholder holds has to be sent.
    Unknown,
}

/// A file's content, told by digests of its blocks, and its size.
struct Copy {
    blocks: Vec<blake3::Hash>,
    size: u64,
}

impl Content {
    fn is_whole(&self) -> bool {
        self.have.as_ref().is_some_and(|pieces| pieces.iter().all(|&here| here))
    }

    fn may_differ(&self) -> bool {
        self.written || self.untold || self.carrying
    }
}

fn io_error(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> Error {
    move |errno| match errno {
        // Retired by somebody meanwhile: not the program's business, whose open begins anew.
        rustix::io::Errno::NOENT => Error::transient(Errno::ESTALE, RETIRED),
        errno => Error::io(format!("the cache: cannot {what} a placeholder"), errno.into()),
    }
}

/// What those who watch a file are to take the setting of its time for: the kernel tells a change of this time alone as a change of
/// the content.
#[derive(Clone, Copy)]
enum Because {
    Content,
    Times,
}

/// Why an open has to be begun anew.
const RETIRED: &str = "the file was replaced while it was opened";

fn pieces_of(size: u64) -> usize {
    size.div_ceil(PIECE) as usize
}

/// Whether the server's file is another than the one that was last seen.
fn changed(old: &Stat, new: &Stat) -> bool {
    (old.size, old.mtime) != (new.size, new.mtime)
}

impl Object {
    fn open_placeholder(&self, flags: OFlags) -> Result<OwnedFd, Error> {
        fs::open(&self.placeholder.path, flags | OFlags::CLOEXEC, Mode::empty()).map_err(io_error("open"))
    }

    /// A fresh description of the placeholder with the program's own flags.
    ///
    /// # Errors
    /// The kernel's; ESTALE if the object was retired meanwhile, so that the open has to be begun anew.
    pub(crate) fn open_for_program(&self, objects: &Objects, flags: OFlags) -> Result<OwnedFd, Error> {
        let open =
            |flags| fs::open(objects.watches().opened_by(self), flags | OFlags::CLOEXEC, Mode::empty());
        let opened = open(flags).or_else(|errno| match errno {
            // The cache's file system has no O_DIRECT; the server's may.
            rustix::io::Errno::INVAL if self.kind == FileKind::Regular && flags.contains(OFlags::DIRECT) => {
                open(flags.difference(OFlags::DIRECT))
            }
            errno => Err(errno),
        });
        opened.map_err(|errno| match errno {
            rustix::io::Errno::NOENT => Error::transient(Errno::ESTALE, RETIRED),
            errno => Error::from(Errno::new(errno.raw_os_error()).unwrap_or(Errno::EIO)),
        })
    }

    /// Puts what was changed here, and is not yet at the server, over the server's attributes.
    pub(crate) fn overlay(&self, stat: &mut Stat) {
        self.overlay_with(stat, fs::stat(&self.placeholder.path).ok());
    }

    /// [`Object::overlay`] with the placeholder's attributes given.
    pub(crate) fn overlay_with(&self, stat: &mut Stat, here: Option<fs::Stat>) {
        let content = lock(&self.content);
        let (Some(placed), Some(here)) = (content.placed_mtime, here) else { return };
        let mtime = Time { sec: here.st_mtime, nsec: here.st_mtime_nsec as u32 };
        // In the middle of a write-back the server's own time is that of the last block.
        if !content.carrying && mtime == placed && here.st_size as u64 == stat.size {
            return;
        }
        if content.may_differ() || mtime != placed {
            stat.size = here.st_size as u64;
            stat.mtime = mtime;
            stat.ctime = stat.ctime.max(mtime);
            stat.blocks = here.st_blocks as u64;
            let sheds = content.sheds_set_id || !rustix::process::geteuid().is_root();
            if content.may_differ() && sheds {
                stat.mode = without_set_id(stat.mode);
            }
        }
    }

    /// The placeholder is what the server's file is: shows that file's time.
    fn in_step(&self, mtime: Time, because: Because) -> Result<(), Error> {
        let atime = match because {
            Because::Content => fs::UTIME_OMIT,
            Because::Times => fs::UTIME_NOW,
        };
        let times = Timestamps {
            last_access: fs::Timespec { tv_sec: 0, tv_nsec: atime },
            last_modification: fs::Timespec { tv_sec: mtime.sec, tv_nsec: i64::from(mtime.nsec) },
        };
        fs::utimensat(fs::CWD, &self.placeholder.path, &times, AtFlags::empty()).map_err(io_error("date"))?;
        lock(&self.content).placed_mtime = Some(mtime);
        Ok(())
    }

    /// Whether all of its content is here.
    pub(crate) fn is_whole(&self) -> bool {
        lock(&self.content).is_whole()
    }

    /// Bytes that its content takes.
    pub(crate) fn room(&self) -> u64 {
        lock(&self.content).room
    }

    /// Whether nothing of it is under way, and nobody can have changed it.
    pub(crate) fn is_idle(&self) -> bool {
        let content = lock(&self.content);
        content.is_whole() && !content.may_differ() && content.writer.is_none()
    }

    /// Whether no writer is left, nor anything that was written and is not at home.
    pub(crate) fn is_left(&self) -> bool {
        let content = lock(&self.content);
        !content.may_differ() && content.writer.is_none()
    }

    /// Whether it was ever open for writing, so that an answer of the server may be older than a write-back.
    pub(crate) fn was_writable(&self) -> bool {
        !matches!(lock(&self.content).home, Home::AsPlaced)
    }

    /// Whether somebody would miss what is here and not yet at the server.
    pub(crate) fn is_missed(&self) -> bool {
        self.may_differ() && lock(&self.remote).linked
    }

    /// Whether something may have to be carried home.
    pub(crate) fn may_differ(&self) -> bool {
        lock(&self.content).may_differ()
    }

    /// Sets the placeholder's times as the server's were just set, so that what is shown agrees. What was written meanwhile
    /// keeps its own time. The caller holds `moving`.
    pub(crate) fn dated(&self, objects: &Objects, stat: &Stat) -> Result<(), Error> {
        lock(&self.remote).stat = *stat;
        objects.drain();
        // What is for nobody at home has no time to go there with.
        let on_its_way = lock(&self.content).written && lock(&self.remote).linked;
        if on_its_way { Ok(()) } else { self.in_step(stat.mtime, Because::Times) }
    }

    /// Cuts or extends the placeholder of a file whose size was just changed at the server by name. The caller holds
    /// `moving`.
    pub(crate) fn resized(&self, objects: &Objects, stat: &Stat) -> Result<(), Error> {
        objects.drain();
        let unwritten = {
            let mut content = lock(&self.content);
            lock(&self.remote).stat = *stat;
            if !content.is_whole() {
                content.have = None;
                return Ok(());
            }
            let fd = self.open_placeholder(OFlags::WRONLY)?;
            fs::ftruncate(&fd, stat.size).map_err(io_error("size"))?;
            content.have = Some(vec![true; pieces_of(stat.size)]);
            // What is written meanwhile must not be taken for what the server has.
            if !matches!(content.home, Home::AsPlaced) {
                content.home = Home::Unknown;
            }
            !content.written
        };
        if unwritten { self.in_step(stat.mtime, Because::Content) } else { Ok(()) }
    }
}
