//! Random operations on two drivers, which must agree on every answer.
//!
//! One of the two is the model. A failure tells its seed and the last operations; [`run`] with the same seed repeats it.

use bytes::Bytes;
use mynah_vfs::{
    Driver, Errno, Error, File, FileKind, NewTime, OpenHow, RenameHow, SetAttrs, Stat, Time, VPath, XattrHow,
};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use crate::chance::Chance;
use crate::conformance::Abilities;

/// What one run does.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides every operation.
    pub seed: u64,
    /// How many operations.
    pub steps: usize,
    /// What both drivers can do; the rest is not asked.
    pub able: Abilities,
}

/// How many operations a failure tells: more than it usually takes to build up the state that failed.
const TOLD: usize = 30;
/// The trees are compared after so many operations.
const COMPARED_EVERY: usize = 50;
/// Open files at a time.
const OPEN_MAX: usize = 6;
/// The last byte that operations touch, so that the whole content can be compared.
const FILE_MAX: u64 = 40_000;

/// Runs one plan on two empty drivers.
///
/// # Panics
/// At the first disagreement, with the seed, the step and what led there.
pub async fn run(model: &dyn Driver, subject: &dyn Driver, plan: Plan) {
    let mut run = Run {
        model,
        subject,
        chance: Chance::new(plan.seed),
        able: plan.able,
        open: Vec::new(),
        told: VecDeque::new(),
    };
    for step in 1..=plan.steps {
        let operation = run.choose();
        run.tell(format!("{step}: {operation:?}"));
        let mut agreed = run.step(operation).await;
        if agreed.is_ok() && (step % COMPARED_EVERY == 0 || step == plan.steps) {
            agreed = run.compare_trees().await;
        }
        if let Err(difference) = agreed {
            run.fail(plan.seed, &difference);
        }
    }
}

struct Run<'a> {
    model: &'a dyn Driver,
    subject: &'a dyn Driver,
    chance: Chance,
    able: Abilities,
    /// The same open file at both.
    open: Vec<(Arc<dyn File>, Arc<dyn File>)>,
    told: VecDeque<String>,
}

#[derive(Clone, Debug)]
enum Operation {
    Open(VPath, OpenHow),
    Close(usize),
    Read(usize, u64, usize),
    Write(usize, u64, Pattern),
    Truncate(usize, u64),
    FileStat(usize),
    FileAttrs(usize, SetAttrs),
    Lstat(VPath),
    List(VPath),
    Readlink(VPath),
    Access(VPath, u32),
    Mkdir(VPath, u32),
    Mknod(VPath, FileKind, u32),
    Unlink(VPath),
    Rmdir(VPath),
    Rename(VPath, VPath, RenameHow),
    Link(VPath, VPath),
    Symlink(Vec<u8>, VPath),
    SetAttrs(VPath, SetAttrs),
    SetXattr(VPath, Vec<u8>, Vec<u8>, XattrHow),
    GetXattr(VPath, Vec<u8>),
    RemoveXattr(VPath, Vec<u8>),
}

/// Content that a failure can tell in a few words.
#[derive(Clone, Copy, Debug)]
struct Pattern {
    first: u8,
    len: usize,
}

impl Pattern {
    fn bytes(self) -> Bytes {
        (0..self.len).map(|index| self.first.wrapping_add((index / 7) as u8)).collect()
    }
}

/// What an operation gave, as far as two drivers must agree on it.
type Answer = Result<Shown, Errno>;

#[derive(PartialEq, Eq)]
enum Shown {
    Nothing,
    Bytes(Vec<u8>),
    Stat(StatShown),
    Names(Vec<Vec<u8>>),
}

/// Not identity and ownership, which differ by right, nor times but those that a client sets.
#[derive(Debug, PartialEq, Eq)]
struct StatShown {
    kind: FileKind,
    mode: u32,
    /// Of anything but a directory, where file systems count differently.
    nlink: Option<u64>,
    /// Likewise.
    size: Option<u64>,
}

