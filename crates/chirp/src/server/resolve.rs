//! From a path of the wire to a path of the driver.

use crate::proto::{Dialect, Path};
use mynah_vfs::{Driver, Errno, FileKind, PATH_MAX, Result, VPath};
use std::collections::VecDeque;

/// Links followed in one path before it counts as a loop (the kernel's number).
const LINKS_MAX: usize = 40;

/// What becomes of a link as the last component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// It is followed.
    Follow,
    /// It is meant itself.
    Keep,
}

/// The driver's path for a path of the wire.
///
/// In the extended dialect nothing is followed. In the standard one the links on the way are, as existing clients expect; here they never
/// lead out of what is served, because a link's `/` is the root of the driver and `..` stops there.
///
/// # Errors
/// EINVAL for a NUL, ENAMETOOLONG, ELOOP, EACCES for the protocol's own names, and those of the driver.
pub(super) async fn resolve(driver: &dyn Driver, path: &Path, dialect: Dialect, last: Last) -> Result<VPath> {
    let normal = VPath::normal(&path.0).ok_or(Errno::EINVAL)?;
    if normal.as_bytes().len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG.into());
    }
    let place = match dialect {
        Dialect::Extended => normal,
        Dialect::Standard => {
            warn_of_collapsed_name(&normal);
            walk(driver, &normal, last).await?
        }
    };
    if place.components().any(is_reserved) {
        return Err(Errno::EACCES.into());
    }
    Ok(place)
}

/// Whether a name is the protocol's own.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(b".__")
}

/// Existing clients send every byte above 127 as `%FF`, so that different names become one.
fn warn_of_collapsed_name(path: &VPath) {
    if path.as_bytes().windows(2).any(|pair| pair == b"\xff\xff") {
        tracing::warn!(%path, "a client of the standard dialect has sent a name whose letters are lost");
    }
}

async fn walk(driver: &dyn Driver, path: &VPath, last: Last) -> Result<VPath> {
    let mut todo: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    let mut place = VPath::root();
    let mut links = 0;
    while let Some(name) = todo.pop_front() {
        if name == b".." {
            place.pop();
            continue;
        }
        let next = place.child(&name);
        if todo.is_empty() && last == Last::Keep {
            return Ok(next);
        }
        match driver.lstat(&next).await {
            Ok(stat) if stat.kind == FileKind::Symlink => {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::ELOOP.into());
                }
                follow(&driver.readlink(&next).await?, &mut place, &mut todo);
            }
            Ok(_) => place = next,
            // What is not there can still be made.
            Err(error) if error.errno() == Errno::ENOENT && todo.is_empty() => place = next,
            Err(error) => return Err(error),
        }
    }
    Ok(place)
}

fn follow(text: &[u8], place: &mut VPath, todo: &mut VecDeque<Vec<u8>>) {
    if text.starts_with(b"/") {
        *place = VPath::root();
    }
    let parts = text.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".");
    for (at, part) in parts.enumerate() {
        todo.insert(at, part.to_vec());
    }
}
