//! Extended attributes.

use super::path_call::{PathArg, follow_unless, on_path};
use crate::outcome::{Call, Outcome};
use crate::permission::{READ, WRITE};
use crate::resolve::Last;
use crate::tasks::Task;
use mynah_intercept::{UserPtr, memory};
use mynah_vfs::{Errno, Error, Mount, Stat, VPath, XattrHow};
use std::sync::Arc;

/// The longest name and value (limits.h).
const XATTR_NAME_MAX: usize = 255;
const XATTR_SIZE_MAX: u64 = 65536;
/// `struct xattr_args` of setxattrat(2): where the value is, its size, flags; and the most that the kernel takes for it.
const ARGS_BYTES: usize = 16;
const ARGS_BYTES_MAX: u64 = 4096;

/// What a call acts on.
#[derive(Clone, Copy)]
enum Subject {
    Path(PathArg),
    Descriptor(i32),
}

/// The calls that take a path: those whose names begin with `l` do not follow a last link.
fn by_path(call: Call<'_>) -> Subject {
    let number = i64::from(call.notification.call.number);
    let keeps = [libc::SYS_lsetxattr, libc::SYS_lgetxattr, libc::SYS_llistxattr, libc::SYS_lremovexattr];
    Subject::Path(PathArg::cwd(0, if keeps.contains(&number) { Last::Keep } else { Last::Follow }))
}

fn by_descriptor(call: Call<'_>) -> Subject {
    Subject::Descriptor(call.int(0))
}

/// The calls that take a directory's descriptor, a path and flags.
fn at(call: Call<'_>) -> Result<Subject, Errno> {
    let flags = call.bits(2);
    if flags & !((libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) as u32) != 0 {
        return Err(Errno::EINVAL);
    }
    let is_empty = || call.arg(1) == 0 || call.path(1).is_some_and(|path| path.is_empty());
    if flags & libc::AT_EMPTY_PATH as u32 != 0 && is_empty() {
        return Ok(Subject::Descriptor(call.int(0)));
    }
    Ok(Subject::Path(PathArg::at(call, 0, 1, follow_unless(flags, libc::AT_SYMLINK_NOFOLLOW))))
}

