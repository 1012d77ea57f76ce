//! Running programs that lie at a server.
//!
//! The kernel is given a complete local file to run; what it would then show of that file's name is put right. A script's
//! interpreter line is read here, because the kernel would look for the interpreter in the machine's own tree, and would
//! tell the interpreter our name for the script.

use super::path_call::PathArg;
use crate::outcome::{Call, ExecFile, Outcome};
use crate::resolve::{Begin, Last, Reached, Spot, Start};
use crate::tasks::Task;
use mynah_intercept::{Tid, UserPtr, memory};
use mynah_vfs::{Errno, Error, FileKind, OpenHow};
use rustix::fs::{self, Mode, OFlags};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How much of a file's beginning the kernel looks at (binfmts.h, BINPRM_BUF_SIZE).
const HEAD_BYTES: usize = 256;
/// Interpreters of interpreters (exec.c).
const SCRIPTS_MAX: usize = 5;
/// One argument, and all of them (binfmts.h: MAX_ARG_STRLEN; three quarters of the largest stack limit in use).
const ARGUMENT_MAX: usize = 128 << 10;
const ARGUMENTS_MAX: usize = 6 << 20;

pub(super) fn execve(call: Call<'_>) -> Outcome {
    run(call, PathArg::cwd(0, Last::Follow), call.pointer(1))
}

pub(super) fn execveat(call: Call<'_>) -> Outcome {
    let flags = call.bits(4);
    if flags & libc::AT_EMPTY_PATH as u32 != 0 && call.path(1).is_some_and(|path| path.is_empty()) {
        return run_descriptor(call);
    }
    let last = super::path_call::follow_unless(flags, libc::AT_SYMLINK_NOFOLLOW);
    run(call, PathArg::at(call, 0, 1, last), call.pointer(2))
}

fn run(call: Call<'_>, arg: PathArg, argv: UserPtr) -> Outcome {
    let Some(path) = call.path(arg.path) else { return Outcome::Resume };
    let task = call.task();
    let begin = task.begin(arg.dirfd, &path, arg.last);
    let start = match begin {
        Begin::Fail(errno) => return Outcome::Errno(errno),
        Begin::Walk(start) => start,
        Begin::Native => match remote_interpreter(&task, arg.dirfd, &path) {
            Some(start) => start,
            None => return Outcome::Resume,
        },
    };
    Outcome::wait(async move {
        let ran = async {
            let reached = task.walk(start, &path, arg.last).await?;
            let spot = match task.spot(reached) {
                Some(spot) => spot,
                None => match task.native_script(arg.dirfd, &path).await? {
                    Some(spot) => spot,
                    None => return Ok(Outcome::Resume),
                },
            };
            task.exec_spot(&spot, path, argv).await
        };
        ran.await.into()
    })
}

/// Where to walk from if a native script's interpreter is, or may be, in a mount.
fn remote_interpreter(task: &Task, dirfd: i32, path: &[u8]) -> Option<Start> {
    let interpreter = task.native_interpreter(dirfd, path)?;
    match task.begin(libc::AT_FDCWD, &interpreter.path, Last::Follow) {
        Begin::Native => None,
        Begin::Walk(_) | Begin::Fail(_) => task.native_start(dirfd, path).ok(),
    }
}

fn read_head(path: &Path) -> Result<Vec<u8>, Error> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = fs::open(path, flags, Mode::empty()).map_err(|errno| Error::io("a program", errno.into()))?;
    let mut head = vec![0; HEAD_BYTES];
    let read = rustix::io::pread(&fd, &mut head, 0).map_err(|errno| Error::io("a program", errno.into()))?;
    head.truncate(read);
    Ok(head)
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
    let end = line.iter().position(|&b| b == b'\n');
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

/// A program ready to be run by the kernel.
struct Ready {
    file: PathBuf,
    head: Vec<u8>,
}

impl Task {
    /// What a file of the machine's own asks to be run by.
    fn native_interpreter(&self, dirfd: i32, path: &[u8]) -> Option<Interpreter> {
        let text = self.native_text(dirfd, path).ok()?;
        interpreter_of(&read_head(Path::new(OsStr::from_bytes(&text))).ok()?)
    }

    /// A native script whose interpreter lies in a mount, as a name in the machine's own tree; `None` where the kernel can
    /// run it by itself.
    async fn native_script(&self, dirfd: i32, path: &[u8]) -> Result<Option<Spot>, Error> {
        let Some(interpreter) = self.native_interpreter(dirfd, path) else { return Ok(None) };
        let start = self.native_start(libc::AT_FDCWD, &interpreter.path)?;
        match self.walk(start, &interpreter.path, Last::Follow).await {
            Ok(Reached::Mounted(_)) => {}
            Ok(Reached::Native(_) | Reached::Virtual(_)) | Err(_) => return Ok(None),
        }
        let reached = self.walk(self.native_start(dirfd, path)?, path, Last::Follow).await?;
        Ok(Some(self.whole_spot(reached)))
    }

    async fn exec_spot(&self, spot: &Spot, shown: Vec<u8>, argv: UserPtr) -> Result<Outcome, Error> {
        let ready = self.make_ready(spot).await?;
        let named = shown.rsplit(|&b| b == b'/').next().unwrap_or(b"").to_vec();
        self.exec_ready(ready, shown, &named, argv).await
    }

