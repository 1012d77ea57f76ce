//! The text of mounts: what a user writes after `-m` and in a mount file.
//!
//! An argument is `PREFIX=TARGET[,option...]`; a line of a mount file is `prefix target [option,...]`, the words
//! separated by blanks. `#` where a word would begin makes the rest of its line a comment. The target is one of:
//!
//! * a local or virtual path: `/data`, `output.7.txt`, `/chirp/host/data`;
//! * a URL: `chirp://host:port/path`, its path percent-encoded. `?` and `#` are part of the path;
//! * `-`: nothing, which needs `deny` or `hide`, and these two need it: `-m /secret=-,deny`.
//!
//! A backslash takes the meaning from the byte after it (`\=`, `\,`, `\ `, `\#`, `\\`), and before three octal digits
//! it stands for the byte of that number, as in fstab(5): `\012` is a newline. A target that begins with a backslash
//! is always a path: `\-` is the file `-`.
//!
//! Nothing is looked up here: which schemes exist, whether a target exists, is judged where it is used.

use crate::{PATH_MAX, VPath};
use std::fmt;
use std::time::Duration;

/// One mount as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSpec {
    /// Where it is to appear: an absolute path, or one relative to the working directory. Not empty, no NUL.
    pub prefix: Vec<u8>,
    /// What is to appear there.
    pub target: Target,
    /// How.
    pub options: MountOptions,
}

/// What stands before the program of a resolver.
const RESOLVER: &str = "resolver:";

/// What a mount shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A local or virtual path as written. Not empty, no NUL.
    Path(Vec<u8>),
    /// A place on a server.
    Url(Url),
    /// Whatever a program of the user's says for each name: its path as written. Not empty, no NUL.
    Resolver(Vec<u8>),
    /// Nothing: the prefix is denied or hidden.
    None,
}

/// A place on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// In lower case.
    pub scheme: String,
    /// `host[:port]` as written; empty in `scheme:///path`.
    pub authority: String,
    /// Decoded, absolute and textually normal, as [`VPath::normal`] makes it.
    pub path: Vec<u8>,
}

/// When one client's writes are seen by others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// An open sees what was closed before it.
    #[default]
    Session,
    /// A read sees every write that completed before it.
    Strict,
}

/// Where a server's symbolic links may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// Only to names of the same mount.
    #[default]
    Beneath,
    /// Anywhere.
    All,
}

/// The options of a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// Changes give EROFS.
    pub read_only: bool,
    /// All that is at and below the prefix gives EACCES.
    pub deny: bool,
    /// All that is at and below the prefix is absent: ENOENT.
    pub hide: bool,
    /// Nothing can be executed: EACCES.
    pub noexec: bool,
    /// How long a call may wait for the server; `None` leaves it to `--timeout`.
    pub timeout: Option<Duration>,
    /// `st_blksize` to show, in bytes; `None` leaves it to the driver.
    pub blksize: Option<u32>,
    /// When writes are seen by others.
    pub consistency: Consistency,
    /// Where links may lead.
    pub symlinks: Symlinks,
}

impl MountOptions {
    /// These options for a mount that shows another one, which was given `around`: what that one keeps from being done
    /// stays so. Links of the machine's own tree (`native`) lead wherever they lead, whatever is said.
    #[must_use]
    pub fn narrowed_by(&self, around: &MountOptions, native: bool) -> MountOptions {
        let leave = self.symlinks == Symlinks::All && (native || around.symlinks == Symlinks::All);
        MountOptions {
            read_only: self.read_only || around.read_only,
            deny: self.deny || around.deny,
            hide: self.hide || around.hide,
            noexec: self.noexec || around.noexec,
            timeout: self.timeout.or(around.timeout),
            blksize: self.blksize.or(around.blksize),
            consistency: around.consistency,
            symlinks: if leave { Symlinks::All } else { Symlinks::Beneath },
        }
    }
}

/// The longest time that an option can set. Whoever wants to wait for ever will not notice the difference, and sums of
/// moments cannot overflow.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The smallest `blksize=`, in bytes: a disk's sector.
pub const BLKSIZE_MIN: u32 = 512;
/// The largest `blksize=`, in bytes: the largest transfer that a Chirp server takes.
pub const BLKSIZE_MAX: u32 = 16 << 20;

