//! Replies: how a server writes them, and how a client reads them as their bytes come in.

use super::{Dialect, Malformed, REPLY_LINE_MAX, Shape, code, line, path, stat};
use bytes::{Bytes, BytesMut};
use mynah_vfs::{Errno, FsStat, Stat, Time};
use std::fmt;
use std::io::Write;

/// The most entries of a listing that a client takes.
pub const ENTRIES_MAX: usize = 4 << 20;
/// The most bytes of a listing that a client takes.
pub const LISTING_MAX: usize = 1 << 30;
/// The longest storage instance, in bytes.
pub const INSTANCE_MAX: usize = 64;

/// One entry of a listing, as it was sent: the name is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name's bytes.
    pub name: Vec<u8>,
    /// Attributes, where they were sent and the server could read them.
    pub stat: Option<Stat>,
}

/// The reply to `mynah`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The version of the dialect that both will use.
    pub version: i64,
    /// The server's clock.
    pub now: Time,
    /// Changes when writes that were acknowledged may have been lost; `None` if the server cannot tell.
    pub instance: Option<Vec<u8>>,
}

/// A whole reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A negative number; [`code::decode`] tells what it means.
    Error(i64),
    /// [`Shape::Value`], and the first line of [`Shape::Dialogue`].
    Value(i64),
    /// [`Shape::Stat`] with its number.
    Stat(i64, Stat),
    /// [`Shape::FsStat`].
    FsStat(FsStat),
    /// [`Shape::Bytes`].
    Bytes(Bytes),
    /// [`Shape::Names`] and [`Shape::LongNames`].
    Entries(Vec<Entry>),
    /// [`Shape::Lines`].
    Lines(Vec<Bytes>),
    /// [`Shape::Hello`].
    Hello(Hello),
}

/// Why a reply cannot be taken. Either way the connection is out of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadReply {
    /// It breaks the protocol.
    Malformed(Malformed),
    /// It is a listing beyond [`ENTRIES_MAX`] or [`LISTING_MAX`].
    TooBig,
}

impl From<Malformed> for BadReply {
    fn from(malformed: Malformed) -> BadReply {
        BadReply::Malformed(malformed)
    }
}

impl fmt::Display for BadReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadReply::Malformed(malformed) => malformed.fmt(f),
            BadReply::TooBig => f.write_str("a listing that does not end"),
        }
    }
}

impl std::error::Error for BadReply {}

/// Appends the first line of a reply.
pub fn value(value: i64, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = writeln!(out, "{value}");
}

/// Appends an error reply.
pub fn error(errno: Errno, dialect: Dialect, out: &mut Vec<u8>) {
    value(code::encode(errno, dialect), out);
}

/// Appends bytes with their number before them.
pub fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    value(i64::try_from(bytes.len()).unwrap_or(i64::MAX), out);
    out.extend_from_slice(bytes);
}

/// Appends the reply to `mynah`.
pub fn hello(hello: &Hello, out: &mut Vec<u8>) {
    value(hello.version, out);
    let Time { sec, nsec } = hello.now;
    // Writing to a vector cannot fail.
    let _ = write!(out, "{sec} {nsec} ");
    out.extend_from_slice(hello.instance.as_deref().unwrap_or(b"-"));
    out.push(b'\n');
}

/// Appends the name line of a listing's entry. `false`, and nothing appended, if the dialect cannot express the name.
#[must_use]
pub fn entry_name(name: &[u8], dialect: Dialect, out: &mut Vec<u8>) -> bool {
    match dialect {
        Dialect::Extended => path::encode(name, out),
        Dialect::Standard if name.contains(&b'\n') => return false,
        Dialect::Standard => out.extend_from_slice(name),
    }
    out.push(b'\n');
    true
}

/// The line of a listing for attributes that could not be read, in the extended dialect.
pub const NO_STAT: &[u8] = b"-";

