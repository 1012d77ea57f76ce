//! A Chirp server that lies, written straight onto the wire, for tests of clients and of whole runs.
//!
//! It serves a read-only tree of its own (`file`, `dir/inner`, `link` to `file`) to anybody who comes by the address
//! method, and answers honestly but for the malice it was started with. It knows both dialects. Its threads end when it
//! is dropped.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::hostile_driver::bad_names;

/// What the server says when it is asked for the extended dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// It does not know the question.
    Standard,
    /// It agrees.
    Extended,
}

/// One way to mistreat a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malice {
    /// Listings also hold names that no entry can have.
    BadNames,
    /// Listings hold each name twice.
    DuplicateNames,
    /// Listings have no end.
    EndlessListing,
    /// Sizes are negative.
    NegativeSizes,
    /// Sizes are the largest that a signed number can say.
    AbsurdSizes,
    /// Sizes are beyond 64 bits.
    OverflowingSizes,
    /// Every object has set-id and sticky bits and all rights for all.
    SetIdModes,
    /// Regular files are shown as block devices, the first disk.
    Devices,
    /// Modes name no kind of object.
    NoKind,
    /// Lines of attributes have a field too few.
    ShortStat,
    /// Lines of attributes hold words.
    WordStat,
    /// Regular files are shown as links with this text, and so is `link`.
    LinksTo(Vec<u8>),
    /// Reads give more than was asked for.
    LongReads,
    /// Replies announce lengths beyond all memory.
    AbsurdLengths,
    /// Every reply to requests of this verb is a line that has no end.
    EndlessLine(&'static str),
    /// Every reply to this verb is random bytes.
    Garbage(&'static str),
    /// Every reply to this verb is followed by one that nobody asked for.
    Unsolicited(&'static str),
    /// This verb is never answered.
    Silence(&'static str),
    /// The connection is closed in the middle of the reply to this verb.
    HangUp(&'static str),
    /// This verb gives this code, `-127` for example.
    Code(&'static str, i64),
    /// Nothing is said to a new connection, not even on authentication.
    SilentWelcome,
    /// No method of authentication is ever good enough.
    RefusesAll,
    /// The unix method asks the client to make this file.
    Challenge(String),
}

/// A hostile server on loopback.
#[derive(Debug)]
pub struct HostileServer {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    dialect: Dialect,
    malice: Vec<Malice>,
    ended: AtomicBool,
    connections: Mutex<Vec<(TcpStream, JoinHandle<()>)>>,
    log: Mutex<Vec<String>>,
}

impl HostileServer {
    /// Begins to listen on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Of the socket.
    pub fn start(dialect: Dialect, malice: &[Malice]) -> io::Result<HostileServer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            dialect,
            malice: malice.to_vec(),
            ended: AtomicBool::new(false),
            connections: Mutex::new(Vec::new()),
            log: Mutex::new(Vec::new()),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &shared))
        };
        Ok(HostileServer { port, shared, acceptor: Some(acceptor) })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The lines that clients have sent, in the order of their arrival, without line ends.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        lock(&self.shared.log).clone()
    }
}

impl Drop for HostileServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // A connection of our own wakes the acceptor. If that fails it has ended already.
        let _ = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for (stream, thread) in std::mem::take(&mut *lock(&self.shared.connections)) {
            // The client may have closed it first.
            let _ = stream.shutdown(Shutdown::Both);
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let Ok(kept) = stream.try_clone() else { continue };
        let served = Arc::clone(shared);
        let thread = std::thread::spawn(move || {
            // However it ends, the client hung up or was hung up on.
            let _ = serve(&stream, &served);
        });
        lock(&shared.connections).push((kept, thread));
    }
}

/// One connection, from welcome to end.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection {
        input: BufReader::new(stream.try_clone()?),
        output: stream.try_clone()?,
        extended: false,
        shared,
    };
    let outcome = connection.authenticate().and_then(|()| connection.serve_requests());
    // The clone that the server keeps would hold the connection open.
    stream.shutdown(Shutdown::Both)?;
    outcome
}

struct Connection<'a> {
    input: BufReader<TcpStream>,
    output: TcpStream,
    extended: bool,
    shared: &'a Shared,
}