/// One option that a mount can have. Parsing, error texts and help all come from [`OPTIONS`].
#[derive(Debug)]
pub struct MountOption {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
    setter: Setter,
    /// Its value as a user would write it (empty for a flag); `None` where it says what is so without it.
    written: fn(&MountOptions) -> Option<String>,
}

#[derive(Debug)]
enum Setter {
    Flag(fn(&mut MountOptions)),
    /// `form` shows the values that can stand after `=`.
    Value {
        form: &'static str,
        set: fn(&mut MountOptions, &[u8]) -> Option<()>,
    },
}

/// All options, in the order in which help shows them.
pub static OPTIONS: &[MountOption] = &[
    MountOption {
        name: "ro",
        help: "changes fail with EROFS",
        setter: Setter::Flag(|options| options.read_only = true),
        written: |options| flag(options.read_only),
    },
    MountOption {
        name: "deny",
        help: "every use fails with EACCES; the target is -",
        setter: Setter::Flag(|options| options.deny = true),
        written: |options| flag(options.deny),
    },
    MountOption {
        name: "hide",
        help: "the name and all below it are absent; the target is -",
        setter: Setter::Flag(|options| options.hide = true),
        written: |options| flag(options.hide),
    },
    MountOption {
        name: "noexec",
        help: "nothing there can be executed",
        setter: Setter::Flag(|options| options.noexec = true),
        written: |options| flag(options.noexec),
    },
    MountOption {
        name: "timeout",
        help: "how long a call may wait for the server",
        setter: Setter::Value {
            form: "30, 30s, 5m, 500ms or 1h, at most 24h",
            set: |options, value| parse_timeout(value).map(|time| options.timeout = Some(time)),
        },
        written: |options| options.timeout.map(|time| format!("{}ms", time.as_millis())),
    },
    MountOption {
        name: "blksize",
        help: "preferred size of one transfer to show to programs",
        setter: Setter::Value {
            form: "bytes, a power of two from 512 to 16777216",
            set: |options, value| parse_blksize(value).map(|size| options.blksize = Some(size)),
        },
        written: |options| options.blksize.map(|size| size.to_string()),
    },
    MountOption {
        name: "consistency",
        help: "when writes are seen by others",
        setter: Setter::Value {
            form: "session or strict",
            set: |options, value| {
                options.consistency = match value {
                    b"session" => Consistency::Session,
                    b"strict" => Consistency::Strict,
                    _ => return None,
                };
                Some(())
            },
        },
        written: |options| (options.consistency == Consistency::Strict).then(|| "strict".to_owned()),
    },
    MountOption {
        name: "symlinks",
        help: "where a server's links may lead: within this mount, or anywhere",
        setter: Setter::Value {
            form: "beneath or all",
            set: |options, value| {
                options.symlinks = match value {
                    b"beneath" => Symlinks::Beneath,
                    b"all" => Symlinks::All,
                    _ => return None,
                };
                Some(())
            },
        },
        written: |options| (options.symlinks == Symlinks::All).then(|| "all".to_owned()),
    },
];

fn flag(set: bool) -> Option<String> {
    set.then(String::new)
}

impl MountOption {
    /// What can stand after `name=`; `None` for an option without a value.
    #[must_use]
    pub const fn form(&self) -> Option<&'static str> {
        match self.setter {
            Setter::Flag(_) => None,
            Setter::Value { form, .. } => Some(form),
        }
    }
}

/// As a user writes it, up to the value: `ro`, `timeout=`.
impl fmt::Display for MountOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.form().is_some() { "=" } else { "" })
    }
}

