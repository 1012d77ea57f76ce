//! Where things are kept: the one reader of XDG variables.

use rustix::fs::StatVfsMountFlags;
use std::io;
use std::path::{Path, PathBuf};

/// Where placeholders go: what the user said, else the user's cache directory, else a private place in the temporary
/// directory.
///
/// # Errors
/// A relative path that cannot be made absolute because the working directory is gone.
pub(crate) fn cache_dir(asked: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(dir) = asked {
        return std::path::absolute(dir);
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(dir) = variable("XDG_CACHE_HOME") {
        return Ok(dir.join("mynah"));
    }
    if let Some(home) = variable("HOME").filter(|home| is_writable(home)) {
        return Ok(home.join(".cache/mynah"));
    }
    let uid = rustix::process::geteuid().as_raw();
    Ok(std::env::temp_dir().join(format!("mynah-{uid}")))
}

/// Where programs go that are to be run from a server, if the cache's file system is mounted with noexec: the first place
/// that this user may write to and run programs from. `None` if the cache does, or nothing does.
pub(crate) fn programs_dir(cache: &Path) -> Option<PathBuf> {
    if may_execute(cache) {
        return None;
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let mut places = vec![std::env::temp_dir(), "/var/tmp".into(), "/tmp".into(), "/dev/shm".into()];
    places.extend([variable("XDG_RUNTIME_DIR"), variable("HOME")].into_iter().flatten());
    let uid = rustix::process::geteuid().as_raw();
    let place = places.into_iter().find(|place| is_writable(place) && may_execute(place))?;
    Some(place.join(format!("mynah-{uid}-programs")))
}

/// Whether files that are, or would be made, there may be executed, as far as the mount is concerned.
pub(crate) fn may_execute(dir: &Path) -> bool {
    let there = dir.ancestors().find_map(|ancestor| rustix::fs::statvfs(ancestor).ok());
    there.is_none_or(|figures| !figures.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Batch systems and containers give homes that do not exist or may not be written.
fn is_writable(dir: &Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}