/// Reads one reply as its bytes come in.
#[derive(Debug)]
pub struct Decoder {
    shape: Shape,
    dialect: Dialect,
    /// The most bytes that a [`Shape::Bytes`] may bring.
    limit: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    First,
    /// The number has been read; one more line follows.
    Second(i64),
    Body(usize),
    Listing {
        entries: Vec<Entry>,
        /// A name whose attributes follow.
        name: Option<Vec<u8>>,
        seen: usize,
    },
    Lines {
        lines: Vec<Bytes>,
        seen: usize,
    },
}

impl Decoder {
    /// A decoder for one reply of this shape; `limit` bounds what a [`Shape::Bytes`] may bring.
    #[must_use]
    pub fn new(shape: Shape, dialect: Dialect, limit: usize) -> Decoder {
        Decoder { shape, dialect, limit, state: State::First }
    }

    /// How many more bytes than `have` are certainly needed; 0 if that is not known.
    #[must_use]
    pub fn missing(&self, have: usize) -> usize {
        match self.state {
            State::Body(len) => len.saturating_sub(have),
            _ => 0,
        }
    }

    /// Takes what belongs to this reply off the front of `input`; the reply once it is whole.
    ///
    /// # Errors
    /// [`BadReply`]: the connection can no longer be understood.
    pub fn feed(&mut self, input: &mut BytesMut) -> Result<Option<Reply>, BadReply> {
        loop {
            if let State::Body(len) = self.state {
                return Ok((input.len() >= len).then(|| Reply::Bytes(input.split_to(len).freeze())));
            }
            let Some(line) = line::take(input, REPLY_LINE_MAX)? else { return Ok(None) };
            if let Some(reply) = self.line(&line)? {
                return Ok(Some(reply));
            }
        }
    }

    fn line(&mut self, line: &Bytes) -> Result<Option<Reply>, BadReply> {
        match &mut self.state {
            State::First => self.first(line),
            State::Second(number) => {
                let number = *number;
                self.second(number, line).map(Some)
            }
            State::Listing { entries, name, seen } => {
                bounded(seen, line, entries.len())?;
                let more = listing_line(self.shape, self.dialect, entries, name, line)?;
                Ok((!more).then(|| Reply::Entries(std::mem::take(entries))))
            }
            State::Lines { lines, seen } => {
                bounded(seen, line, lines.len())?;
                if line.is_empty() {
                    return Ok(Some(Reply::Lines(std::mem::take(lines))));
                }
                lines.push(line.clone());
                Ok(None)
            }
            State::Body(_) => Ok(None),
        }
    }

    fn first(&mut self, line: &[u8]) -> Result<Option<Reply>, BadReply> {
        let number = line::integer(line).ok_or(Malformed("a number as the first line of a reply"))?;
        if number < 0 {
            return Ok(Some(Reply::Error(number)));
        }
        self.state = match self.shape {
            Shape::Value | Shape::Dialogue => return Ok(Some(Reply::Value(number))),
            Shape::Stat | Shape::FsStat | Shape::Hello => State::Second(number),
            Shape::Bytes => match usize::try_from(number) {
                Ok(len) if len <= self.limit => State::Body(len),
                _ => return Err(Malformed("no more bytes than were asked for").into()),
            },
            Shape::Names | Shape::LongNames => State::Listing { entries: Vec::new(), name: None, seen: 0 },
            Shape::Lines => State::Lines { lines: Vec::new(), seen: 0 },
        };
        Ok(None)
    }

    fn second(&self, number: i64, line: &[u8]) -> Result<Reply, BadReply> {
        Ok(match self.shape {
            Shape::FsStat => Reply::FsStat(stat::decode_fs(line)?),
            Shape::Hello => Reply::Hello(decode_hello(number, line)?),
            _ => Reply::Stat(number, stat::decode(line, self.dialect)?),
        })
    }
}