/// As a user writes them: `ro,timeout=500ms`; nothing if all is as without them.
impl fmt::Display for MountOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = OPTIONS.iter().filter_map(|row| Some((row, (row.written)(self)?)));
        for (number, (row, value)) in written.enumerate() {
            write!(f, "{}{row}{value}", if number > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// A line of a mount file that says the same.
impl fmt::Display for MountSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.prefix)?;
        f.write_str(" ")?;
        match &self.target {
            Target::None => f.write_str("-")?,
            Target::Path(path) => write_path(f, path)?,
            Target::Resolver(program) => {
                f.write_str(RESOLVER)?;
                write_path(f, program)?;
            }
            Target::Url(url) => write_escaped(f, url.to_string().as_bytes(), b":%-+_.~/?@&;![]()*'$")?,
        }
        write!(f, " {}", self.options)
    }
}

fn write_path(f: &mut fmt::Formatter<'_>, path: &[u8]) -> fmt::Result {
    // A path that is `-` alone would mean nothing, and with a colon it may look like a URL.
    write_escaped(f, path, if path == b"-" { b"" } else { b"/._-" })
}

/// Letters, digits and `plain` as they are, all else by number.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &[u8], plain: &[u8]) -> fmt::Result {
    for &byte in text {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            write!(f, "{}", char::from(byte))?;
        } else {
            write!(f, "\\{byte:03o}")?;
        }
    }
    Ok(())
}

/// Text that is no mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountError {
    /// The line, counted from 1; 0 for an argument, which has no lines.
    pub line: usize,
    /// The first byte at fault, counted from 1 within its line.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for MountError {}

/// Reads what follows `-m`: `PREFIX=TARGET[,option...]`.
///
/// # Errors
/// Says at which byte the text stops being a mount, and why. `line` is 0.
pub fn parse_argument(text: &[u8]) -> Result<MountSpec, MountError> {
    let whole = Word { raw: text, line: 0, column: 1 };
    let (prefix, rest) = whole.split_at_plain(b'=');
    let Some(rest) = rest else {
        return Err(whole.error("no \"=\": a mount is PREFIX=TARGET[,option...]"));
    };
    let (target, options) = rest.split_at_plain(b',');
    mount(prefix, target, options)
}

/// Reads a mount file. Empty lines and comments are skipped. `check` may have more to say of each mount: what it says is
/// told of the place where the mount's target stands.
///
/// # Errors
/// The first line that is no mount, and why.
pub fn parse_file(
    text: &[u8],
    check: impl Fn(&MountSpec) -> Result<(), String>,
) -> Result<Vec<MountSpec>, MountError> {
    text.split(|&byte| byte == b'\n')
        .enumerate()
        .filter_map(|(index, line)| parse_line(line, index + 1, &check).transpose())
        .collect()
}

/// A time as options give it: a whole number with `ms`, `s`, `m`, `h` or nothing (seconds). `None` for anything else,
/// for 0, and beyond [`TIMEOUT_MAX`].
#[must_use]
pub fn parse_timeout(text: &[u8]) -> Option<Duration> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = parse_number(&text[..digits])?;
    let ms = match &text[digits..] {
        b"ms" => Some(number),
        b"" | b"s" => number.checked_mul(1000),
        b"m" => number.checked_mul(60 * 1000),
        b"h" => number.checked_mul(60 * 60 * 1000),
        _ => None,
    }?;
    let time = Duration::from_millis(ms);
    (!time.is_zero() && time <= TIMEOUT_MAX).then_some(time)
}