/// The longest request that it reads; a hostile server need not be vulnerable.
const LINE_MAX: u64 = 64 << 10;
/// Linux's numbers and Chirp's codes for what its tree can fail with.
const ENOENT: Failure = Failure { errno: 2, code: -3 };
const EACCES: Failure = Failure { errno: 13, code: -2 };
const EBADF: Failure = Failure { errno: 9, code: -12 };
const EINVAL: Failure = Failure { errno: 22, code: -8 };
const EISDIR: Failure = Failure { errno: 21, code: -13 };
const ENOTDIR: Failure = Failure { errno: 20, code: -14 };
const ELOOP: Failure = Failure { errno: 40, code: -8 };
const ENOSYS: Failure = Failure { errno: 38, code: -8 };

#[derive(Clone, Copy)]
struct Failure {
    errno: i64,
    code: i64,
}

/// An object of the tree that is served.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Object {
    Directory(&'static [&'static str]),
    File(&'static str),
    Link(&'static str),
}

/// Paths and objects; the number in the table is the inode number and the descriptor.
const TREE: &[(&str, Object)] = &[
    ("", Object::Directory(&["file", "dir", "link"])),
    ("/file", Object::File("content\n")),
    ("/dir", Object::Directory(&["inner"])),
    ("/dir/inner", Object::File("inner\n")),
    ("/link", Object::Link("file")),
];

fn find(path: &[u8]) -> Result<usize, Failure> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    TREE.iter().position(|(name, _)| name.as_bytes() == path).ok_or(ENOENT)
}