    /// Follows interpreter lines to a program that the kernel can run. Whoever runs it in the end, the process is named after
    /// what was asked for.
    async fn exec_ready(
        &self,
        mut ready: Ready,
        shown: Vec<u8>,
        named: &[u8],
        argv: UserPtr,
    ) -> Result<Outcome, Error> {
        let mut arguments: Option<Vec<Vec<u8>>> = None;
        let mut name = shown.clone();
        for _ in 0..SCRIPTS_MAX {
            let Some(interpreter) = interpreter_of(&ready.head) else {
                let store = self.agent.objects.store();
                let file = store.alias(&ready.file, named).map_err(crate::object::store_error)?;
                return Ok(Outcome::Exec(ExecFile { file, argv: arguments, shown }));
            };
            let given = match arguments.take() {
                Some(given) => given,
                None => read_arguments(self.tid, argv)?,
            };
            let mut now = vec![interpreter.path.clone()];
            now.extend(interpreter.argument);
            now.push(name);
            now.extend(given.into_iter().skip(1));
            arguments = Some(now);
            name = interpreter.path.clone();
            ready = self.interpreter_ready(&interpreter.path).await?;
        }
        Err(Errno::ELOOP.into())
    }

    async fn interpreter_ready(&self, path: &[u8]) -> Result<Ready, Error> {
        let start = match self.begin(libc::AT_FDCWD, path, Last::Follow) {
            Begin::Walk(start) => start,
            Begin::Fail(errno) => return Err(errno.into()),
            Begin::Native => {
                let file = PathBuf::from(OsStr::from_bytes(&self.native_text(libc::AT_FDCWD, path)?));
                // The kernel goes on from here by itself, through native interpreters of interpreters.
                return Ok(Ready { file, head: Vec::new() });
            }
        };
        let reached = self.walk(start, path, Last::Follow).await?;
        self.make_ready(&self.whole_spot(reached)).await
    }

    /// Checks that an object may be run, and makes it a complete local file.
    async fn make_ready(&self, spot: &Spot) -> Result<Ready, Error> {
        let stat = self.stat_at(spot).await?;
        if stat.kind == FileKind::Symlink {
            return Err(Errno::ELOOP.into());
        }
        if stat.kind != FileKind::Regular || spot.mount.options.noexec || stat.mode & 0o111 == 0 {
            return Err(Errno::EACCES.into());
        }
        self.allows(&spot.mount, &spot.path, &stat, libc::X_OK as u32).await?;
        let file = match spot.mount.driver.local_path(&spot.path) {
            Some(path) => path,
            None => self.fetch_program(spot).await?,
        };
        let head = read_head(&file)?;
        Ok(Ready { file, head })
    }

    async fn fetch_program(&self, spot: &Spot) -> Result<PathBuf, Error> {
        let how = OpenHow { read: true, ..OpenHow::default() };
        let opened = self.agent.ask(&spot.mount, spot.mount.driver.open(&spot.path, how)).await?;
        let objects = &self.agent.objects;
        let object = self.object_as_it_is_now(spot, &opened).await?;
        object.fetch(objects, &opened.file, &opened.stat).await?;
        Ok(object.placeholder.path.clone())
    }
}

/// fexecve(3): execveat(fd, "", ..., AT_EMPTY_PATH).
fn run_descriptor(call: Call<'_>) -> Outcome {
    let task = call.task();
    let number = call.int(0);
    let argv = call.pointer(2);
    let Some(object) = task.object_of(number) else { return Outcome::Resume };
    Outcome::wait(async move {
        let ran = async {
            let stat = object.stat();
            if stat.kind != FileKind::Regular || object.mount.options.noexec || stat.mode & 0o111 == 0 {
                return Err(Errno::EACCES.into());
            }
            // Without a name left, a program is run by its descriptor.
            let file = match object.shown() {
                Some(_) => object.placeholder.path.clone(),
                None => PathBuf::from(format!("/proc/self/fd/{number}")),
            };
            let head = read_head(Path::new(&task.proc(&format!("fd/{number}"))))?;
            // The interpreter would find the script's descriptor closed (execveat(2)).
            if interpreter_of(&head).is_some() && task.closes_on_exec(number) {
                return Err(Errno::ENOENT.into());
            }
            let shown = format!("/dev/fd/{number}").into_bytes();
            let path = object.driver_path();
            task.exec_ready(Ready { file, head }, shown, path.name().unwrap_or(b"program"), argv).await
        };
        ran.await.into()
    })
}

/// The argument vector of a program that is about to be replaced.
fn read_arguments(tid: Tid, mut at: UserPtr) -> Result<Vec<Vec<u8>>, Error> {
    let mut arguments = Vec::new();
    let mut bytes = 0;
    if at.is_null() {
        return Ok(arguments);
    }
    loop {
        let pointer = memory::read_u64(tid, at).map_err(|_| Errno::EFAULT)?;
        if pointer == 0 {
            return Ok(arguments);
        }
        let argument =
            memory::read_c_string(tid, UserPtr(pointer), ARGUMENT_MAX).map_err(|error| match error {
                memory::MemoryError::TooLong => Errno::E2BIG,
                _ => Errno::EFAULT,
            })?;
        bytes += argument.len() + 9;
        if bytes > ARGUMENTS_MAX {
            return Err(Errno::E2BIG.into());
        }
        arguments.push(argument);
        at = at.offset(8);
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
        assert_eq!(line(b"\x7fELF"), None);
        let mut endless = b"#!/".to_vec();
        endless.resize(HEAD_BYTES, b'a');
        assert_eq!(line(&endless), None);
    }
}