impl Url {
    /// Reads `scheme://authority/path`. `None` if the text does not begin with a scheme and `://`.
    ///
    /// # Errors
    /// The offset of the byte at fault, and what is wrong with it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Result<Url, (usize, &'static str)>> {
        let colon = text.windows(3).position(|window| window == b"://")?;
        let scheme = std::str::from_utf8(&text[..colon]).ok()?;
        let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        valid.then(|| Url::parse_rest(scheme, text, colon + b"://".len()))
    }

    fn parse_rest(scheme: &str, text: &[u8], start: usize) -> Result<Url, (usize, &'static str)> {
        let rest = &text[start..];
        let end = start + rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
        let authority = &text[start..end];
        if let Some(bad) = authority.iter().position(|byte| !byte.is_ascii_graphic()) {
            return Err((start + bad, "a host name holds only printable ASCII"));
        }
        let decoded = percent_decode(&text[end..]).map_err(|(at, why)| (end + at, why))?;
        let path = VPath::normal(&decoded).ok_or((end, "the path of a URL cannot hold a NUL"))?;
        Ok(Url {
            scheme: scheme.to_ascii_lowercase(),
            authority: String::from_utf8_lossy(authority).into_owned(),
            path: path.as_bytes().to_vec(),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)?;
        for &byte in &self.path {
            match byte {
                b'!'..=b'~' if byte != b'%' => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

/// A piece of the text, still with its backslashes, that knows where it stands.
#[derive(Clone, Copy)]
struct Word<'a> {
    raw: &'a [u8],
    line: usize,
    column: usize,
}

impl<'a> Word<'a> {
    fn error(&self, message: impl Into<String>) -> MountError {
        self.error_at(0, message)
    }

    fn error_at(&self, offset: usize, message: impl Into<String>) -> MountError {
        MountError { line: self.line, column: self.column + offset, message: message.into() }
    }

    fn after(self, offset: usize) -> Word<'a> {
        Word { raw: &self.raw[offset..], line: self.line, column: self.column + offset }
    }

    fn up_to(self, offset: usize) -> Word<'a> {
        Word { raw: &self.raw[..offset], ..self }
    }

    /// Where the first byte stands that has no backslash before it and fits.
    fn position_plain(&self, fits: impl Fn(u8) -> bool) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = self.raw.get(at) {
            match byte {
                b'\\' => at += 2,
                _ if fits(byte) => return Some(at),
                _ => at += 1,
            }
        }
        None
    }

    /// What stands before and after the first plain `separator`.
    fn split_at_plain(self, separator: u8) -> (Word<'a>, Option<Word<'a>>) {
        match self.position_plain(|byte| byte == separator) {
            Some(at) => (self.up_to(at), Some(self.after(at + 1))),
            None => (self, None),
        }
    }

    /// The bytes meant, and for each of them the offset at which it is written.
    fn unescape(&self) -> Result<Unescaped, MountError> {
        let mut plain = Unescaped { bytes: Vec::with_capacity(self.raw.len()), offsets: Vec::new() };
        let mut at = 0;
        while at < self.raw.len() {
            let (byte, used) = match &self.raw[at..] {
                [b'\\'] => return Err(self.error_at(at, "a backslash stands at the end")),
                [b'\\', escaped @ ..] => octal_byte(escaped).map_or((escaped[0], 2), |byte| (byte, 4)),
                rest => (rest[0], 1),
            };
            if byte == 0 {
                return Err(self.error_at(at, "a path cannot hold a NUL"));
            }
            plain.bytes.push(byte);
            plain.offsets.push(at);
            at += used;
        }
        Ok(plain)
    }

    /// A path: not empty, and short enough for a system call.
    fn path(&self, what: &str) -> Result<Vec<u8>, MountError> {
        let bytes = self.unescape()?.bytes;
        if bytes.is_empty() {
            return Err(self.error(format!("the {what} is empty")));
        }
        if bytes.len() >= PATH_MAX {
            return Err(self.error(format!("the {what} is longer than {} bytes", PATH_MAX - 1)));
        }
        Ok(bytes)
    }
}

struct Unescaped {
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn parse_line(
    line: &[u8],
    number: usize,
    check: impl Fn(&MountSpec) -> Result<(), String>,
) -> Result<Option<MountSpec>, MountError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut rest = Word { raw: line, line: number, column: 1 };
    let Some(prefix) = next_word(&mut rest) else {
        return Ok(None);
    };
    let Some(target) = next_word(&mut rest) else {
        // What is wrong with the first word is the nearer cause.
        prefix.path("prefix")?;
        return Err(rest.error("no target: a line is \"prefix target [option,...]\""));
    };
    let options = next_word(&mut rest);
    if let Some(surplus) = next_word(&mut rest) {
        return Err(surplus.error("text after the options, which are separated by commas without blanks"));
    }
    let spec = mount(prefix, target, options)?;
    check(&spec).map_err(|message| target.error(message))?;
    Ok(Some(spec))
}

