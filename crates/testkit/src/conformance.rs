//! The suite that every driver passes: each method, each errno of its contract, many callers at once, calls that are
//! given up.
//!
//! A driver's own test makes a driver over an empty place where it may do as it likes and calls [`run`]. All cases are
//! run, each in a directory of its own, and those that failed are told together.

mod attributes;
mod callers;
mod directories;
mod files;
mod links;
mod renames;
mod xattrs;

use mynah_vfs::{Driver, Errno, OpenHow, Opened, Result, Stat, VPath};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What the place under test can do beyond the least that every read-write driver offers.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// `user.` extended attributes. If not, every call on them must be EOPNOTSUPP.
    pub xattrs: bool,
    /// FIFOs and sockets by mknod.
    pub special_files: bool,
    /// RENAME_NOREPLACE and RENAME_EXCHANGE.
    pub rename_flags: bool,
    /// Files beyond 4 GiB, with holes.
    pub sparse: bool,
}

impl Abilities {
    /// All of them.
    pub const ALL: Abilities =
        Abilities { xattrs: true, special_files: true, rename_flags: true, sparse: true };
}

/// How long one case may take: far more than it needs, so that only a call that hangs fails.
const CASE_WITHIN: Duration = Duration::from_secs(120);

/// Runs every case on `driver`, whose root directory is empty and can be written.
///
/// # Panics
/// If a case fails; the message names all that did, with what they found.
pub async fn run(driver: Arc<dyn Driver>, able: Abilities) {
    let cases: Vec<&Case> = [
        files::CASES,
        directories::CASES,
        links::CASES,
        renames::CASES,
        attributes::CASES,
        xattrs::CASES,
        callers::CASES,
    ]
    .concat();
    let mut failed = Vec::new();
    for case in &cases {
        if let Err(why) = run_case(case, &driver, able).await {
            failed.push(format!("{}: {why}", case.name));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases failed:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

/// A case, with the module path that names it.
struct Case {
    name: &'static str,
    run: fn(Place) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// A module's cases, from the names of its functions.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(super) const CASES: &[&super::Case] = &[$(
            &super::Case { name: concat!(module_path!(), "::", stringify!($name)), run: |place| Box::pin($name(place)) },
        )*];
    };
}
use cases;

async fn run_case(case: &Case, driver: &Arc<dyn Driver>, able: Abilities) -> std::result::Result<(), String> {
    let short = case.name.rsplit("::").next().unwrap_or(case.name);
    let place = Place { driver: Arc::clone(driver), dir: VPath::root().child(short.as_bytes()), able };
    ok(driver.mkdir(&place.dir, 0o755).await);
    // A task of its own turns a failed assertion into a value.
    let mut task = tokio::spawn((case.run)(place));
    match tokio::time::timeout(CASE_WITHIN, &mut task).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(panic)) => Err(panic_text(panic)),
        Err(_) => {
            task.abort();
            Err(format!("not done after {CASE_WITHIN:?}"))
        }
    }
}

fn panic_text(failed: tokio::task::JoinError) -> String {
    match failed.try_into_panic() {
        Ok(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (_, Some(text)) => (*text).to_owned(),
            _ => "a panic without words".to_owned(),
        },
        Err(cancelled) => cancelled.to_string(),
    }
}

/// Where one case works: a directory that was empty.
#[derive(Clone)]
struct Place {
    driver: Arc<dyn Driver>,
    dir: VPath,
    able: Abilities,
}

const READ: OpenHow =
    OpenHow { read: true, write: false, create: false, exclusive: false, truncate: false, mode: 0 };
const READ_WRITE: OpenHow = OpenHow { write: true, ..READ };
const CREATE: OpenHow = OpenHow { create: true, mode: 0o644, ..READ_WRITE };
const CREATE_NEW: OpenHow = OpenHow { exclusive: true, ..CREATE };

impl Place {
    /// A path below the directory.
    fn path(&self, below: impl AsRef<[u8]>) -> VPath {
        let mut path = self.dir.clone();
        for name in below.as_ref().split(|&byte| byte == b'/') {
            path.push(name);
        }
        path
    }

    async fn open(&self, name: impl AsRef<[u8]>, how: OpenHow) -> Result<Opened> {
        self.driver.open(&self.path(name), how).await
    }

    async fn lstat(&self, name: impl AsRef<[u8]>) -> Result<Stat> {
        self.driver.lstat(&self.path(name)).await
    }

    async fn stat(&self, name: impl AsRef<[u8]>) -> Stat {
        ok(self.lstat(name).await)
    }

    /// Makes a file, or gives one new content.
    async fn write(&self, name: impl AsRef<[u8]>, content: impl Into<Vec<u8>>) {
        let opened = ok(self.open(name, OpenHow { truncate: true, ..CREATE }).await);
        ok(opened.file.write_at(0, content.into().into()).await);
    }

    async fn read(&self, name: impl AsRef<[u8]>) -> Vec<u8> {
        let opened = ok(self.open(name, READ).await);
        let len = usize::try_from(opened.stat.size).expect("a size that fits in memory");
        ok(opened.file.read_at(0, len + 1).await).to_vec()
    }

    async fn mkdir(&self, name: impl AsRef<[u8]>) {
        ok(self.driver.mkdir(&self.path(name), 0o755).await);
    }

    async fn symlink(&self, text: impl AsRef<[u8]>, name: impl AsRef<[u8]>) {
        ok(self.driver.symlink(text.as_ref(), &self.path(name)).await);
    }

    async fn unlink(&self, name: impl AsRef<[u8]>) -> Result<()> {
        self.driver.unlink(&self.path(name)).await
    }

    /// The names of the directory, sorted.
    async fn names(&self) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> =
            ok(self.driver.list(&self.dir).await).into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }
}

/// The value of a call that must succeed.
#[track_caller]
fn ok<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("at line {}: {error}", std::panic::Location::caller().line()),
    }
}

/// Checks that a call failed, and how.
#[track_caller]
fn fails<T>(result: Result<T>, errno: Errno) {
    let line = std::panic::Location::caller().line();
    match result {
        Ok(_) => panic!("at line {line}: succeeded where {errno:?} is due"),
        Err(error) if error.errno() == errno => {}
        Err(error) => panic!("at line {line}: {errno:?} is due, got {error}"),
    }
}
