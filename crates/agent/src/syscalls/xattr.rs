//! Extended attributes.

use super::path_call::{PathArg, follow_unless, on_path};
use crate::lock;
use crate::object::Object;
use crate::outcome::{Call, Outcome};
use crate::permission::{READ, WRITE};
use crate::resolve::Last;
use crate::tasks::Task;
use mynah_intercept::{UserPtr, memory};
use mynah_vfs::{Errno, Error, Mount, Op, Stat, VPath, XattrHow};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest name and value (limits.h).
const XATTR_NAME_MAX: usize = 255;
const XATTR_SIZE_MAX: u64 = 65536;
/// What is kept for a file that no server knows, in bytes: as much as one longest value with its name.
const KEPT_MAX: usize = XATTR_SIZE_MAX as usize + XATTR_NAME_MAX;
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

/// What has the attributes, and who asks.
struct Bearer {
    task: Task,
    mount: Arc<Mount>,
    path: VPath,
    stat: Stat,
    /// The open file, where the call named a descriptor that has no name at the server.
    nameless: Option<Arc<Object>>,
}

impl Bearer {
    async fn get(&self, name: &[u8]) -> Result<Vec<u8>, Error> {
        match self.kept(|kept| kept.get(name).cloned().ok_or(Errno::ENODATA)) {
            Some(value) => value,
            None => self.ask(self.mount.driver.getxattr(&self.path, name)).await,
        }
    }

    async fn list(&self) -> Result<Vec<Vec<u8>>, Error> {
        match self.kept(|kept| Ok(kept.keys().cloned().collect())) {
            Some(names) => names,
            None => self.ask(self.mount.driver.listxattr(&self.path)).await,
        }
    }

    async fn set(&self, name: &[u8], value: &[u8], how: XattrHow) -> Result<(), Error> {
        match self.kept(|kept| keep(kept, name, value, how)) {
            Some(set) => set,
            None => self.ask(self.mount.driver.setxattr(&self.path, name, value, how)).await,
        }
    }

    async fn remove(&self, name: &[u8]) -> Result<(), Error> {
        match self.kept(|kept| kept.remove(name).map(drop).ok_or(Errno::ENODATA)) {
            Some(removed) => removed,
            None => self.ask(self.mount.driver.removexattr(&self.path, name)).await,
        }
    }

    /// What is kept here for a file that no server knows yet. `None`: the server is to be asked. ESTALE for a file whose name was
    /// taken away: the name may lead to another by now.
    fn kept<T>(
        &self,
        act: impl FnOnce(&mut BTreeMap<Vec<u8>, Vec<u8>>) -> Result<T, Errno>,
    ) -> Option<Result<T, Error>> {
        let mut remote = lock(&self.nameless.as_ref()?.remote);
        let Some(kept) = &mut remote.kept else {
            let what = format!("{} has no name at the server any more", self.path);
            return Some(Err(Error::new(Errno::ESTALE, what)));
        };
        Some(act(kept).map_err(Error::from))
    }

    async fn ask<T>(&self, op: Op<'_, T>) -> Result<T, Error> {
        self.task.agent.ask(&self.mount, op).await
    }

    fn changed(&self) {
        if self.nameless.is_none() {
            self.task.agent.objects.watches().attributes_changed(self.mount.driver_id, &self.path);
        }
    }
}

/// Sets an attribute as a server does: those of users only.
fn keep(
    kept: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    name: &[u8],
    value: &[u8],
    how: XattrHow,
) -> Result<(), Errno> {
    match name.strip_prefix(b"user.") {
        None => return Err(Errno::EOPNOTSUPP),
        Some(b"") => return Err(Errno::EINVAL),
        Some(_) => {}
    }
    match (how, kept.contains_key(name)) {
        (XattrHow::Create, true) => return Err(Errno::EEXIST),
        (XattrHow::Replace, false) => return Err(Errno::ENODATA),
        _ => {}
    }
    let held: usize = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
    if held + name.len() + value.len() > KEPT_MAX {
        return Err(Errno::ENOSPC);
    }
    kept.insert(name.to_vec(), value.to_vec());
    Ok(())
}

/// Runs an operation on what the call means.
fn on<F, Fut>(call: Call<'_>, subject: Subject, then: F) -> Outcome
where
    F: FnOnce(Bearer) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Outcome, Error>> + Send + 'static,
{
    let number = match subject {
        Subject::Path(arg) => {
            return on_path(call, arg, move |task, spot| async move {
                let stat = task.stat_at(&spot).await?;
                then(Bearer { task, mount: spot.mount, path: spot.path, stat, nameless: None }).await
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
    let (mount, path, stat) = (task.mount_of(&object), object.driver_path(), object.stat());
    let nameless = (!object.is_linked()).then_some(object);
    Outcome::wait(async move { then(Bearer { task, mount, path, stat, nameless }).await.into() })
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
    on(call, subject, move |bearer| async move {
        let (to, name) = (value?, name?);
        refuse_of_one_machine(&bearer.mount, &name)?;
        bearer.task.may_use_attribute(&bearer.stat, &name, READ)?;
        let value = bearer.get(&name).await?;
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
    on(call, subject, move |bearer| async move {
        let names = bearer.list().await?;
        let shown = names.into_iter().filter(|name| bearer.mount.native || !is_of_one_machine(name));
        let shown = shown.filter(|name| bearer.task.sees_attribute(name));
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
    on(call, subject, move |bearer| async move {
        if bearer.mount.options.read_only {
            return Err(Errno::EROFS.into());
        }
        let (how, name, value) = (how?, name?, value?);
        refuse_of_one_machine(&bearer.mount, &name)?;
        bearer.task.may_use_attribute(&bearer.stat, &name, WRITE)?;
        bearer.set(&name, &value, how).await?;
        bearer.changed();
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
    on(call, subject, move |bearer| async move {
        if bearer.mount.options.read_only {
            return Err(Errno::EROFS.into());
        }
        let name = name?;
        refuse_of_one_machine(&bearer.mount, &name)?;
        bearer.task.may_use_attribute(&bearer.stat, &name, WRITE)?;
        bearer.remove(&name).await?;
        bearer.changed();
        Ok(Outcome::DONE)
    })
}
