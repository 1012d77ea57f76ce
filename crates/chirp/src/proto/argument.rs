//! The kinds of arguments: how each becomes one word or more of a request line, and back.

use super::{Dialect, line, path};
use mynah_vfs::{NewTime, OpenHow, SetAttrs, Time, VPath};
use std::fmt::Debug;

/// A kind of argument.
pub trait Argument: Sized + Clone + Debug + PartialEq {
    /// Appends the words, with one blank before each.
    fn encode(&self, dialect: Dialect, out: &mut Vec<u8>);

    /// Takes its words off a line; `None` if they are missing or cannot be this kind.
    fn decode(dialect: Dialect, words: &mut dyn Iterator<Item = &[u8]>) -> Option<Self>;

    /// Whether a dialect has a form for this value.
    fn fits(&self, _dialect: Dialect) -> bool {
        true
    }
}

/// A path: escaped in both dialects. Its bytes are as the peer gave them; the server makes them absolute and normal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(pub Vec<u8>);

/// A text that only the extended dialect escapes: that of a link, the name of an extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

/// A word that is never escaped and so holds neither blanks nor control bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub Vec<u8>);

/// The letters of `open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `r`.
    pub read: bool,
    /// `w`.
    pub write: bool,
    /// `c`.
    pub create: bool,
    /// `t`.
    pub truncate: bool,
    /// `a`: every write goes to the end of the file.
    pub append: bool,
    /// `x`.
    pub exclusive: bool,
    /// `s`: every write is on stable storage when it is answered.
    pub sync: bool,
}

/// What `setattr` changes: six words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attrs(pub SetAttrs);

impl Path {
    /// The path argument of a request for `path`.
    #[must_use]
    pub fn of(path: &VPath) -> Path {
        Path(path.as_bytes().to_vec())
    }
}

impl Word {
    /// A word, if these bytes can be one: not empty, no blank, no control byte.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Word> {
        is_word(bytes).then(|| Word(bytes.to_vec()))
    }
}

impl From<OpenHow> for Flags {
    fn from(how: OpenHow) -> Flags {
        Flags {
            read: how.read,
            write: how.write,
            create: how.create,
            truncate: how.truncate,
            exclusive: how.exclusive,
            append: false,
            sync: false,
        }
    }
}

impl Flags {
    /// How a driver opens the file, with this mode for one that is made.
    #[must_use]
    pub fn how(self, mode: u32) -> OpenHow {
        OpenHow {
            read: self.read,
            write: self.write,
            create: self.create,
            exclusive: self.exclusive,
            truncate: self.truncate,
            mode,
        }
    }

    fn letters(&mut self) -> [(u8, &mut bool); 7] {
        [
            (b'r', &mut self.read),
            (b'w', &mut self.write),
            (b'c', &mut self.create),
            (b't', &mut self.truncate),
            (b'a', &mut self.append),
            (b'x', &mut self.exclusive),
            (b's', &mut self.sync),
        ]
    }
}

/// Whether bytes survive as one word of a line: the existing server splits at white space and drops `\r`.
fn is_word(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| b > b' ' && b != 0x7f)
}

impl Argument for Path {
    fn encode(&self, _dialect: Dialect, out: &mut Vec<u8>) {
        out.push(b' ');
        // The wire has no form for an empty path; the server puts a slash in front in any case.
        path::encode(if self.0.is_empty() { b"/" } else { &self.0 }, out);
    }

    fn decode(_dialect: Dialect, words: &mut dyn Iterator<Item = &[u8]>) -> Option<Path> {
        words.next().map(|word| Path(path::decode(word)))
    }

    /// A name with a newline would break the listings of the standard dialect.
    fn fits(&self, dialect: Dialect) -> bool {
        dialect == Dialect::Extended || !self.0.contains(&b'\n')
    }
}

impl Argument for Text {
    fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) {
        out.push(b' ');
        match dialect {
            Dialect::Extended => path::encode(&self.0, out),
            Dialect::Standard => out.extend_from_slice(&self.0),
        }
    }

    fn decode(dialect: Dialect, words: &mut dyn Iterator<Item = &[u8]>) -> Option<Text> {
        words.next().map(|word| match dialect {
            Dialect::Extended => Text(path::decode(word)),
            Dialect::Standard => Text(word.to_vec()),
        })
    }

    fn fits(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Extended => !self.0.is_empty(),
            Dialect::Standard => is_word(&self.0),
        }
    }
}

impl Argument for Word {
    fn encode(&self, _dialect: Dialect, out: &mut Vec<u8>) {
        out.push(b' ');
        out.extend_from_slice(&self.0);
    }

    fn decode(_dialect: Dialect, words: &mut dyn Iterator<Item = &[u8]>) -> Option<Word> {
        words.next().map(|word| Word(word.to_vec()))
    }

    fn fits(&self, _dialect: Dialect) -> bool {
        is_word(&self.0)
    }
}