impl Shown {
    fn stat(stat: &Stat) -> Shown {
        let plain = !stat.is_dir();
        Shown::Stat(StatShown {
            kind: stat.kind,
            mode: stat.mode,
            nlink: plain.then_some(stat.nlink),
            size: plain.then_some(stat.size),
        })
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Nothing => f.write_str("done"),
            Shown::Bytes(bytes) if bytes.len() > 80 => {
                write!(f, "{} bytes, {}...", bytes.len(), bytes[..80].escape_ascii())
            }
            Shown::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Shown::Stat(stat) => stat.fmt(f),
            Shown::Names(names) => {
                f.debug_list().entries(names.iter().map(|name| name.escape_ascii().to_string())).finish()
            }
        }
    }
}

impl Run<'_> {
    fn tell(&mut self, line: String) {
        if self.told.len() == TOLD {
            self.told.pop_front();
        }
        self.told.push_back(line);
    }

    fn fail(&self, seed: u64, difference: &str) -> ! {
        let told: Vec<&str> = self.told.iter().map(String::as_str).collect();
        panic!("seed {seed}: {difference}\nthe last operations:\n{}", told.join("\n"));
    }

    async fn step(&mut self, operation: Operation) -> Result<(), String> {
        match &operation {
            Operation::Open(path, how) => return self.open(path, *how).await,
            Operation::Close(number) => {
                self.open.remove(*number);
                return Ok(());
            }
            _ => {}
        }
        let file = |number: usize| self.open.get(number);
        let (model, subject) = match &operation {
            Operation::Read(number, ..)
            | Operation::Write(number, ..)
            | Operation::Truncate(number, _)
            | Operation::FileStat(number)
            | Operation::FileAttrs(number, _) => match file(*number) {
                Some((model, subject)) => {
                    (on_file(&**model, &operation).await, on_file(&**subject, &operation).await)
                }
                None => return Ok(()),
            },
            _ => (on_driver(self.model, &operation).await, on_driver(self.subject, &operation).await),
        };
        agree("", &model, &subject)
    }

    async fn open(&mut self, path: &VPath, how: OpenHow) -> Result<(), String> {
        let (model, subject) = (self.model.open(path, how).await, self.subject.open(path, how).await);
        match (model, subject) {
            (Ok(model), Ok(subject)) => {
                agree("stat of open: ", &Ok(Shown::stat(&model.stat)), &Ok(Shown::stat(&subject.stat)))?;
                if self.open.len() == OPEN_MAX {
                    self.open.remove(0);
                }
                self.open.push((model.file, subject.file));
                Ok(())
            }
            (model, subject) => {
                agree("", &answer(model.map(|_| Shown::Nothing)), &answer(subject.map(|_| Shown::Nothing)))
            }
        }
    }

    async fn compare_trees(&self) -> Result<(), String> {
        let (model, subject) = (tree(self.model).await?, tree(self.subject).await?);
        let paths = model.keys().chain(subject.keys());
        for path in paths {
            let (model, subject) = (model.get(path), subject.get(path));
            if model != subject {
                return Err(format!("the trees differ at {path}: {model:?} is due, got {subject:?}"));
            }
        }
        Ok(())
    }

    fn choose(&mut self) -> Operation {
        let files = self.open.len();
        let on_file = files > 0 && self.chance.one_in(3);
        if on_file { self.choose_on_file(files) } else { self.choose_on_names() }
    }

    fn choose_on_file(&mut self, files: usize) -> Operation {
        let chance = &mut self.chance;
        let number = chance.below(files as u64) as usize;
        let offset = chance.below(FILE_MAX / 2);
        match chance.below(12) {
            0..=3 => Operation::Write(number, offset, content(chance)),
            4..=7 => Operation::Read(number, offset, chance.below(FILE_MAX) as usize),
            8 => Operation::Truncate(number, chance.below(FILE_MAX)),
            9 => Operation::FileStat(number),
            10 => Operation::FileAttrs(number, SetAttrs { mode: Some(mode(chance)), ..SetAttrs::default() }),
            _ => Operation::Close(number),
        }
    }

    fn choose_on_names(&mut self) -> Operation {
        let (path, other) = (self.path(), self.path());
        let chance = &mut self.chance;
        match chance.below(40) {
            0..=7 => Operation::Open(path, how(chance)),
            8..=10 => Operation::Lstat(path),
            11 => Operation::List(path),
            12 => Operation::Readlink(path),
            13 => Operation::Access(path, chance.below(8) as u32),
            14..=18 => Operation::Mkdir(path, 0o700 | mode(chance)),
            19..=21 => Operation::Unlink(path),
            22..=23 => Operation::Rmdir(path),
            24..=28 => Operation::Rename(path, other, RenameHow::Replace),
            29 if self.able.rename_flags => Operation::Rename(path, other, RenameHow::NoReplace),
            30 if self.able.rename_flags => Operation::Rename(path, other, RenameHow::Exchange),
            31..=32 => Operation::Link(path, other),
            33..=34 => Operation::Symlink(other.as_bytes().to_vec(), path),
            35 if self.able.special_files => Operation::Mknod(path, FileKind::Fifo, mode(chance)),
            36..=37 => Operation::SetAttrs(path, attrs(chance)),
            38 if self.able.xattrs => self.xattr(path),
            _ => Operation::Lstat(other),
        }
    }

    fn xattr(&mut self, path: VPath) -> Operation {
        let name = (*self.chance.pick(&[&b"user.a"[..], b"user.b c", b"user.\xff"])).to_vec();
        match self.chance.below(6) {
            0 => Operation::GetXattr(path, name),
            1 => Operation::RemoveXattr(path, name),
            2 => Operation::SetXattr(path, name, b"created".to_vec(), XattrHow::Create),
            3 => Operation::SetXattr(path, name, b"replaced".to_vec(), XattrHow::Replace),
            _ => Operation::SetXattr(path, name, vec![b'v'; self.chance.below(300) as usize], XattrHow::Set),
        }
    }

    /// One of so few paths that operations meet.
    fn path(&mut self) -> VPath {
        const NAMES: &[&[u8]] = &[b"a", b"b", b"c d", b"%e\n", b"\xff"];
        let depth = *self.chance.pick(&[1, 1, 1, 2, 2, 3]);
        (0..depth).fold(VPath::root(), |path, _| path.child(self.chance.pick::<&[u8]>(NAMES)))
    }
}

