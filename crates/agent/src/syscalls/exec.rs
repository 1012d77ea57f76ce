//! Running programs that lie at a server.
//!
//! The kernel is given a complete local file to run; what it would then show of that file's name is put right. A script's
//! interpreter line is read here, because the kernel would look for the interpreter in the machine's own tree, and would
//! tell the interpreter our name for the script.

use super::path_call::PathArg;
use crate::elf;
use crate::identity::View;
use crate::object::Object;
use crate::outcome::{Call, Outcome};
use crate::permission::SEARCH;
use crate::programs::{Lead, Loading, Program, open_to_others};
use crate::resolve::{Begin, Last, Reached, Spot};
use crate::tasks::Task;
use mynah_intercept::{Abi, Tid, UserPtr, memory};
use mynah_vfs::{Errno, Error, FileKind, OpenHow};
use rustix::fs::{self, Mode, OFlags};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of a file's beginning the kernel looks at (binfmts.h, BINPRM_BUF_SIZE).
const HEAD_BYTES: usize = 256;
/// Interpreters of interpreters (exec.c, exec_binprm).
const INTERPRETERS_MAX: usize = 5;
/// One argument, and all of them (binfmts.h: MAX_ARG_STRLEN; three quarters of the largest stack limit in use).
const ARGUMENT_MAX: usize = 128 << 10;
const ARGUMENTS_MAX: usize = 6 << 20;

pub(super) fn execve(call: Call<'_>) -> Outcome {
    begun(call, run(call, PathArg::cwd(0, Last::Follow), Arguments::of(call, 1), Intent::Run))
}

/// What a call wants of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Intent {
    Run,
    /// To know whether it may be run.
    Ask,
}

/// What is done for every program that may begin: what the kernel executes by itself gets the shown identity on its stack.
fn begun(call: Call<'_>, outcome: Outcome) -> Outcome {
    let agent = Arc::clone(call.agent);
    let outcome = match outcome {
        // Not before the way to it has been judged by what the caller may still do.
        Outcome::Wait(waiting) => Outcome::wait(async move {
            let outcome = waiting.await;
            agent.tasks.program_begins();
            outcome
        }),
        decided => {
            agent.tasks.program_begins();
            decided
        }
    };
    if !call.agent.identity.shows(View::User) {
        return outcome;
    }
    outcome.or_natively(|| Outcome::ExecShown)
}

/// Asks whether a program may be run, and does not run it (execveat(2), since Linux 6.14).
const AT_EXECVE_CHECK: i32 = 0x10000;

pub(super) fn execveat(call: Call<'_>) -> Outcome {
    let flags = call.bits(4);
    if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK) as u32 != 0 {
        return Outcome::Errno(Errno::EINVAL);
    }
    let intent = if flags & AT_EXECVE_CHECK as u32 == 0 { Intent::Run } else { Intent::Ask };
    if flags & libc::AT_EMPTY_PATH as u32 != 0 && call.path(1).is_some_and(|path| path.is_empty()) {
        return begun(call, run_descriptor(call, intent));
    }
    let last = super::path_call::follow_unless(flags, libc::AT_SYMLINK_NOFOLLOW);
    begun(call, run(call, PathArg::at(call, 0, 1, last), Arguments::of(call, 2), intent))
}

fn run(call: Call<'_>, arg: PathArg, argv: Arguments, intent: Intent) -> Outcome {
    let Some(path) = call.path(arg.path) else { return Outcome::Resume };
    let task = call.task();
    let begin = task.begin(arg.dirfd, &path, arg.last);
    if matches!(begin, Begin::Native) && (path.is_empty() || task.is_foreign()) {
        return Outcome::Resume;
    }
    Outcome::wait(async move {
        let ran = async {
            let spot = match begin {
                Begin::Fail(errno) => return Err(errno.into()),
                Begin::Walk(start) => task.spot(task.walk(start, &path, arg.last).await?),
                Begin::Native => None,
            };
            let spot = match spot {
                Some(spot) => spot,
                None if intent == Intent::Ask => return Ok(Outcome::Resume),
                None if task.leads_into_mount(arg.dirfd, &path).await => {
                    let start = task.native_start(arg.dirfd, &path)?;
                    task.whole_spot(task.walk(start, &path, arg.last).await?)
                }
                None => return Ok(Outcome::Resume),
            };
            let ready = task.make_ready(&spot).await?;
            if intent == Intent::Ask {
                return Ok(Outcome::DONE);
            }
            task.exec_ready(ready, Asked::by_path(arg.dirfd, &path), argv).await
        };
        ran.await.into()
    })
}