impl Argument for i64 {
    fn encode(&self, _dialect: Dialect, out: &mut Vec<u8>) {
        push(out, format_args!("{self}"));
    }

    fn decode(_dialect: Dialect, words: &mut dyn Iterator<Item = &[u8]>) -> Option<i64> {
        words.next().and_then(line::integer)
    }
}

impl Argument for Flags {
    fn encode(&self, _dialect: Dialect, out: &mut Vec<u8>) {
        let mut flags = *self;
        out.push(b' ');
        out.extend(flags.letters().into_iter().filter_map(|(letter, set)| set.then_some(letter)));
    }

    /// Letters that are not known are passed over, as everywhere in the protocol.
    fn decode(_dialect: Dialect, words: &mut dyn Iterator<Item = &[u8]>) -> Option<Flags> {
        let word = words.next()?;
        let mut flags = Flags::default();
        for (letter, set) in flags.letters() {
            *set = word.contains(&letter);
        }
        Some(flags)
    }
}

impl Argument for Attrs {
    fn encode(&self, _dialect: Dialect, out: &mut Vec<u8>) {
        let attrs = &self.0;
        for number in
            [attrs.mode.map(u64::from), attrs.uid.map(u64::from), attrs.gid.map(u64::from), attrs.size]
        {
            match number {
                Some(number) => push(out, format_args!("{number}")),
                None => push(out, format_args!("-")),
            }
        }
        for time in [attrs.atime, attrs.mtime] {
            match time {
                Some(NewTime::At(time)) => push(out, format_args!("{}.{}", time.sec, time.nsec)),
                Some(NewTime::Now) => push(out, format_args!("now")),
                None => push(out, format_args!("-")),
            }
        }
    }

    fn decode(_dialect: Dialect, words: &mut dyn Iterator<Item = &[u8]>) -> Option<Attrs> {
        Some(Attrs(SetAttrs {
            mode: small(words)?,
            uid: small(words)?,
            gid: small(words)?,
            size: optional(words, |word| u64::try_from(line::integer(word)?).ok())?,
            atime: optional(words, new_time)?,
            mtime: optional(words, new_time)?,
        }))
    }
}

fn push(out: &mut Vec<u8>, word: std::fmt::Arguments<'_>) {
    use std::io::Write;
    // Writing to a vector cannot fail.
    let _ = write!(out, " {word}");
}

fn small(words: &mut dyn Iterator<Item = &[u8]>) -> Option<Option<u32>> {
    optional(words, |word| u32::try_from(line::integer(word)?).ok())
}

/// A word that is `-` or what `read` makes of it.
fn optional<T>(
    words: &mut dyn Iterator<Item = &[u8]>,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Option<Option<T>> {
    match words.next()? {
        b"-" => Some(None),
        word => read(word).map(Some),
    }
}

fn new_time(word: &[u8]) -> Option<NewTime> {
    if word == b"now" {
        return Some(NewTime::Now);
    }
    let dot = word.iter().position(|&b| b == b'.')?;
    let nsec = u32::try_from(line::integer(&word[dot + 1..])?).ok()?;
    let sec = line::integer(&word[..dot])?;
    (nsec < 1_000_000_000).then_some(NewTime::At(Time { sec, nsec }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(argument: &impl Argument) -> String {
        let mut out = Vec::new();
        argument.encode(Dialect::Standard, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn letters_of_open() {
        let flags = Flags { read: true, write: true, create: true, exclusive: true, ..Flags::default() };
        assert_eq!(text(&flags), " rwcx");
        let read = Flags::decode(Dialect::Standard, &mut [&b"tqws"[..]].into_iter()).unwrap();
        assert_eq!(read, Flags { write: true, truncate: true, sync: true, ..Flags::default() });
    }

    #[test]
    fn attributes_to_change() {
        let attrs = SetAttrs {
            mode: Some(0o1777),
            mtime: Some(NewTime::At(Time { sec: -5, nsec: 1 })),
            atime: Some(NewTime::Now),
            ..SetAttrs::default()
        };
        assert_eq!(text(&Attrs(attrs)), " 1023 - - - now -5.1");
        let words = |line: &'static str| line.split(' ').map(str::as_bytes);
        let read = |line| Attrs::decode(Dialect::Extended, &mut words(line));
        assert_eq!(read("1023 - - - now -5.1"), Some(Attrs(attrs)));
        for bad in
            ["1 2 3 4 5 6", "-1 - - - - -", "- - - -1 - -", "- - - - 1.1000000000 -", "- - - - 1.-1 -", "- -"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_the_standard_cannot_say() {
        assert!(Text(b"a b".to_vec()).fits(Dialect::Extended));
        for bad in [&b"a b"[..], b"a\rb", b"", b"a\n"] {
            assert!(!Text(bad.to_vec()).fits(Dialect::Standard));
            assert_eq!(Word::new(bad), None);
        }
    }
}
