//! Directories that a test owns and that vanish with it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory below the system's temporary directory, removed with all it holds when dropped.
///
/// It lies there, and not in the build directory, because a checkout is often out of reach of the ordinary user as whom
/// some tests run.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new empty directory, mode 0755, whose name tells the test and the process.
    pub fn new(name: &str) -> io::Result<Scratch> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Canonical, because a program asks the kernel where it is and must be told the name that the test knows.
        let parent = std::env::temp_dir().canonicalize()?;
        let path = parent.join(format!("mynah-{name}-{}-{number}", process::id()));
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Scratch { path })
    }

    /// Where it is: an absolute path without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name inside.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// A copy of a program inside, executable by all.
    ///
    /// Another process makes the copy: had this one the file open for writing, a child that another thread starts at that
    /// moment would hold it too, and executing it would fail with ETXTBSY.
    pub fn lend(&self, program: &Path) -> io::Result<PathBuf> {
        let copy = self.join(program.file_name().unwrap_or_default());
        let status = Command::new("install").args(["-m", "755"]).arg(program).arg(&copy).status()?;
        if status.success() {
            Ok(copy)
        } else {
            Err(io::Error::other(format!("install of {}", program.display())))
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if fs::remove_dir_all(&self.path).is_err() {
            open_up(&self.path);
            // A failure here leaves a directory behind for a person to look at; a test's verdict does not depend on it.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Gives the owner all rights on each directory, so that an ordinary user can remove what a test closed on purpose.
fn open_up(directory: &Path) {
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