fn bounded(seen: &mut usize, line: &[u8], entries: usize) -> Result<(), BadReply> {
    *seen = seen.saturating_add(line.len() + 1);
    if *seen > LISTING_MAX || entries > ENTRIES_MAX { Err(BadReply::TooBig) } else { Ok(()) }
}

/// Takes one line of a listing; `false` when it was the last.
fn listing_line(
    shape: Shape,
    dialect: Dialect,
    entries: &mut Vec<Entry>,
    pending: &mut Option<Vec<u8>>,
    line: &[u8],
) -> Result<bool, Malformed> {
    if let Some(name) = pending.take() {
        entries.push(Entry { name, stat: listed_stat(line, dialect)? });
        return Ok(true);
    }
    if line.is_empty() {
        return Ok(false);
    }
    let name = match dialect {
        Dialect::Standard => line.to_vec(),
        Dialect::Extended => path::decode(line),
    };
    match shape {
        Shape::LongNames => *pending = Some(name),
        _ => entries.push(Entry { name, stat: None }),
    }
    Ok(true)
}

/// The attributes of a listed entry. An existing server sends zeros for those that it could not read.
fn listed_stat(line: &[u8], dialect: Dialect) -> Result<Option<Stat>, Malformed> {
    match dialect {
        Dialect::Extended if line == NO_STAT => Ok(None),
        Dialect::Standard if line::integers::<13>(line).is_some_and(|fields| fields[2] == 0) => Ok(None),
        _ => stat::decode(line, dialect).map(Some),
    }
}

fn decode_hello(version: i64, line: &[u8]) -> Result<Hello, Malformed> {
    const WHAT: Malformed = Malformed("a clock and a storage instance");
    let mut words = line::words(line);
    let mut word = || words.next().ok_or(WHAT);
    let sec = line::integer(word()?).ok_or(WHAT)?;
    let nsec = line::integer(word()?).and_then(|nsec| u32::try_from(nsec).ok()).ok_or(WHAT)?;
    let instance = word()?;
    if nsec >= 1_000_000_000 || instance.len() > INSTANCE_MAX {
        return Err(WHAT);
    }
    let instance = (instance != b"-").then(|| instance.to_vec());
    Ok(Hello { version, now: Time { sec, nsec }, instance })
}

#[cfg(test)]
mod tests {
    use super::super::stat::tests::any_stat;
    use super::*;
    use proptest::prelude::*;