/// Cuts the next word off; `None` at the end of the line or at a comment.
fn next_word<'a>(rest: &mut Word<'a>) -> Option<Word<'a>> {
    let start = rest.raw.iter().position(|&byte| !is_blank(byte)).unwrap_or(rest.raw.len());
    *rest = rest.after(start);
    if matches!(rest.raw.first(), None | Some(b'#')) {
        return None;
    }
    let end = rest.position_plain(is_blank).unwrap_or(rest.raw.len());
    let word = rest.up_to(end);
    *rest = rest.after(end);
    Some(word)
}

fn mount(prefix: Word<'_>, target: Word<'_>, options: Option<Word<'_>>) -> Result<MountSpec, MountError> {
    let spec = MountSpec {
        prefix: parse_prefix(prefix)?,
        target: parse_target(target)?,
        options: options.map(parse_options).transpose()?.unwrap_or_default(),
    };
    check_agreement(&spec, target, options)?;
    Ok(spec)
}

fn parse_prefix(word: Word<'_>) -> Result<Vec<u8>, MountError> {
    let prefix = word.path("prefix")?;
    if Url::parse(word.raw).is_some() {
        return Err(word.error("a URL stands where the prefix belongs: the prefix comes first"));
    }
    Ok(prefix)
}

fn parse_target(word: Word<'_>) -> Result<Target, MountError> {
    match word.raw {
        b"-" => return Ok(Target::None),
        b"" => return Err(word.error("no target: write a path, a URL, or - with deny or hide")),
        _ => {}
    }
    if word.raw.starts_with(RESOLVER.as_bytes()) {
        return word.after(RESOLVER.len()).path("program").map(Target::Resolver);
    }
    // Whether a URL is meant shows in the text as written, so that `chirp\://x` can be a path.
    if Url::parse(word.raw).is_none() {
        return word.path("target").map(Target::Path);
    }
    let plain = word.unescape()?;
    match Url::parse(&plain.bytes) {
        Some(Ok(url)) => Ok(Target::Url(url)),
        Some(Err((at, why))) => Err(word.error_at(plain.offsets.get(at).copied().unwrap_or(0), why)),
        None => Ok(Target::Path(plain.bytes)),
    }
}

fn parse_options(word: Word<'_>) -> Result<MountOptions, MountError> {
    let mut options = MountOptions::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut rest = Some(word);
    while let Some(word) = rest {
        let (option, after) = word.split_at_plain(b',');
        let row = parse_option(option, &mut options)?;
        if seen.contains(&row.name) {
            return Err(option.error(format!("option \"{}\" is given twice", row.name)));
        }
        seen.push(row.name);
        rest = after;
    }
    Ok(options)
}

