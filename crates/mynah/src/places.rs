//! Where things are kept: the one reader of XDG variables.

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

/// Batch systems and containers give homes that do not exist or may not be written.
fn is_writable(dir: &Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}
