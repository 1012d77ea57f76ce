//! A mount whose names the user's own program knows: it is asked for each once, and its answer shows as a symbolic link.
//!
//! The program runs as the user's own, on this machine and outside the namespace: a namespace whose names it gives cannot be what
//! it needs to run. It is a child of the agent, which reaps whatever ends below it and tells of ours here ([`Children`]).

use mynah_intercept::Tid;
use mynah_intercept::pidfd::PidFd;
use mynah_intercept::subreaper::Exit;
use mynah_vfs::mounts::{self, MountOptions, Target};
use mynah_vfs::{
    Capabilities, Driver, Entry, Errno, Error, FileId, FileKind, FsStat, Op, OpenHow, Opened, PATH_MAX,
    Result, Stat, Time, VPath,
};
use rustix::process::Signal;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{oneshot, watch};

/// Names that are kept, known and unknown ones. A program that makes names up must not fill our memory.
const NAMES_MAX: usize = 4096;
/// The longest answer, as written.
const ANSWER_MAX: u64 = PATH_MAX as u64;
/// What is logged of a program's error output.
const WORDS_MAX: u64 = 4096;
/// The magic number of autofs, whose directories have names in them that come into being when they are named.
const AUTOFS_MAGIC: u64 = 0x0187;

/// Children of the agent that are not the program's.
#[derive(Default)]
pub(crate) struct Children {
    waited_for: Mutex<HashMap<i32, oneshot::Sender<Exit>>>,
}

impl Children {
    /// Starts one. Held against [`Children::ended`], so that none ends unnoticed.
    fn start(&self, command: &mut Command) -> io::Result<(std::process::Child, oneshot::Receiver<Exit>)> {
        let mut waited_for = lock(&self.waited_for);
        let child = command.spawn()?;
        let (ended, end) = oneshot::channel();
        waited_for.insert(child.id() as i32, ended);
        Ok((child, end))
    }