    /// Feeds `bytes` one at a time, as the worst of networks would.
    fn read(shape: Shape, dialect: Dialect, bytes: &[u8]) -> Result<Option<Reply>, BadReply> {
        let mut decoder = Decoder::new(shape, dialect, 1000);
        let mut input = BytesMut::new();
        for (at, byte) in bytes.iter().enumerate() {
            input.extend_from_slice(&[*byte]);
            if let Some(reply) = decoder.feed(&mut input)? {
                assert!(input.is_empty() && at + 1 == bytes.len(), "left over after {reply:?}");
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    fn whole(shape: Shape, text: &str) -> Reply {
        read(shape, Dialect::Standard, text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn every_shape() {
        assert_eq!(whole(Shape::Value, "0\n"), Reply::Value(0));
        assert_eq!(whole(Shape::Bytes, "-3\n"), Reply::Error(-3));
        assert_eq!(whole(Shape::Bytes, "5\nhe\nlo"), Reply::Bytes(Bytes::from("he\nlo")));
        assert_eq!(whole(Shape::Bytes, "0\n"), Reply::Bytes(Bytes::new()));
        assert_eq!(
            whole(Shape::Lines, "0\nunix:alice rwlda\n\n"),
            Reply::Lines(vec![Bytes::from("unix:alice rwlda")])
        );
        let Reply::Stat(3, stat) = whole(Shape::Stat, "3\n1 2 33188 1 0 0 0 6 4096 8 1 2 3\n") else {
            panic!("no STAT")
        };
        assert_eq!(stat.size, 6);
        let Reply::Entries(entries) = whole(Shape::Names, "0\n.\n..\na b\n\n") else { panic!("no names") };
        assert_eq!(entries.iter().map(|e| e.name.clone()).collect::<Vec<_>>(), [&b"."[..], b"..", b"a b"]);
        let text = "0\na\n1 2 33188 1 0 0 0 6 4096 8 1 2 3\ngone\n0 0 0 0 0 0 0 0 0 0 0 0 0\n\n";
        let Reply::Entries(entries) = whole(Shape::LongNames, text) else { panic!("no listing") };
        assert_eq!(entries[0].stat.unwrap().size, 6);
        assert_eq!(entries[1], Entry { name: b"gone".to_vec(), stat: None });
    }

    #[test]
    fn nonsense_is_refused() {
        for (shape, text) in [
            (Shape::Value, "\n"),
            (Shape::Value, "yes\n"),
            (Shape::Value, "99999999999999999999\n"),
            (Shape::Bytes, "1001\n"),
            (Shape::Bytes, "9223372036854775807\n"),
            (Shape::Stat, "0\n1 2 3\n"),
            (Shape::FsStat, "0\n1 2 3\n"),
            (Shape::LongNames, "0\na\n\n"),
            (Shape::Hello, "1\n1 2\n"),
            (Shape::Hello, "1\n1 1000000000 x\n"),
        ] {
            assert!(read(shape, Dialect::Standard, text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(read(Shape::Value, Dialect::Standard, &[b'1'; REPLY_LINE_MAX]).is_err());
    }

    #[test]
    fn listings_that_do_not_end_are_cut_off() {
        let mut decoder = Decoder::new(Shape::Names, Dialect::Standard, 0);
        let piece = b"a\n".repeat(1 << 16);
        let mut input = BytesMut::from(&b"0\n"[..]);
        let mut fed = 0;
        let end = loop {
            input.extend_from_slice(&piece);
            fed += piece.len() / 2;
            match decoder.feed(&mut input) {
                Ok(None) => assert!(fed <= ENTRIES_MAX, "{fed} names and no end"),
                end => break end,
            }
        };
        assert_eq!(end, Err(BadReply::TooBig));
    }

    #[test]
    fn hello_comes_back() {
        for instance in [None, Some(b"boot-1".to_vec())] {
            let sent = Hello { version: 1, now: Time { sec: -5, nsec: 7 }, instance };
            let mut out = Vec::new();
            hello(&sent, &mut out);
            assert_eq!(read(Shape::Hello, Dialect::Standard, &out), Ok(Some(Reply::Hello(sent))));
        }
    }

    proptest! {
        #[test]
        fn listings_come_back(
            listed in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..20), prop::option::of(any_stat())), 0..5)
        ) {
            let mut out = b"0\n".to_vec();
            for (name, stat) in &listed {
                prop_assert!(entry_name(name, Dialect::Extended, &mut out));
                match stat {
                    Some(stat) => super::stat::encode(stat, Dialect::Extended, &mut out),
                    None => out.extend_from_slice(b"-\n"),
                }
            }
            out.push(b'\n');
            let entries = listed.into_iter().map(|(name, stat)| Entry { name, stat }).collect();
            prop_assert_eq!(read(Shape::LongNames, Dialect::Extended, &out), Ok(Some(Reply::Entries(entries))));
        }

        #[test]
        fn any_bytes_are_judged(
            shape in prop::sample::select(vec![
                Shape::Value, Shape::Stat, Shape::FsStat, Shape::Bytes, Shape::Names, Shape::LongNames, Shape::Lines,
                Shape::Hello, Shape::Dialogue,
            ]),
            bytes: Vec<u8>,
            text in "[-0-9a \n]{0,300}",
        ) {
            for dialect in [Dialect::Standard, Dialect::Extended] {
                for given in [&bytes[..], text.as_bytes()] {
                    let mut decoder = Decoder::new(shape, dialect, 1000);
                    let _ = decoder.feed(&mut BytesMut::from(given));
                }
            }
        }
    }
}