/// How a program was asked for.
struct Asked {
    /// The path that it is to see as its own.
    shown: Vec<u8>,
    /// What the process is to be called.
    named: Vec<u8>,
    /// The descriptor that the path goes through.
    through: Option<i32>,
}

impl Asked {
    fn by_path(dirfd: i32, path: &[u8]) -> Asked {
        let named = path.rsplit(|&b| b == b'/').next().unwrap_or(b"").to_vec();
        if dirfd == libc::AT_FDCWD || path.starts_with(b"/") {
            return Asked { shown: path.to_vec(), named, through: None };
        }
        let shown = [format!("/dev/fd/{dirfd}/").as_bytes(), path].concat();
        Asked { shown, named, through: Some(dirfd) }
    }
}

fn open_program(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    fs::open(path, flags, Mode::empty())
}

fn read_head(file: &OwnedFd) -> Vec<u8> {
    let mut head = vec![0; HEAD_BYTES];
    // What cannot be read (a directory) is no script.
    let read = rustix::io::pread(file, &mut head, 0).unwrap_or(0);
    head.truncate(read);
    head
}

/// What a script's first line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Interpreter {
    path: Vec<u8>,
    argument: Option<Vec<u8>>,
}

/// Reads `#! path [argument]` as the kernel does (binfmt_script.c): one argument at most, blanks around it cut.
fn interpreter_of(head: &[u8]) -> Option<Interpreter> {
    let line = head.strip_prefix(b"#!")?;
    // A NUL ends it as well, for the kernel takes it for a C string; what follows may be anything.
    let end = line.iter().position(|&b| b == b'\n' || b == 0);
    let text = trim(&line[..end.unwrap_or(line.len())]);
    let is_blank = |b: &u8| *b == b' ' || *b == b'\t';
    let cut = text.iter().position(is_blank);
    // Without an end of line the path may be cut off, and is no path then.
    if end.is_none() && cut.is_none() && head.len() >= HEAD_BYTES {
        return None;
    }
    let path = text[..cut.unwrap_or(text.len())].to_vec();
    let argument = cut.map(|cut| trim(&text[cut..]).to_vec()).filter(|argument| !argument.is_empty());
    (!path.is_empty()).then_some(Interpreter { path, argument })
}

fn trim(text: &[u8]) -> &[u8] {
    let is_text = |b: &u8| *b != b' ' && *b != b'\t';
    let from = text.iter().position(is_text).unwrap_or(text.len());
    let to = text.iter().rposition(is_text).map_or(from, |last| last + 1);
    &text[from..to]
}

/// A file that the kernel is to run.
struct Ready {
    /// A path by which it can be opened, if the task may follow it.
    path: PathBuf,
    /// The object whose placeholder it is; `None` for a file of the machine's own.
    object: Option<Arc<Object>>,
    /// `None` for one that may be run and not read.
    file: Option<OwnedFd>,
}

impl Ready {
    fn interpreter(&self) -> Option<Interpreter> {
        interpreter_of(&read_head(self.file.as_ref()?))
    }
}

impl Task {
    /// Whether a program of the machine's own asks, itself or by its interpreters, for something in a mount, so that the kernel
    /// would not come to it.
    async fn leads_into_mount(&self, dirfd: i32, path: &[u8]) -> bool {
        let Ok(mut at) = self.native_text(dirfd, path) else { return false };
        for _ in 0..=INTERPRETERS_MAX {
            let Ok(file) = open_program(Path::new(OsStr::from_bytes(&at))) else { return false };
            let (next, is_script) = match interpreter_of(&read_head(&file)) {
                Some(interpreter) => (interpreter.path, true),
                None => match elf::loader_of(&file) {
                    Some(loader) => (loader.path, false),
                    None => return false,
                },
            };
            let Ok(start) = self.native_start(libc::AT_FDCWD, &next) else { return false };
            match self.walk(start, &next, Last::Follow).await {
                Ok(Reached::Native(native)) if native.resumable && is_script => {
                    at = native.path.as_bytes().to_vec();
                }
                Ok(Reached::Native(native)) => return !native.resumable,
                Ok(Reached::Mounted(_) | Reached::Virtual(_)) | Err(_) => return true,
            }
        }
        false
    }