    /// A child was reaped.
    pub(crate) fn ended(&self, child: Tid, exit: Exit) {
        if let Some(ended) = lock(&self.waited_for).remove(&child.0) {
            // Who waited may have had enough.
            let _ = ended.send(exit);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a name stands for, or why for nothing.
type Answer = std::result::Result<Vec<u8>, (Errno, String)>;

/// All names that were asked for; `None` for one whose program still runs.
type Names = HashMap<Vec<u8>, watch::Receiver<Option<Answer>>>;

/// The driver of one such mount: a directory of links.
pub(crate) struct ResolverDriver {
    program: Arc<Resolver>,
    names: Arc<Mutex<Names>>,
}

/// How to ask.
pub(crate) struct Resolver {
    /// The mount's own prefix: an answer below it would lead to itself.
    pub(crate) prefix: VPath,
    /// The program.
    pub(crate) program: PathBuf,
    /// By when it has to have ended.
    pub(crate) timeout: Duration,
    /// The user's own mask; the agent's is empty.
    pub(crate) umask: u32,
    /// Who tells of its end.
    pub(crate) children: Arc<Children>,
}

impl ResolverDriver {
    pub(crate) fn new(program: Resolver) -> ResolverDriver {
        ResolverDriver { program: Arc::new(program), names: Arc::default() }
    }

    /// What a name stands for. The first who asks has the program started; it goes on when nobody waits any more.
    async fn target(&self, path: &VPath) -> Result<Vec<u8>> {
        let mut components = path.components();
        let (Some(name), None) = (components.next(), components.next()) else {
            return Err(Errno::ENOENT.into());
        };
        let mut answer = self.asked(name)?;
        let told = answer.wait_for(Option::is_some).await.map(|answer| answer.clone());
        match told {
            Ok(Some(Ok(target))) => Ok(target),
            Ok(Some(Err((errno, why)))) => Err(Error::new(errno, why)),
            Ok(None) | Err(_) => Err(Error::transient(Errno::EIO, "a resolver was not asked to the end")),
        }
    }

    fn asked(&self, name: &[u8]) -> Result<watch::Receiver<Option<Answer>>> {
        let mut names = lock(&self.names);
        if let Some(known) = names.get(name) {
            return Ok(known.clone());
        }
        if names.len() >= NAMES_MAX {
            return Err(Error::new(Errno::ENOSPC, format!("{NAMES_MAX} names were asked for already")));
        }
        let (told, answer) = watch::channel(None);
        names.insert(name.to_vec(), answer.clone());
        drop(names);
        let (program, names, name) = (Arc::clone(&self.program), Arc::clone(&self.names), name.to_vec());
        tokio::spawn(async move {
            let (answer, lasts) = match program.ask(&name).await {
                Ok(answer) => (answer, true),
                Err(error) => (Err((Errno::of_io(&error), error.to_string())), false),
            };
            if let Err((errno, why)) = &answer {
                tracing::warn!(name = %name.escape_ascii(), prefix = %program.prefix, "not resolved: {why} ({errno})");
            }
            if !lasts {
                lock(&names).remove(&name);
            }
            // Nobody may be waiting any more.
            let _ = told.send(Some(answer));
        });
        Ok(answer)
    }
}

impl Resolver {
    /// Runs the program. The error is that of the moment: it could not be run, or took too long.
    async fn ask(&self, name: &[u8]) -> io::Result<Answer> {
        // The shell is there for the mask only, which cannot be set for a child without being set for all of the agent.
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("umask {:04o}; exec \"$@\"", self.umask)).arg("sh");
        command.arg(&self.program).arg(OsStr::from_bytes(name));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, end) = self.children.start(&mut command).map_err(io::Error::other)?;
        let process = PidFd::open(Tid(child.id() as i32));
        let output = read(child.stdout.take().map(OwnedFd::from), ANSWER_MAX + 1);
        let words = read(child.stderr.take().map(OwnedFd::from), WORDS_MAX);
        let all = async { (tokio::join!(output, words), end.await) };
        let Ok(((output, words), exit)) = tokio::time::timeout(self.timeout, all).await else {
            // It may have ended at this moment.
            let _ = process.and_then(|process| process.kill(Signal::KILL.as_raw()));
            let late = format!("{} took longer than {:?}", self.program.display(), self.timeout);
            return Err(io::Error::new(io::ErrorKind::TimedOut, late));
        };
        let exit = exit.map_err(|_| io::Error::other("the run is over"))?;
        Ok(self.answer(&output?, &words?, exit))
    }

    fn answer(&self, output: &[u8], words: &[u8], exit: Exit) -> Answer {
        let program = self.program.display();
        let said = String::from_utf8_lossy(words);
        match exit {
            Exit::Code(0) if !output.is_empty() => target_of(output, &self.prefix),
            Exit::Code(0) => Err((Errno::ENOENT, format!("{program} says nothing: {}", said.trim_end()))),
            Exit::Code(code) => {
                Err((Errno::ENOENT, format!("{program} ended with {code}: {}", said.trim_end())))
            }
            Exit::Signal(signal) => {
                Err((Errno::ENOENT, format!("{program} was ended by signal {signal}: {}", said.trim_end())))
            }
        }
    }
}

/// Everything up to a limit.
async fn read(pipe: Option<OwnedFd>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        Receiver::from_owned_fd(pipe)?.take(limit).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The path that an answer means: one line, a URL or an absolute path, written as the target of a mount.
fn target_of(output: &[u8], prefix: &VPath) -> Answer {
    let refused = |errno, why: &str| {
        let shown = output.escape_ascii().to_string();
        Err((errno, format!("{why}: {}", shown.get(..80).unwrap_or(&shown))))
    };
    if output.len() as u64 > ANSWER_MAX {
        return refused(Errno::ENAMETOOLONG, "the answer is too long");
    }
    let line = output.strip_suffix(b"\n").unwrap_or(output);
    if line.is_empty() {
        return Err((Errno::ENOENT, "the answer is empty".to_owned()));
    }
    if line.contains(&0) || line.contains(&b'\n') {
        return refused(Errno::EINVAL, "the answer is not one line");
    }
    let spec = match mounts::parse_argument(&[b"/=", line].concat()) {
        Ok(spec) => spec,
        Err(error) => return refused(Errno::EINVAL, &error.message),
    };
    if spec.options != MountOptions::default() {
        return refused(Errno::EINVAL, "an answer cannot have options");
    }
    let path = match spec.target {
        Target::Path(path) if path.starts_with(b"/") => path,
        Target::Url(url) if mynah_drivers::rows().iter().any(|row| row.scheme == url.scheme) => {
            [b"/", url.scheme.as_bytes(), b"/", url.authority.as_bytes(), &url.path].concat()
        }
        Target::Url(_) => return refused(Errno::ENODEV, "no driver has this scheme"),
        Target::Path(_) | Target::None | Target::Resolver(_) => {
            return refused(Errno::EINVAL, "neither a URL nor an absolute path");
        }
    };
    match VPath::normal(&path) {
        Some(path) if prefix.contains(&path) => {
            refused(Errno::ELOOP, "the answer leads to the resolver again")
        }
        Some(path) if path.as_bytes().len() >= PATH_MAX => {
            refused(Errno::ENAMETOOLONG, "the answer is too long")
        }
        Some(path) => Ok(path.as_bytes().to_vec()),
        None => refused(Errno::EINVAL, "no path"),
    }
}

fn stat_of(path: &VPath, kind: FileKind, size: usize) -> Stat {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let (mode, nlink) = if kind == FileKind::Directory { (0o555, 2) } else { (0o777, 1) };
    Stat {
        kind,
        mode,
        id: FileId(hasher.finish() >> 1),
        nlink,
        uid: 0,
        gid: 0,
        rdev: 0,
        size: size as u64,
        blksize: 4096,
        blocks: 0,
        atime: Time::default(),
        mtime: Time::default(),
        ctime: Time::default(),
        btime: None,
        local_dev: None,
    }
}

impl Driver for ResolverDriver {
    fn capabilities(&self) -> Capabilities {
        Capabilities { write: false, stable_ids: true, time_step_ns: 1 }
    }

    fn lstat<'a>(&'a self, path: &'a VPath) -> Op<'a, Stat> {
        Box::pin(async move {
            if path.is_root() {
                return Ok(stat_of(path, FileKind::Directory, 0));
            }
            let target = self.target(path).await?;
            Ok(stat_of(path, FileKind::Symlink, target.len()))
        })
    }

    /// The names that were found so far: nobody knows all.
    fn list<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Entry>> {
        Box::pin(async move {
            if !path.is_root() {
                self.target(path).await?;
                return Err(Errno::ENOTDIR.into());
            }
            let names = lock(&self.names);
            let mut found: Vec<Entry> = names
                .iter()
                .filter(|(_, answer)| matches!(&*answer.borrow(), Some(Ok(_))))
                .map(|(name, _)| Entry { name: name.clone(), stat: None })
                .collect();
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        })
    }

    fn readlink<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<u8>> {
        Box::pin(async move {
            if path.is_root() {
                return Err(Errno::EINVAL.into());
            }
            self.target(path).await
        })
    }

    fn open<'a>(&'a self, path: &'a VPath, how: OpenHow) -> Op<'a, Opened> {
        Box::pin(async move {
            if path.is_root() {
                return Err(Errno::EISDIR.into());
            }
            match self.target(path).await {
                Ok(_) => Err(Errno::ELOOP.into()),
                Err(error) if error.errno() == Errno::ENOENT && how.create => Err(Errno::EROFS.into()),
                Err(error) => Err(error),
            }
        })
    }

    fn access<'a>(&'a self, path: &'a VPath, bits: u32) -> Op<'a, ()> {
        const W_OK: u32 = 2;
        Box::pin(async move {
            if !path.is_root() {
                self.target(path).await?;
            }
            if bits & W_OK != 0 { Err(Errno::EROFS.into()) } else { Ok(()) }
        })
    }

    fn statfs<'a>(&'a self, _path: &'a VPath) -> Op<'a, FsStat> {
        let stat =
            FsStat { kind: AUTOFS_MAGIC, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0 };
        Box::pin(std::future::ready(Ok(stat)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(output: &[u8]) -> std::result::Result<String, Errno> {
        let prefix = VPath::normal(b"/name").expect("a path");
        target_of(output, &prefix)
            .map(|target| String::from_utf8_lossy(&target).into_owned())
            .map_err(|(errno, _)| errno)
    }

    #[test]
    fn answers_are_targets_of_mounts() {
        for (output, path) in [
            (b"/data/x\n".as_slice(), "/data/x"),
            (b"/data/../x/", "/x"),
            (b"chirp://h:1/a%20b\n", "/chirp/h:1/a b"),
            (b"CHIRP://h\n", "/chirp/h"),
            (br"/a\,b", "/a,b"),
            (b"/names/x", "/names/x"),
        ] {
            assert_eq!(target(output), Ok(path.to_owned()), "{}", output.escape_ascii());
        }
    }

    #[test]
    fn other_answers_are_errors_that_say_why() {
        let long = [b"/".as_slice(), &[b'x'; 5000]].concat();
        for (output, errno) in [
            (b"\n".as_slice(), Errno::ENOENT),
            (b"relative\n", Errno::EINVAL),
            (b"/a\n/b\n", Errno::EINVAL),
            (b"/a\0b\n", Errno::EINVAL),
            (b"-\n", Errno::EINVAL),
            (b"/a,ro\n", Errno::EINVAL),
            (b"resolver:/bin/true\n", Errno::EINVAL),
            (b"gopher://h/\n", Errno::ENODEV),
            (b"/name\n", Errno::ELOOP),
            (b"/name/other\n", Errno::ELOOP),
            (&long, Errno::ENAMETOOLONG),
            (&[b'x'; 20_000], Errno::ENAMETOOLONG),
        ] {
            assert_eq!(target(output), Err(errno), "{}", output.escape_ascii());
        }
    }
}