fn mode(chance: &mut Chance) -> u32 {
    // The owner keeps his rights, for the model checks none; set-id bits stay out, for writing takes them from ordinary users.
    0o600 | chance.below(0o1000) as u32
}

fn content(chance: &mut Chance) -> Pattern {
    Pattern { first: chance.below(256) as u8, len: chance.below(FILE_MAX / 4) as usize }
}

fn how(chance: &mut Chance) -> OpenHow {
    let (read, write) = *chance.pick(&[(true, false), (true, true), (true, true), (false, true)]);
    OpenHow {
        read,
        write,
        create: chance.one_in(2),
        exclusive: chance.one_in(4),
        truncate: write && chance.one_in(4),
        mode: mode(chance),
    }
}

fn attrs(chance: &mut Chance) -> SetAttrs {
    // Whole seconds: every driver keeps those.
    let time = Some(NewTime::At(Time { sec: chance.below(2_000_000_000) as i64, nsec: 0 }));
    SetAttrs {
        mode: chance.one_in(2).then(|| 0o700 | mode(chance)),
        size: chance.one_in(4).then(|| chance.below(FILE_MAX)),
        mtime: if chance.one_in(2) { time } else { None },
        ..SetAttrs::default()
    }
}

fn answer(result: Result<Shown, Error>) -> Answer {
    result.map_err(|error| error.errno())
}

fn agree(what: &str, model: &Answer, subject: &Answer) -> Result<(), String> {
    if model == subject { Ok(()) } else { Err(format!("{what}{model:?} is due, got {subject:?}")) }
}