    /// Follows interpreter lines to a program that the kernel can run. Whoever runs it in the end, the process is named after
    /// what was asked for.
    async fn exec_ready(&self, mut ready: Ready, asked: Asked, argv: Arguments) -> Result<Outcome, Error> {
        let mut arguments: Option<Vec<Vec<u8>>> = None;
        let mut name = asked.shown.clone();
        for _ in 0..=INTERPRETERS_MAX {
            let Some(interpreter) = ready.interpreter() else {
                let loading = self.loading(&mut ready).await?;
                let file = self.lead(ready)?;
                let Asked { shown, named, .. } = asked;
                let program = Program { file, loading, named, argv: arguments, shown };
                return Ok(Outcome::Exec(Box::new(program)));
            };
            // The interpreter would find the script's descriptor closed (execveat(2)).
            if asked.through.is_some_and(|fd| self.closes_on_exec(fd)) {
                return Err(Errno::ENOENT.into());
            }
            let given = match arguments.take() {
                Some(given) => given,
                None => argv.read()?,
            };
            let mut now = vec![interpreter.path.clone()];
            now.extend(interpreter.argument);
            now.push(name);
            now.extend(given.into_iter().skip(1));
            arguments = Some(now);
            name = interpreter.path.clone();
            let start = self.native_start(libc::AT_FDCWD, &interpreter.path)?;
            let reached = self.walk(start, &interpreter.path, Last::Follow).await?;
            ready = self.make_ready(&self.whole_spot(reached)).await?;
        }
        Err(Errno::ELOOP.into())
    }

    /// The loader that a program asks for, if it lies in a mount.
    async fn loading(&self, ready: &mut Ready) -> Result<Option<Loading>, Error> {
        let Some(slot) = ready.file.as_ref().and_then(elf::loader_of) else { return Ok(None) };
        let start = self.native_start(libc::AT_FDCWD, &slot.path)?;
        let reached = self.walk(start, &slot.path, Last::Follow).await?;
        let Some(spot) = self.spot(reached) else { return Ok(None) };
        let loader = self.make_ready(&spot).await?;
        let program = match &ready.object {
            Some(object) => Arc::clone(object),
            None => {
                let start = self.native_start(libc::AT_FDCWD, ready.path.as_os_str().as_bytes())?;
                let reached = self.walk(start, ready.path.as_os_str().as_bytes(), Last::Follow).await?;
                self.fetch_program(&self.whole_spot(reached)).await?
            }
        };
        Ok(Some(Loading { program, slot, loader: self.lead(loader)? }))
    }

    /// How this task comes to a file: one of the cache's by a descriptor, unless its user is the cache's.
    fn lead(&self, ready: Ready) -> Result<Lead, Error> {
        match (ready.object, ready.file) {
            (Some(_), Some(file)) if !self.reaches_cache() => {
                open_to_others(&file)?;
                Ok(Lead::Descriptor(file))
            }
            _ => Ok(Lead::Path(ready.path)),
        }
    }

    /// Checks that a file may be run, and makes it a complete local one.
    async fn make_ready(&self, spot: &Spot) -> Result<Ready, Error> {
        let stat = self.stat_at(spot).await?;
        if stat.kind == FileKind::Symlink {
            return Err(Errno::ELOOP.into());
        }
        if stat.kind != FileKind::Regular || spot.mount.options.noexec || stat.mode & 0o111 == 0 {
            return Err(Errno::EACCES.into());
        }
        self.allows(&spot.mount, &spot.path, &stat, libc::X_OK as u32).await?;
        match spot.mount.driver.local_path(&spot.path) {
            None => self.ready_object(self.fetch_program(spot).await?),
            Some(path) => {
                let file = match open_program(&path) {
                    Ok(file) => Some(file),
                    Err(rustix::io::Errno::ACCESS) => None,
                    Err(errno) => return Err(Error::io("a program", errno.into())),
                };
                Ok(Ready { path, object: None, file })
            }
        }
    }

    fn ready_object(&self, object: Arc<Object>) -> Result<Ready, Error> {
        let path = object.placeholder.path.clone();
        let file = open_program(&path).map_err(|errno| Error::io("a program", errno.into()))?;
        Ok(Ready { path, object: Some(object), file: Some(file) })
    }

