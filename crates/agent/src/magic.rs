//! What `/proc` tells of hosted objects: the links that lead to them, and the texts that name their placeholders.

use crate::identity::View;
use crate::object::Object;
use crate::tasks::Task;
use mynah_cache::Ident;
use mynah_intercept::Tid;
use mynah_vfs::VPath;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Where a path below `/proc` leads.
pub(crate) enum Target {
    /// Through the first `used` components to an object.
    Object { object: Arc<Object>, used: usize },
    /// Through the first `used` components to a directory of the machine's own, with this name in the namespace.
    Directory { path: VPath, used: usize },
    /// To something of the kernel's; through one of these links if the first `link` components name one.
    Kernel { link: Option<usize> },
}

/// The links of a task's directory that lead to whatever it has open, runs or stands in.
fn link_length(entries: &[Vec<u8>]) -> Option<usize> {
    match entries {
        [name, ..] if matches!(name.as_slice(), b"cwd" | b"exe" | b"root") => Some(1),
        [name, _number, ..] if matches!(name.as_slice(), b"fd" | b"map_files") => Some(2),
        _ => None,
    }
}

/// Splits `components` (below `/proc`) into the task that they name and how many they took.
fn task_of(task: &Task, components: &[Vec<u8>]) -> Option<(Task, usize)> {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i32>().ok();
    let first = components.first()?;
    let (tid, used) = match first.as_slice() {
        b"self" | b"thread-self" => (task.tid.0, 1),
        text => (number(text)?, 1),
    };
    let named = |tid| Task { tid: Tid(tid), ..task.clone() };
    match &components[used..] {
        [word, thread, ..] if word == b"task" => Some((named(number(thread)?), used + 2)),
        _ => Some((named(tid), used)),
    }
}

fn text_of(components: &[Vec<u8>]) -> Option<&str> {
    let last = components.last()?;
    std::str::from_utf8(last).ok()
}

/// Where the components below `/proc` lead.
pub(crate) fn target(task: &Task, components: &[Vec<u8>]) -> Target {
    let Some((owner, link, used)) = link_of(task, components) else { return Target::Kernel { link: None } };
    let path = owner.proc(&link);
    if !task.agent.objects.is_empty()
        && let Some(object) = owner.object_of_link(&path)
    {
        return Target::Object { object, used };
    }
    match owner.directory_of_link(&path) {
        Some(path) => Target::Directory { path, used },
        None => Target::Kernel { link: Some(used) },
    }
}

/// The task whose link the components name, the link's name in its directory, and how many components that took.
fn link_of(task: &Task, components: &[Vec<u8>]) -> Option<(Task, String, usize)> {
    let (owner, used) = task_of(task, components)?;
    let entries = &components[used..];
    let length = link_length(entries)?;
    let link = match length {
        1 => text_of(&entries[..1])?.to_owned(),
        _ => format!("{}/{}", text_of(&entries[..1])?, text_of(&entries[..2])?),
    };
    Some((owner, link, used + length))
}

/// The name in the namespace of what a link leads to, if it is a file of the machine's own that a mount shows elsewhere.
pub(crate) fn local_name(task: &Task, components: &[Vec<u8>]) -> Option<Vec<u8>> {
    let (owner, link, used) = link_of(task, components)?;
    if used != components.len() {
        return None;
    }
    let text = std::fs::read_link(owner.proc(&link)).ok()?;
    let native = VPath::normal(text.as_os_str().as_bytes()).filter(|_| text.is_absolute())?;
    Some(task.run.namespace.shown_as(&native)?.as_bytes().to_vec())
}

/// The path of a file of `/proc` as the agent has to spell it to mean the caller's.
pub(crate) fn spelled_for_agent(task: &Task, components: &[Vec<u8>]) -> Option<(Task, Vec<Vec<u8>>)> {
    let (owner, used) = task_of(task, components)?;
    Some((owner, components[used..].to_vec()))
}

/// What a program is told of a file of `/proc` whose path, below that, is `components`. `None` where the kernel's own text
/// will do.
pub(crate) fn retold(task: &Task, components: &[Vec<u8>]) -> Option<Vec<u8>> {
    let identity = &task.agent.identity;
    if let [sys, kernel, entry] = components
        && (sys.as_slice(), kernel.as_slice(), entry.as_slice()) == (b"sys", b"kernel", b"hostname")
    {
        return identity.hostname().map(String::into_bytes);
    }
    let (owner, entries) = spelled_for_agent(task, components)?;
    let [entry] = entries.as_slice() else { return None };
    let text = || std::fs::read(owner.proc(std::str::from_utf8(entry).ok()?)).ok();
    match entry.as_slice() {
        b"maps" | b"smaps" | b"numa_maps" if !task.agent.objects.is_empty() => {
            without_placeholders(task, &text()?)
        }
        b"status" if identity.shows(View::User) => Some(identity.status(&text()?)),
        b"auxv" if identity.shows(View::User) => {
            let mut auxv = text()?;
            identity.show_in_auxv(&mut auxv);
            Some(auxv)
        }
        _ => None,
    }
}

/// Puts the names that programs know in place of the placeholders' in a text such as `/proc/PID/maps`. `None` if there
/// are none in it.
fn without_placeholders(task: &Task, text: &[u8]) -> Option<Vec<u8>> {
    let store = task.agent.objects.store();
    let placed_at = |text: &[u8]| store.dirs().find_map(|dir| find_in(text, dir.as_os_str().as_bytes()));
    placed_at(text)?;
    let mut told = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&b| b == b'\n') {
        match placed_at(line) {
            Some(at) => {
                told.extend_from_slice(&line[..at]);
                told.extend_from_slice(&shown_name(task, line, at));
            }
            None => told.extend_from_slice(line),
        }
    }
    Some(told)
}

/// What to show for the placeholder path that begins at `at` in a line, with what follows it.
fn shown_name(task: &Task, line: &[u8], at: usize) -> Vec<u8> {
    let whole = line[at..].iter().position(|&b| b == b'\n').map_or(line.len(), |n| at + n);
    let word = line[at..whole].iter().position(|&b| b == b' ').map_or(whole, |n| at + n);
    let ident = |end: usize| {
        use std::os::unix::fs::MetadataExt;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(&line[at..end]));
        let meta = std::fs::metadata(path).ok()?;
        Some(Ident { dev: meta.dev(), ino: meta.ino() })
    };
    // A watched file lies under its own name, which may have spaces in it.
    let (end, ident) = match ident(whole) {
        Some(found) => (whole, Some(found)),
        None => (word, ident(word)),
    };
    let object = ident.and_then(|ident| task.agent.objects.by_ident(ident));
    let shown = object.and_then(|object| task.shown(&object));
    let mut told = shown.map_or_else(|| b"(deleted)".to_vec(), |shown| shown.as_bytes().to_vec());
    told.extend_from_slice(&line[end..]);
    told
}

fn find_in(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