impl Connection<'_> {
    fn has(&self, malice: &Malice) -> bool {
        self.shared.malice.contains(malice)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        (&mut self.input).take(LINE_MAX).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        lock(&self.shared.log).push(line.clone());
        Ok(line)
    }

    fn say(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.output.write_all(text.as_ref())
    }

    /// Reads and drops until the client closes.
    fn stay_silent(&mut self) -> io::Result<()> {
        io::copy(&mut self.input, &mut io::sink()).map(drop)
    }

    fn authenticate(&mut self) -> io::Result<()> {
        if self.has(&Malice::SilentWelcome) {
            self.stay_silent()?;
        }
        let challenge = self.shared.malice.iter().find_map(|malice| match malice {
            Malice::Challenge(path) => Some(path.clone()),
            _ => None,
        });
        loop {
            match (self.line()?.as_str(), &challenge) {
                ("unix", Some(path)) => {
                    self.say(format!("yes\n{path}\n"))?;
                    if self.line()? == "yes" {
                        self.say("no\n")?;
                    }
                }
                ("address", _) if !self.has(&Malice::RefusesAll) => {
                    return self.say("yes\nyes\nyes\naddress\n127.0.0.1\n");
                }
                _ => self.say("no\n")?,
            }
        }
    }

    fn serve_requests(&mut self) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
            let Some((&verb, arguments)) = words.split_first() else { continue };
            self.consume_data(verb, arguments)?;
            let reply = self.reply(verb, arguments);
            if !self.deliver(verb, &reply)? {
                return Ok(());
            }
        }
    }

    /// The data that follows some requests is theirs, whatever becomes of them.
    fn consume_data(&mut self, verb: &str, arguments: &[&str]) -> io::Result<()> {
        let announced = match verb {
            "pwrite" | "swrite" => arguments.get(1),
            "setxattr" | "lsetxattr" | "fsetxattr" => arguments.get(2),
            _ => None,
        };
        let count = announced.and_then(|word| word.parse().ok()).unwrap_or(0);
        io::copy(&mut (&mut self.input).take(count), &mut io::sink()).map(drop)
    }

    /// Sends a reply, or what malice puts in its place. False if the connection is to be closed.
    fn deliver(&mut self, verb: &str, reply: &[u8]) -> io::Result<bool> {
        let malice = self.shared.malice.iter().find(|malice| match malice {
            Malice::EndlessLine(of)
            | Malice::Garbage(of)
            | Malice::Unsolicited(of)
            | Malice::Silence(of)
            | Malice::HangUp(of)
            | Malice::Code(of, _) => *of == verb,
            _ => false,
        });
        match malice {
            Some(Malice::EndlessLine(_)) => loop {
                self.say([b'1'; 4096])?;
            },
            Some(Malice::Garbage(_)) => {
                let mut chance = crate::chance::Chance::new(reply.len() as u64);
                let garbage: Vec<u8> = (0..5000).map(|_| chance.below(256) as u8).collect();
                self.say(garbage)?;
            }
            Some(Malice::Unsolicited(_)) => {
                self.say(reply)?;
                self.say("7\nsurplus")?;
            }
            Some(Malice::Silence(_)) => self.stay_silent()?,
            Some(Malice::HangUp(_)) => {
                self.say(&reply[..reply.len() / 2])?;
                return Ok(false);
            }
            Some(Malice::Code(_, code)) => self.say(format!("{code}\n"))?,
            _ if self.has(&Malice::EndlessListing) && matches!(verb, "getdir" | "getlongdir") => {
                self.endless_listing()?;
            }
            _ => self.say(reply)?,
        }
        Ok(true)
    }

    fn endless_listing(&mut self) -> io::Result<()> {
        self.say("0\n")?;
        for number in 0_u64.. {
            let entry = format!("endless-{number}\n{}\n", self.stat_line(1));
            self.say(entry)?;
        }
        Ok(())
    }

    fn reply(&mut self, verb: &str, arguments: &[&str]) -> Vec<u8> {
        if verb == "mynah" && self.shared.dialect == Dialect::Extended {
            self.extended = true;
            return b"1\n1763650000 0 -\n".to_vec();
        }
        self.answer(verb, arguments).unwrap_or_else(|failure| {
            let code = if self.extended { -1000 - failure.errno } else { failure.code };
            format!("{code}\n").into_bytes()
        })
    }

    fn answer(&self, verb: &str, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        let path = || find(&unescape(arguments.first().ok_or(EINVAL)?));
        let fd = || opened(arguments.first().ok_or(EINVAL)?);
        match verb {
            "whoami" => Ok(b"17\naddress:127.0.0.1".to_vec()),
            "stat" | "lstat" => path().map(|index| format!("0\n{}\n", self.stat_line(index)).into_bytes()),
            "fstat" => fd().map(|(index, _)| format!("0\n{}\n", self.stat_line(index)).into_bytes()),
            "statfs" | "fstatfs" => Ok(b"0\n61267 4096 1000000 500000 500000 100000 50000\n".to_vec()),
            "access" => path().map(|_| b"0\n".to_vec()),
            "readlink" => path().and_then(|index| self.readlink(index)),
            "getdir" | "getlongdir" => path().and_then(|index| self.listing(index, verb == "getlongdir")),
            "open" => path().and_then(|index| self.open(index, arguments)),
            "close" | "fsync" => fd().map(|_| b"0\n".to_vec()),
            "pread" => fd().and_then(|(_, content)| self.pread(content, arguments)),
            "getfile" => path().and_then(|index| match TREE[index].1 {
                Object::File(content) => Ok(self.data(content.as_bytes())),
                _ => Err(EISDIR),
            }),
            "mkdir" | "unlink" | "rmdir" | "rename" | "renameat" | "link" | "symlink" | "chmod" | "chown"
            | "lchown" | "truncate" | "utime" | "pwrite" | "ftruncate" | "setattr" | "fsetattr" | "mknod"
            | "setxattr" | "lsetxattr" | "putfile" => Err(EACCES),
            _ => Err(ENOSYS),
        }
    }

    fn open(&self, index: usize, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        match TREE[index].1 {
            Object::File(_) if arguments.get(1).is_some_and(|flags| flags.contains(['w', 'c', 't'])) => {
                Err(EACCES)
            }
            Object::File(_) => Ok(format!("{index}\n{}\n", self.stat_line(index)).into_bytes()),
            Object::Directory(_) => Err(EISDIR),
            Object::Link(_) => Err(ELOOP),
        }
    }

    fn pread(&self, content: &str, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        let number = |at: usize| arguments.get(at).and_then(|word| word.parse::<usize>().ok()).ok_or(EINVAL);
        let (len, offset) = (number(1)?, number(2)?);
        if self.has(&Malice::LongReads) {
            return Ok(self.data(&vec![b'x'; (len + 4096).min(1 << 20)]));
        }
        let rest = content.as_bytes().get(offset..).unwrap_or_default();
        Ok(self.data(&rest[..len.min(rest.len())]))
    }

    fn readlink(&self, index: usize) -> Result<Vec<u8>, Failure> {
        match (self.link_text(), TREE[index].1) {
            (Some(text), Object::Link(_) | Object::File(_)) => Ok(self.data(text)),
            (None, Object::Link(text)) => Ok(self.data(text.as_bytes())),
            _ => Err(EINVAL),
        }
    }

    fn link_text(&self) -> Option<&[u8]> {
        self.shared.malice.iter().find_map(|malice| match malice {
            Malice::LinksTo(text) => Some(&text[..]),
            _ => None,
        })
    }

    fn listing(&self, index: usize, with_stat: bool) -> Result<Vec<u8>, Failure> {
        let (dir, Object::Directory(entries)) = TREE[index] else { return Err(ENOTDIR) };
        let mut names: Vec<(Vec<u8>, usize)> = entries
            .iter()
            .filter_map(|name| {
                Some((name.as_bytes().to_vec(), find(format!("{dir}/{name}").as_bytes()).ok()?))
            })
            .collect();
        if self.has(&Malice::DuplicateNames) {
            names.extend(names.clone());
        }
        if self.has(&Malice::BadNames) {
            names.extend(bad_names().into_iter().map(|name| (name, 1)));
        }
        let mut reply = b"0\n".to_vec();
        for (name, index) in names {
            reply.extend(self.listed(&name));
            reply.push(b'\n');
            if with_stat {
                reply.extend(self.stat_line(index).bytes());
                reply.push(b'\n');
            }
        }
        reply.push(b'\n');
        Ok(reply)
    }

    /// A name in a listing as the dialect sends it.
    fn listed(&self, name: &[u8]) -> Vec<u8> {
        if self.extended { escape(name) } else { name.to_vec() }
    }

    /// A length and so many bytes.
    fn data(&self, bytes: &[u8]) -> Vec<u8> {
        let told =
            if self.has(&Malice::AbsurdLengths) { i64::MAX.to_string() } else { bytes.len().to_string() };
        [told.as_bytes(), b"\n", bytes].concat()
    }

    fn stat_line(&self, index: usize) -> String {
        let (mode, size) = self.mode_and_size(index);
        let ino = index + 1;
        let rdev = if self.has(&Malice::Devices) { 8 << 8 } else { 0 };
        let line = if self.extended {
            format!(
                "{ino} {mode} 1 1000 1000 {rdev} {size} 4096 8 1000000000 0 1000000000 0 1000000000 0 0 -1"
            )
        } else {
            format!("64 {ino} {mode} 1 1000 1000 {rdev} {size} 4096 8 1000000000 1000000000 1000000000")
        };
        if self.has(&Malice::ShortStat) {
            return line.rsplit_once(' ').map(|(start, _)| start.to_owned()).unwrap_or_default();
        }
        if self.has(&Malice::WordStat) {
            return line.replace("4096", "four thousand and ninety-six");
        }
        line
    }

    fn mode_and_size(&self, index: usize) -> (u32, String) {
        let (bits, rights, size) = match TREE[index].1 {
            Object::Directory(_) => (kind::DIRECTORY, 0o755, 4096),
            Object::File(_) if self.link_text().is_some() => (kind::LINK, 0o777, 4),
            Object::File(_) if self.has(&Malice::Devices) => (kind::BLOCK, 0o666, 0),
            Object::File(content) => (kind::FILE, 0o644, content.len()),
            Object::Link(text) => (kind::LINK, 0o777, text.len()),
        };
        let bits = if self.has(&Malice::NoKind) { 0o030_000 } else { bits };
        let rights = if self.has(&Malice::SetIdModes) { 0o7777 } else { rights };
        let size = match () {
            () if self.has(&Malice::NegativeSizes) => "-1".to_owned(),
            () if self.has(&Malice::AbsurdSizes) => i64::MAX.to_string(),
            () if self.has(&Malice::OverflowingSizes) => "99999999999999999999999999".to_owned(),
            () => size.to_string(),
        };
        (bits | rights, size)
    }
}

/// The bits of `st_mode` that name a kind, as Linux numbers them.
mod kind {
    pub(super) const DIRECTORY: u32 = 0o040_000;
    pub(super) const FILE: u32 = 0o100_000;
    pub(super) const LINK: u32 = 0o120_000;
    pub(super) const BLOCK: u32 = 0o060_000;
}

/// The file that a descriptor stands for.
fn opened(fd: &str) -> Result<(usize, &'static str), Failure> {
    let index: usize = fd.parse().map_err(|_| EBADF)?;
    match TREE.get(index) {
        Some((_, Object::File(content))) => Ok((index, content)),
        _ => Err(EBADF),
    }
}

fn unescape(word: &str) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let value = match after {
            [high, low, ..] if byte == b'%' => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        plain.push(value.unwrap_or(byte));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    plain
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn escape(text: &[u8]) -> Vec<u8> {
    text.iter()
        .flat_map(|&byte| match byte {
            0..=32 | b'%' | 127.. => format!("%{byte:02X}").into_bytes(),
            _ => vec![byte],
        })
        .collect()
}