    async fn fetch_program(&self, spot: &Spot) -> Result<Arc<Object>, Error> {
        let how = OpenHow { read: true, ..OpenHow::default() };
        let opened = self.agent.ask(&spot.mount, spot.mount.driver.open(&spot.path, how)).await?;
        let objects = &self.agent.objects;
        let object = self.object_as_it_is_now(spot, &opened).await?;
        object.fetch(objects, &opened.file, &opened.stat).await?;
        Ok(object)
    }
}

/// fexecve(3): execveat(fd, "", ..., AT_EMPTY_PATH).
fn run_descriptor(call: Call<'_>, intent: Intent) -> Outcome {
    let task = call.task();
    let number = call.int(0);
    let argv = Arguments::of(call, 2);
    let Some(object) = task.object_of(number) else { return Outcome::Resume };
    Outcome::wait(async move {
        let ran = async {
            let stat = object.stat();
            if stat.kind != FileKind::Regular
                || task.mount_of(&object).options.noexec
                || stat.mode & 0o111 == 0
            {
                return Err(Errno::EACCES.into());
            }
            task.permits(&stat, SEARCH)?;
            if intent == Intent::Ask {
                return Ok(Outcome::DONE);
            }
            let named = object.driver_path().name().unwrap_or(b"program").to_vec();
            let ready = match (object.is_linked(), object.is_whole()) {
                (true, true) => task.ready_object(object)?,
                // O_PATH asks for no content.
                (true, false) => task.make_ready(&task.spot_of(&object)).await?,
                // Without a name left, a program is run by its descriptor.
                (false, _) => Ready {
                    path: PathBuf::from(format!("/proc/thread-self/fd/{number}")),
                    object: Some(object),
                    file: open_program(Path::new(&task.proc(&format!("fd/{number}")))).ok(),
                },
            };
            let shown = format!("/dev/fd/{number}").into_bytes();
            task.exec_ready(ready, Asked { shown, named, through: Some(number) }, argv).await
        };
        ran.await.into()
    })
}

/// The argument vector of a program that is about to be replaced.
#[derive(Clone, Copy)]
struct Arguments {
    tid: Tid,
    at: UserPtr,
    pointer_bytes: u64,
}

impl Arguments {
    fn of(call: Call<'_>, index: usize) -> Arguments {
        let pointer_bytes = if call.notification.call.abi == Abi::Native { 8 } else { 4 };
        Arguments { tid: call.tid(), at: call.pointer(index), pointer_bytes }
    }

    fn read(self) -> Result<Vec<Vec<u8>>, Error> {
        let mut arguments = Vec::new();
        let mut bytes = 0;
        let mut at = self.at;
        if at.is_null() {
            return Ok(arguments);
        }
        loop {
            let mut pointer = [0; 8];
            let width = self.pointer_bytes as usize;
            memory::read(self.tid, at, &mut pointer[..width]).map_err(|_| Errno::EFAULT)?;
            let pointer = u64::from_le_bytes(pointer);
            if pointer == 0 {
                return Ok(arguments);
            }
            let argument =
                memory::read_c_string(self.tid, UserPtr(pointer), ARGUMENT_MAX).map_err(|e| match e {
                    memory::MemoryError::TooLong => Errno::E2BIG,
                    _ => Errno::EFAULT,
                })?;
            bytes += argument.len() + 9;
            if bytes > ARGUMENTS_MAX {
                return Err(Errno::E2BIG.into());
            }
            arguments.push(argument);
            at = at.offset(self.pointer_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(head: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        interpreter_of(head).map(|i| (i.path, i.argument))
    }

    #[test]
    fn interpreter_lines_are_read_as_the_kernel_reads_them() {
        let sh = || b"/bin/sh".to_vec();
        assert_eq!(line(b"#!/bin/sh\nrest"), Some((sh(), None)));
        assert_eq!(line(b"#! /bin/sh  -e  -x \n"), Some((sh(), Some(b"-e  -x".to_vec()))));
        assert_eq!(line(b"#!/bin/sh"), Some((sh(), None)));
        assert_eq!(line(b"#!\n"), None);
        assert_eq!(line(b"#!/bin/sh\0/bin/other\n"), Some((sh(), None)));
        assert_eq!(line(b"#!\0/bin/sh\n"), None);
        assert_eq!(line(b"\x7fELF"), None);
        let mut endless = b"#!/".to_vec();
        endless.resize(HEAD_BYTES, b'a');
        assert_eq!(line(&endless), None);
    }
}