async fn on_file(file: &dyn File, operation: &Operation) -> Answer {
    let nothing = |()| Shown::Nothing;
    answer(match operation {
        Operation::Read(_, offset, len) => {
            file.read_at(*offset, *len).await.map(|bytes| Shown::Bytes(bytes.to_vec()))
        }
        Operation::Write(_, offset, data) => file.write_at(*offset, data.bytes()).await.map(nothing),
        Operation::Truncate(_, size) => file.truncate(*size).await.map(nothing),
        Operation::FileAttrs(_, attrs) => file.set_attrs(*attrs).await.map(nothing),
        _ => file.stat().await.map(|stat| Shown::stat(&stat)),
    })
}

async fn on_driver(driver: &dyn Driver, operation: &Operation) -> Answer {
    let nothing = |()| Shown::Nothing;
    answer(match operation {
        Operation::List(path) => driver.list(path).await.map(|entries| {
            let mut names: Vec<Vec<u8>> = entries.into_iter().map(|entry| entry.name).collect();
            names.sort();
            Shown::Names(names)
        }),
        Operation::Readlink(path) => driver.readlink(path).await.map(Shown::Bytes),
        Operation::Access(path, bits) => driver.access(path, *bits).await.map(nothing),
        Operation::Mkdir(path, mode) => driver.mkdir(path, *mode).await.map(nothing),
        Operation::Mknod(path, kind, mode) => driver.mknod(path, *kind, *mode, 0).await.map(nothing),
        Operation::Unlink(path) => driver.unlink(path).await.map(nothing),
        Operation::Rmdir(path) => driver.rmdir(path).await.map(nothing),
        Operation::Rename(old, new, how) => driver.rename(old, new, *how).await.map(nothing),
        Operation::Link(old, new) => driver.link(old, new).await.map(nothing),
        Operation::Symlink(text, path) => driver.symlink(text, path).await.map(nothing),
        Operation::SetAttrs(path, attrs) => driver.set_attrs(path, *attrs).await.map(nothing),
        Operation::SetXattr(path, name, value, how) => {
            driver.setxattr(path, name, value, *how).await.map(nothing)
        }
        Operation::GetXattr(path, name) => driver.getxattr(path, name).await.map(Shown::Bytes),
        Operation::RemoveXattr(path, name) => driver.removexattr(path, name).await.map(nothing),
        Operation::Lstat(path) => driver.lstat(path).await.map(|stat| Shown::stat(&stat)),
        Operation::Open(..)
        | Operation::Close(_)
        | Operation::Read(..)
        | Operation::Write(..)
        | Operation::Truncate(..)
        | Operation::FileStat(_)
        | Operation::FileAttrs(..) => Ok(Shown::Nothing),
    })
}

/// Everything below the root: attributes, and content or link text.
async fn tree(driver: &dyn Driver) -> Result<BTreeMap<VPath, (Shown, Vec<u8>)>, String> {
    let mut tree = BTreeMap::new();
    let mut left = vec![VPath::root()];
    let failed = |path: &VPath, error: Error| format!("{path} cannot be looked at: {error}");
    while let Some(dir) = left.pop() {
        for entry in driver.list(&dir).await.map_err(|error| failed(&dir, error))? {
            let path = dir.child(&entry.name);
            let stat = driver.lstat(&path).await.map_err(|error| failed(&path, error))?;
            let content = match stat.kind {
                FileKind::Symlink => driver.readlink(&path).await.map_err(|error| failed(&path, error))?,
                FileKind::Regular => whole(driver, &path).await.map_err(|error| failed(&path, error))?,
                _ => Vec::new(),
            };
            if stat.is_dir() {
                left.push(path.clone());
            }
            tree.insert(path, (Shown::stat(&stat), content));
        }
    }
    Ok(tree)
}

async fn whole(driver: &dyn Driver, path: &VPath) -> mynah_vfs::Result<Vec<u8>> {
    let how = OpenHow { read: true, ..OpenHow::default() };
    let opened = driver.open(path, how).await?;
    Ok(opened.file.read_at(0, FILE_MAX as usize * 2).await?.to_vec())
}