fn parse_option(word: Word<'_>, options: &mut MountOptions) -> Result<&'static MountOption, MountError> {
    let (name, value) = word.split_at_plain(b'=');
    let Some(row) = OPTIONS.iter().find(|row| row.name.as_bytes() == name.raw) else {
        let known: Vec<String> = OPTIONS.iter().map(ToString::to_string).collect();
        let message = format!("unknown option \"{}\"; known: {}", name.raw.escape_ascii(), known.join(" "));
        return Err(word.error(message));
    };
    match (&row.setter, value) {
        (Setter::Flag(set), None) => set(options),
        (Setter::Flag(_), Some(value)) => {
            return Err(value.error(format!("option \"{}\" takes no value", row.name)));
        }
        (Setter::Value { form, .. }, None) => {
            return Err(word.error(format!("option \"{row}\" needs a value: {form}")));
        }
        (Setter::Value { form, set }, Some(value)) => {
            if set(options, &value.unescape()?.bytes).is_none() {
                let message = format!("\"{row}\" takes {form}; not \"{}\"", value.raw.escape_ascii());
                return Err(value.error(message));
            }
        }
    }
    Ok(row)
}

/// A mount without a target is denied or hidden and nothing else; one with a target is neither.
fn check_agreement(spec: &MountSpec, target: Word<'_>, options: Option<Word<'_>>) -> Result<(), MountError> {
    let closed = MountOptions { deny: spec.options.deny, hide: spec.options.hide, ..MountOptions::default() };
    let timed = MountOptions { timeout: spec.options.timeout, ..MountOptions::default() };
    let options = options.unwrap_or(target);
    match (&spec.target, closed.deny, closed.hide) {
        (_, true, true) => Err(options.error("deny and hide exclude each other")),
        (Target::None, false, false) => Err(target.error("the target - needs deny or hide")),
        (Target::None, ..) if spec.options != closed => {
            Err(options.error("no other option has a meaning with deny or hide"))
        }
        (Target::Path(_) | Target::Url(_) | Target::Resolver(_), deny, hide) if deny || hide => {
            Err(target.error("deny and hide show no target: write - in its place"))
        }
        (Target::Resolver(_), ..) if spec.options != timed => Err(options
            .error("a resolver gives names to what has options of its own; only timeout= has a meaning")),
        _ => Ok(()),
    }
}

fn parse_blksize(text: &[u8]) -> Option<u32> {
    let size = u32::try_from(parse_number(text)?).ok()?;
    (size.is_power_of_two() && (BLKSIZE_MIN..=BLKSIZE_MAX).contains(&size)).then_some(size)
}

/// Decimal digits and nothing else; `None` beyond 64 bits.
fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The byte that three octal digits at the beginning name.
fn octal_byte(digits: &[u8]) -> Option<u8> {
    let &[a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] = digits else {
        return None;
    };
    Some(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'))
}

fn percent_decode(text: &[u8]) -> Result<Vec<u8>, (usize, &'static str)> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let byte = match &text[at..] {
            [b'%', rest @ ..] => {
                let why = "% in a URL stands before two hexadecimal digits; % itself is %25";
                hex_byte(rest).ok_or((at, why))?
            }
            [byte, ..] => *byte,
            [] => break,
        };
        if byte == 0 {
            return Err((at, "the path of a URL cannot hold a NUL"));
        }
        decoded.push(byte);
        at += if text[at] == b'%' { 3 } else { 1 };
    }
    Ok(decoded)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let &[high, low, ..] = digits else { return None };
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some((value(high)? << 4) | value(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &[u8]) -> Target {
        Target::Path(text.to_vec())
    }

    fn url(scheme: &str, authority: &str, path: &[u8]) -> Target {
        Target::Url(Url { scheme: scheme.into(), authority: authority.into(), path: path.to_vec() })
    }

    fn spec(prefix: &[u8], target: Target, options: MountOptions) -> MountSpec {
        MountSpec { prefix: prefix.to_vec(), target, options }
    }

    #[test]
    fn arguments() {
        let none = MountOptions::default;
        let cases: &[(&[u8], MountSpec)] = &[
            (b"/data=/chirp/host/data", spec(b"/data", path(b"/chirp/host/data"), none())),
            (b"output.txt=output.7.txt", spec(b"output.txt", path(b"output.7.txt"), none())),
            (b"/=chirp://Host:9094/", spec(b"/", url("chirp", "Host:9094", b"/"), none())),
            (b"/c=CHIRP://[::1]:9094", spec(b"/c", url("chirp", "[::1]:9094", b"/"), none())),
            (b"/c=chirp://h/a%20b/../%c3%A4?x#y", spec(b"/c", url("chirp", "h", b"/\xc3\xa4?x#y"), none())),
            (b"/c=x-y+z.1:///p", spec(b"/c", url("x-y+z.1", "", b"/p"), none())),
            (b"/c=9p://h/", spec(b"/c", path(b"9p://h/"), none())),
            (br"/c=chirp\://h/", spec(b"/c", path(b"chirp://h/"), none())),
            (br"/a\=b=/c\,d=e", spec(b"/a=b", path(b"/c,d=e"), none())),
            (br"/n\012l\\=\-", spec(b"/n\nl\\", path(b"-"), none())),
            (b"/\xff\xfe=/\x80", spec(b"/\xff\xfe", path(b"/\x80"), none())),
            (b"/secret=-,deny", spec(b"/secret", Target::None, MountOptions { deny: true, ..none() })),
            (b"/s=-,hide", spec(b"/s", Target::None, MountOptions { hide: true, ..none() })),
            (
                b"/d=/e,ro,noexec,timeout=500ms,blksize=65536,consistency=strict,symlinks=all",
                spec(
                    b"/d",
                    path(b"/e"),
                    MountOptions {
                        read_only: true,
                        noexec: true,
                        timeout: Some(Duration::from_millis(500)),
                        blksize: Some(65536),
                        consistency: Consistency::Strict,
                        symlinks: Symlinks::All,
                        ..none()
                    },
                ),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_argument(text).as_ref(), Ok(expected), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn bad_arguments_say_where_and_why() {
        let known = "known: ro deny hide noexec timeout= blksize= consistency= symlinks=";
        let long = [b"/".as_slice(), &[b'a'; 5000], b"=/x"].concat();
        let cases: &[(&[u8], usize, &str)] = &[
            (b"", 1, "no \"=\""),
            (b"/a", 1, "PREFIX=TARGET"),
            (b"=/a", 1, "the prefix is empty"),
            (b"/a=", 4, "no target"),
            (b"/a=,deny", 4, "no target"),
            (b"/a=-", 4, "the target - needs deny or hide"),
            (b"/a=-,ro", 4, "the target - needs deny or hide"),
            (b"/a=/b,deny", 4, "deny and hide show no target"),
            (b"/a=chirp://h/,hide", 4, "deny and hide show no target"),
            (b"/a=-,deny,hide", 6, "deny and hide exclude each other"),
            (b"/a=-,deny,ro", 6, "no other option has a meaning"),
            (b"/a=/b,foo", 7, known),
            (b"/a=/b,", 7, "unknown option \"\""),
            (b"/a=/b,ro,,noexec", 10, "unknown option \"\""),
            (b"/a=/b,\xff=3", 7, r#"unknown option "\xff""#),
            (b"/a=/b,RO", 7, "unknown option \"RO\""),
            (b"/a=/b,ro,ro", 10, "option \"ro\" is given twice"),
            (b"/a=/b,timeout=1,timeout=1", 17, "given twice"),
            (b"/a=/b,ro=1", 10, "option \"ro\" takes no value"),
            (b"/a=/b,timeout", 7, "option \"timeout=\" needs a value: 30, 30s"),
            (b"/a=/b,timeout=soon", 15, "\"timeout=\" takes 30, 30s, 5m, 500ms or 1h"),
            (b"/a=/b,blksize=1000", 15, "a power of two from 512 to 16777216; not \"1000\""),
            (b"/a=/b,consistency=loose", 19, "session or strict"),
            (b"/a=/b,symlinks=", 16, "beneath or all"),
            (b"/a=/b\\", 6, "a backslash stands at the end"),
            (b"/a\0=/b", 3, "NUL"),
            (br"/a=/b\000", 6, "NUL"),
            (b"/a=chirp://h/%00", 14, "NUL"),
            (b"/a=chirp://h/%4", 14, "two hexadecimal digits"),
            (br"/a=chirp://h/\,%zz", 16, "two hexadecimal digits"),
            (b"/a=chirp://h\xc3\xa4/", 13, "printable ASCII"),
            (b"chirp://h/=/a", 1, "the prefix comes first"),
            (&long, 1, "longer than 4095 bytes"),
        ];
        for (text, column, message) in cases {
            let error = parse_argument(text).unwrap_err();
            assert_eq!((error.line, error.column), (0, *column), "{}: {error}", text.escape_ascii());
            assert!(error.message.contains(message), "{}: {error}", text.escape_ascii());
        }
    }

    #[test]
    fn files() {
        let text = b"# what the run sees\n\
            \n\
            /data\tchirp://h/d  ro,timeout=5m # nightly\r\n\
            \t/with\\040blank /and\\ another\n\
            /a#b /c\\#d\n\
            /tmp/x -  hide";
        let mounts = parse_file(text, |_| Ok(())).unwrap();
        let options =
            MountOptions { read_only: true, timeout: Some(Duration::from_secs(300)), ..Default::default() };
        assert_eq!(
            mounts,
            [
                spec(b"/data", url("chirp", "h", b"/d"), options),
                spec(b"/with blank", path(b"/and another"), MountOptions::default()),
                spec(b"/a#b", path(b"/c#d"), MountOptions::default()),
                spec(b"/tmp/x", Target::None, MountOptions { hide: true, ..Default::default() }),
            ]
        );
        assert_eq!(parse_file(b"", |_| Ok(())), Ok(vec![]));
    }

    #[test]
    fn bad_files_say_line_and_column() {
        for (text, told) in [
            (
                b"/a /b\n\n/ccc /dddddd foo".as_slice(),
                "line 3, column 14: unknown option \"foo\"; known: ro deny",
            ),
            (b"/a /b ro noexec", "line 1, column 10: text after the options"),
            (b"/a # /b", "line 1, column 4: no target"),
            (b"  /a", "line 1, column 5: no target"),
            (b"/a /b\\\n/c /d", "line 1, column 6: a backslash stands at the end"),
            (b"#\n/a - ro", "line 2, column 4: the target - needs deny or hide"),
        ] {
            let error = parse_file(text, |_| Ok(())).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn timeouts() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (text, expected) in [
            ("30", seconds(30)),
            ("30s", seconds(30)),
            ("5m", seconds(300)),
            ("24h", seconds(86400)),
            ("500ms", Some(Duration::from_millis(500))),
            ("25h", None),
            ("0", None),
            ("0ms", None),
            ("", None),
            ("s", None),
            ("-1", None),
            ("+1", None),
            ("1.5s", None),
            ("1 s", None),
            ("18446744073709551615h", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_timeout(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn block_sizes() {
        for (text, expected) in [
            ("512", Some(512)),
            ("16777216", Some(16 << 20)),
            ("256", None),
            ("33554432", None),
            ("4k", None),
            ("4097", None),
            ("", None),
        ] {
            assert_eq!(parse_blksize(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn urls_are_shown_as_they_can_be_read() {
        let Target::Url(url) = url("chirp", "h:1", b"/a b%\xff") else { unreachable!() };
        assert_eq!(url.to_string(), "chirp://h:1/a%20b%25%FF");
        assert_eq!(Url::parse(url.to_string().as_bytes()), Some(Ok(url)));
    }

    #[test]
    fn mounts_are_shown_as_they_can_be_read() {
        for text in [
            br"/data chirp://h:1/a%20b/\043c\,d ro,noexec,timeout=1500ms,blksize=512,symlinks=all".as_slice(),
            br"/a\ \# /b\,c\\ consistency=strict",
            b"/\xff\xfe chirp\\://x",
            br"x \-",
            br"/name resolver:/usr/local/bin/a\040b timeout=300ms",
            br"/x resolver\:/path",
            b"/s - hide",
            b"/s - deny",
        ] {
            let read = parse_file(text, |_| Ok(())).unwrap();
            let shown: String = read.iter().map(|spec| format!("{spec}\n")).collect();
            assert_eq!(parse_file(shown.as_bytes(), |_| Ok(())).as_ref(), Ok(&read), "{shown}");
        }
    }

    #[test]
    fn a_mount_that_shows_another_can_do_no_more() {
        let around = MountOptions { read_only: true, noexec: true, blksize: Some(512), ..Default::default() };
        let asked = MountOptions { symlinks: Symlinks::All, ..Default::default() };
        assert_eq!(asked.narrowed_by(&around, false), around);
        assert_eq!(asked.narrowed_by(&around, true), MountOptions { symlinks: Symlinks::All, ..around });
    }

    #[test]
    fn any_bytes_give_an_answer() {
        // Every string of up to five of the bytes that mean something.
        let bytes = b"/=,-\\0: #a%\n";
        let count = bytes.len() + 1;
        for number in 0..count.pow(5) {
            let text: Vec<u8> =
                (0..5).filter_map(|place| bytes.get(number / count.pow(place) % count).copied()).collect();
            for error in
                [parse_argument(&text).err(), parse_file(&text, |_| Ok(())).err()].into_iter().flatten()
            {
                assert!(error.column >= 1 && error.column <= text.len() + 1, "{text:?}: {error}");
            }
        }
    }
}