/// Runs an operation on what the call means.
fn on<F, Fut>(call: Call<'_>, subject: Subject, then: F) -> Outcome
where
    F: FnOnce(Task, Arc<Mount>, VPath, Stat) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Outcome, Error>> + Send + 'static,
{
    let number = match subject {
        Subject::Path(arg) => {
            return on_path(call, arg, move |task, spot| async move {
                let stat = task.stat_at(&spot).await?;
                then(task, spot.mount, spot.path, stat).await
            });
        }
        Subject::Descriptor(number) => number,
    };
    let task = call.task();
    let object = match number {
        libc::AT_FDCWD => task.object_of(number),
        number => task.opened(number).map(|(object, _)| object),
    };
    let Some(object) = object else { return Outcome::Resume };
    let (mount, path) = (task.mount_of(&object), object.driver_path());
    Outcome::wait(async move { then(task, mount, path, object.stat()).await.into() })
}

/// The attribute's name; an error where there can be none.
fn name(call: Call<'_>, at: usize) -> Result<Vec<u8>, Errno> {
    match memory::read_c_string(call.tid(), call.pointer(at), XATTR_NAME_MAX + 1) {
        Ok(name) if name.is_empty() => Err(Errno::ERANGE),
        Ok(name) => Ok(name),
        Err(memory::MemoryError::TooLong) => Err(Errno::ERANGE),
        Err(_) => Err(Errno::EFAULT),
    }
}

/// Where a value is, or goes, and how it is to be set.
#[derive(Clone, Copy)]
struct Value {
    at: UserPtr,
    size: u64,
    flags: u32,
}

impl Value {
    /// As the older calls give it, from argument 2 on.
    fn of(call: Call<'_>) -> Value {
        Value { at: call.pointer(2), size: call.arg(3), flags: call.bits(4) }
    }

    /// As the calls with a directory's descriptor give it: a structure in argument 4, its size in argument 5.
    ///
    /// # Errors
    /// EINVAL, E2BIG, EFAULT.
    fn in_structure(call: Call<'_>) -> Result<Value, Errno> {
        let size = call.arg(5);
        if size < ARGS_BYTES as u64 {
            return Err(Errno::EINVAL);
        }
        if size > ARGS_BYTES_MAX {
            return Err(Errno::E2BIG);
        }
        let mut bytes = vec![0; size as usize];
        memory::read(call.tid(), call.pointer(4), &mut bytes).map_err(|_| Errno::EFAULT)?;
        let (known, rest) = bytes.split_at(ARGS_BYTES);
        if rest.iter().any(|&byte| byte != 0) {
            return Err(Errno::E2BIG);
        }
        let word =
            |at: usize| known[at..at + 8].iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
        // Two 32-bit numbers share the second word.
        let (at, both) = (word(0), word(8));
        Ok(Value { at: UserPtr(at), size: both & 0xffff_ffff, flags: (both >> 32) as u32 })
    }

    fn read(self, call: Call<'_>) -> Result<Vec<u8>, Errno> {
        if self.size > XATTR_SIZE_MAX {
            return Err(Errno::E2BIG);
        }
        let mut value = vec![0; self.size as usize];
        memory::read(call.tid(), self.at, &mut value).map_err(|_| Errno::EFAULT)?;
        Ok(value)
    }

    fn how(self) -> Result<XattrHow, Errno> {
        match self.flags as i32 {
            0 => Ok(XattrHow::Set),
            libc::XATTR_CREATE => Ok(XattrHow::Create),
            libc::XATTR_REPLACE => Ok(XattrHow::Replace),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// Puts a value or a list where the caller wants it; with no room given only its length is told.
fn give(bytes: Vec<u8>, to: UserPtr, room: u64) -> Result<Outcome, Error> {
    let value = bytes.len() as i64;
    if room == 0 {
        return Ok(Outcome::Value(value));
    }
    if room < bytes.len() as u64 {
        return Err(Errno::ERANGE.into());
    }
    Ok(Outcome::Fill { to, bytes, value })
}

pub(super) fn getxattr(call: Call<'_>) -> Outcome {
    get(call, by_path(call), name(call, 1), Ok(Value::of(call)))
}

pub(super) fn fgetxattr(call: Call<'_>) -> Outcome {
    get(call, by_descriptor(call), name(call, 1), Ok(Value::of(call)))
}

pub(super) fn getxattrat(call: Call<'_>) -> Outcome {
    match at(call) {
        Ok(subject) => get(call, subject, name(call, 3), Value::in_structure(call)),
        Err(errno) => Outcome::Errno(errno),
    }
}

fn get(
    call: Call<'_>,
    subject: Subject,
    name: Result<Vec<u8>, Errno>,
    value: Result<Value, Errno>,
) -> Outcome {
    on(call, subject, move |task, mount, path, stat| async move {
        let (to, name) = (value?, name?);
        refuse_of_one_machine(&mount, &name)?;
        task.may_use_attribute(&stat, &name, READ)?;
        let value = task.agent.ask(&mount, mount.driver.getxattr(&path, &name)).await?;
        give(value, to.at, to.size)
    })
}

/// EOPNOTSUPP for labels and access lists elsewhere: they mean something to the kernel that keeps them only. A program that is told
/// so at once asks no more: `ls -l` looks for them at every file.
fn refuse_of_one_machine(mount: &Mount, name: &[u8]) -> Result<(), Errno> {
    if is_of_one_machine(name) && !mount.native { Err(Errno::EOPNOTSUPP) } else { Ok(()) }
}

fn is_of_one_machine(name: &[u8]) -> bool {
    name.starts_with(b"security.") || name.starts_with(b"system.")
}

pub(super) fn listxattr(call: Call<'_>) -> Outcome {
    list(call, by_path(call), call.pointer(1), call.arg(2))
}

pub(super) fn flistxattr(call: Call<'_>) -> Outcome {
    list(call, by_descriptor(call), call.pointer(1), call.arg(2))
}

pub(super) fn listxattrat(call: Call<'_>) -> Outcome {
    match at(call) {
        Ok(subject) => list(call, subject, call.pointer(3), call.arg(4)),
        Err(errno) => Outcome::Errno(errno),
    }
}

fn list(call: Call<'_>, subject: Subject, to: UserPtr, room: u64) -> Outcome {
    on(call, subject, move |task, mount, path, _| async move {
        let names = task.agent.ask(&mount, mount.driver.listxattr(&path)).await?;
        let shown = names.into_iter().filter(|name| mount.native || !is_of_one_machine(name));
        let shown = shown.filter(|name| task.sees_attribute(name));
        let list = shown.flat_map(|name| name.into_iter().chain([0])).collect();
        give(list, to, room)
    })
}

pub(super) fn setxattr(call: Call<'_>) -> Outcome {
    set(call, by_path(call), name(call, 1), Ok(Value::of(call)))
}

pub(super) fn fsetxattr(call: Call<'_>) -> Outcome {
    set(call, by_descriptor(call), name(call, 1), Ok(Value::of(call)))
}

pub(super) fn setxattrat(call: Call<'_>) -> Outcome {
    match at(call) {
        Ok(subject) => set(call, subject, name(call, 3), Value::in_structure(call)),
        Err(errno) => Outcome::Errno(errno),
    }
}

fn set(
    call: Call<'_>,
    subject: Subject,
    name: Result<Vec<u8>, Errno>,
    value: Result<Value, Errno>,
) -> Outcome {
    let how = value.and_then(Value::how);
    let value = value.and_then(|value| value.read(call));
    on(call, subject, move |task, mount, path, stat| async move {
        if mount.options.read_only {
            return Err(Errno::EROFS.into());
        }
        let (how, name, value) = (how?, name?, value?);
        refuse_of_one_machine(&mount, &name)?;
        task.may_use_attribute(&stat, &name, WRITE)?;
        task.agent.ask(&mount, mount.driver.setxattr(&path, &name, &value, how)).await?;
        task.agent.objects.watches().attributes_changed(mount.driver_id, &path);
        Ok(Outcome::DONE)
    })
}

pub(super) fn removexattr(call: Call<'_>) -> Outcome {
    remove(call, by_path(call), name(call, 1))
}

pub(super) fn fremovexattr(call: Call<'_>) -> Outcome {
    remove(call, by_descriptor(call), name(call, 1))
}

pub(super) fn removexattrat(call: Call<'_>) -> Outcome {
    match at(call) {
        Ok(subject) => remove(call, subject, name(call, 3)),
        Err(errno) => Outcome::Errno(errno),
    }
}

fn remove(call: Call<'_>, subject: Subject, name: Result<Vec<u8>, Errno>) -> Outcome {
    on(call, subject, move |task, mount, path, stat| async move {
        if mount.options.read_only {
            return Err(Errno::EROFS.into());
        }
        let name = name?;
        refuse_of_one_machine(&mount, &name)?;
        task.may_use_attribute(&stat, &name, WRITE)?;
        task.agent.ask(&mount, mount.driver.removexattr(&path, &name)).await?;
        task.agent.objects.watches().attributes_changed(mount.driver_id, &path);
        Ok(Outcome::DONE)
    })
}
