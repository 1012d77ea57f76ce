//! The format of a trace, both ways: records to bytes and back. No I/O. (docs/formats/trace.md)

use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder, decode};
use std::collections::HashMap;
use std::sync::Arc;

/// The version that is written, and the newest that is understood.
pub const VERSION: u64 = 1;
/// Bytes of arguments that the header keeps.
const COMMAND_MAX: usize = 32 << 10;
/// Bytes of one text: a path's.
pub const TEXT_MAX: usize = 4096;
/// Texts known at a time: 256 MiB if each were as long as can be, 4 MiB as paths are.
const TEXTS_MAX: usize = 1 << 16;
/// More than one record can name.
const TEXTS_OF_RECORD: usize = 64;
/// Bytes of one item: the header with its arguments is the largest.
const ITEM_MAX: usize = 1 << 20;
/// "This is CBOR" (RFC 8949, 3.4.6).
const SELF_DESCRIBED: Tag = Tag::new(55799);
const MAGIC: &str = "mynah trace";

/// A name or a path, as bytes.
pub type Text = Arc<[u8]>;

/// How a file begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The processor whose flags the records show.
    pub arch: String,
    /// When the run began: seconds and nanoseconds since 1970-01-01 UTC.
    pub begun: (u64, u32),
    /// The command of the run.
    pub command: Vec<Vec<u8>>,
    /// The version of Mynah that wrote it.
    pub program: String,
}

/// One thing that happened. Times are nanoseconds, `at` since the beginning of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The file begins.
    Header(Header),
    /// A process was met for the first time, or runs another program.
    Process {
        /// When.
        at: i64,
        /// Its number.
        pid: i32,
        /// Its parent's.
        parent: i32,
        /// The kernel's name for it.
        name: Text,
    },
    /// A system call was answered.
    Call(Box<Call>),
    /// A request to a server ended.
    Request(Box<Request>),
    /// A process ended: its status, or its signal negated.
    Ended {
        /// When.
        at: i64,
        /// Its number.
        pid: i32,
        /// Its status.
        status: i32,
    },
    /// Records that are missing here.
    Lost {
        /// How many.
        count: u64,
    },
    /// The run ended.
    End {
        /// When.
        at: i64,
        /// The status of `mynah run`.
        status: i32,
    },
}

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it reached Mynah.
    pub at: i64,
    /// How long until its answer.
    pub took: u64,
    /// Counts the calls of the run.
    pub number: u64,
    /// The process.
    pub pid: i32,
    /// The thread.
    pub tid: i32,
    /// The call's name.
    pub name: Text,
    /// What is kept of its arguments.
    pub arguments: Vec<u64>,
    /// The texts that arguments point to.
    pub texts: Vec<Told>,
    /// Who answered.
    pub answer: Answer,
    /// What the program saw; `None` where only the kernel knows.
    pub result: Option<i64>,
    /// Where it led.
    pub places: Vec<Place>,
    /// Requests to servers that it made.
    pub requests: u64,
    /// Bytes of content that came by them.
    pub fetched: u64,
    /// Bytes of content that went by them.
    pub sent: u64,
}

/// A text that an argument points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Index of the argument.
    pub argument: usize,
    /// The text.
    pub text: Text,
    /// The directory that it is taken from, if it is a relative path.
    pub from: Option<Text>,
}

/// Where something lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The server, as a URL; `None` for this machine.
    pub server: Option<Text>,
    /// The path there.
    pub path: Text,
}

/// Who answered a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The kernel.
    Native,
    /// Mynah.
    Value,
    /// Mynah, with a descriptor.
    Descriptor,
    /// The program, which was made to perform another call.
    Performed,
    /// Nobody yet: the caller was let go to take a signal.
    Signalled,
    /// Nobody: the caller was gone.
    Gone,
}

const ANSWERS: [Answer; 6] =
    [Answer::Native, Answer::Value, Answer::Descriptor, Answer::Performed, Answer::Signalled, Answer::Gone];

/// A request to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it began.
    pub at: i64,
    /// How long it took.
    pub took: u64,
    /// The call that waits for it.
    pub call: Option<u64>,
    /// What was asked, of whom.
    pub server: Text,
    /// The operation.
    pub operation: Text,
    /// Its path.
    pub path: Text,
    /// Its second path.
    pub other: Option<Text>,
    /// 0, or an errno; `None` if it was given up.
    pub error: Option<i32>,
    /// Bytes of content that came or went.
    pub bytes: u64,
    /// The size of the file, where the answer told it.
    pub size: Option<u64>,
}

/// Writes records, one after the other, to the end of a buffer.
#[derive(Default)]
pub struct Writer {
    texts: HashMap<Text, u64>,
    at: i64,
}

impl Writer {
    /// Appends a record.
    pub fn write(&mut self, record: &Record, to: &mut Vec<u8>) {
        if self.texts.len() + TEXTS_OF_RECORD > TEXTS_MAX {
            self.texts.clear();
            item(to, 1, 1);
        }
        match record {
            Record::Header(header) => write_header(header, to),
            Record::Process { at, pid, parent, name } => {
                let name = self.text(name, to);
                let mut out = self.timed(to, 5, 2, *at);
                for number in [i64::from(*pid), i64::from(*parent), name as i64] {
                    out.int(number);
                }
            }
            Record::Call(call) => self.write_call(call, to),
            Record::Request(request) => self.write_request(request, to),
            Record::Ended { at, pid, status } => {
                self.timed(to, 4, 5, *at).int(i64::from(*pid)).int(i64::from(*status));
            }
            Record::Lost { count } => drop(item(to, 2, 6).int(*count as i64)),
            Record::End { at, status } => drop(self.timed(to, 3, 7, *at).int(i64::from(*status))),
        }
    }

    fn write_call(&mut self, call: &Call, to: &mut Vec<u8>) {
        let name = self.text(&call.name, to);
        let mut texts = Vec::with_capacity(call.texts.len());
        for told in &call.texts {
            let from = told.from.as_ref().map(|from| self.text(from, to));
            texts.push((told.argument, self.text(&told.text, to), from));
        }
        let mut places = Vec::with_capacity(call.places.len());
        for place in &call.places {
            let server = place.server.as_ref().map(|server| self.text(server, to));
            places.push((server, self.text(&place.path, to)));
        }
        let mut out = self.timed(to, 15, 3, call.at);
        out.uint(call.took).uint(call.number).int(call.pid.into()).int(call.tid.into()).uint(name);
        out.array(call.arguments.len());
        for argument in &call.arguments {
            out.uint(*argument);
        }
        out.array(texts.len());
        for (argument, text, from) in texts {
            out.array(3).uint(argument as u64).uint(text).maybe(from);
        }
        out.uint(ANSWERS.iter().position(|one| *one == call.answer).unwrap_or(0) as u64);
        match call.result {
            Some(result) => out.int(result),
            None => out.maybe(None),
        };
        out.array(places.len());
        for (server, path) in places {
            out.array(2).maybe(server).uint(path);
        }
        out.uint(call.requests).uint(call.fetched).uint(call.sent);
    }

    fn write_request(&mut self, request: &Request, to: &mut Vec<u8>) {
        let server = self.text(&request.server, to);
        let operation = self.text(&request.operation, to);
        let path = self.text(&request.path, to);
        let other = request.other.as_ref().map(|other| self.text(other, to));
        let mut out = self.timed(to, 11, 4, request.at);
        out.uint(request.took).maybe(request.call).uint(server).uint(operation).uint(path).maybe(other);
        out.maybe(request.error.map(|error| error as u64)).uint(request.bytes).maybe(request.size);
    }

    /// The number of a text, which is written first if it has none.
    fn text(&mut self, text: &Text, to: &mut Vec<u8>) -> u64 {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        item(to, 2, 0).bytes(&text[..text.len().min(TEXT_MAX)]);
        let number = self.texts.len() as u64;
        self.texts.insert(Arc::clone(text), number);
        number
    }

    fn timed<'a>(&mut self, to: &'a mut Vec<u8>, elements: usize, kind: u64, at: i64) -> Out<'a> {
        let since = at.wrapping_sub(self.at);
        self.at = at;
        let mut out = item(to, elements, kind);
        out.int(since);
        out
    }
}

fn write_header(header: &Header, to: &mut Vec<u8>) {
    let mut left = COMMAND_MAX;
    let command: Vec<&[u8]> = header
        .command
        .iter()
        .map_while(|argument| {
            left = left.checked_sub(argument.len() + 1)?;
            Some(argument.as_slice())
        })
        .collect();
    let mut out = Out(Encoder::new(to));
    out.ok(|encoder| encoder.tag(SELF_DESCRIBED).map(drop));
    out.array(6).str(MAGIC).uint(VERSION).str(&header.arch);
    out.array(2).uint(header.begun.0).uint(header.begun.1.into());
    out.array(command.len());
    for argument in command {
        out.bytes(argument);
    }
    out.str(&header.program);
}

/// An array of so many elements, of which the first is the record's kind.
fn item(to: &mut Vec<u8>, elements: usize, kind: u64) -> Out<'_> {
    let mut out = Out(Encoder::new(to));
    out.array(elements).uint(kind);
    out
}

/// What is written to memory cannot fail.
struct Out<'a>(Encoder<&'a mut Vec<u8>>);

impl<'a> Out<'a> {
    fn ok<E>(&mut self, write: impl FnOnce(&mut Encoder<&'a mut Vec<u8>>) -> Result<(), E>) -> &mut Self {
        let written = write(&mut self.0).is_ok();
        debug_assert!(written, "memory takes what is written");
        self
    }

    fn array(&mut self, elements: usize) -> &mut Self {
        self.ok(|encoder| encoder.array(elements as u64).map(drop))
    }

    fn uint(&mut self, number: u64) -> &mut Self {
        self.ok(|encoder| encoder.u64(number).map(drop))
    }

    fn int(&mut self, number: i64) -> &mut Self {
        self.ok(|encoder| encoder.i64(number).map(drop))
    }

    fn maybe(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.uint(number),
            None => self.ok(|encoder| encoder.null().map(drop)),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.ok(|encoder| encoder.bytes(bytes).map(drop))
    }

    fn str(&mut self, text: &str) -> &mut Self {
        self.ok(|encoder| encoder.str(text).map(drop))
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormatError {
    /// It does not begin as traces do.
    #[error("this is not a trace of mynah run")]
    NotATrace,
    /// It is newer than this program.
    #[error("the trace has version {0}; this mynah reads up to {VERSION}")]
    Version(u64),
    /// It makes no sense.
    #[error("the trace is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the item begins that does not.
        at: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads records from bytes that come in pieces of any size.
#[derive(Default)]
pub struct Reader {
    bytes: Vec<u8>,
    used: usize,
    /// Bytes before those that are kept.
    before: u64,
    begun: bool,
    texts: Vec<Text>,
    at: i64,
}

impl Reader {
    /// More bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.before += self.used as u64;
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next record; `None` if more bytes are needed for it.
    ///
    /// # Errors
    /// The bytes are no trace. Nothing can be read after that.
    pub fn next_record(&mut self) -> Result<Option<Record>, FormatError> {
        loop {
            let bytes = &self.bytes[self.used..];
            if bytes.is_empty() {
                return Ok(None);
            }
            let mut decoder = Decoder::new(bytes);
            let read = if self.begun {
                read_record(&mut decoder, &mut self.texts, &mut self.at)
            } else {
                read_header(&mut decoder).map(Some)
            };
            match read {
                Ok(record) => {
                    self.used += decoder.position();
                    self.begun = true;
                    if record.is_some() {
                        return Ok(record);
                    }
                }
                Err(Wrong::Cut) if bytes.len() < ITEM_MAX => return Ok(None),
                Err(wrong) => return Err(self.told(wrong)),
            }
        }
    }

    /// Bytes at the end that are no whole record.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len() - self.used
    }

    fn told(&self, wrong: Wrong) -> FormatError {
        let at = self.before + self.used as u64;
        match wrong {
            _ if !self.begun && !matches!(wrong, Wrong::Version(_)) => FormatError::NotATrace,
            Wrong::Version(version) => FormatError::Version(version),
            Wrong::Cut => FormatError::Damaged { at, what: "an item without end".to_owned() },
            Wrong::Item(error) => FormatError::Damaged { at, what: error.to_string() },
            Wrong::Number(what) => FormatError::Damaged { at, what: what.to_owned() },
        }
    }
}

/// Why an item cannot be read.
enum Wrong {
    /// Its end is not here.
    Cut,
    Version(u64),
    Item(decode::Error),
    Number(&'static str),
}

impl From<decode::Error> for Wrong {
    fn from(error: decode::Error) -> Wrong {
        if error.is_end_of_input() { Wrong::Cut } else { Wrong::Item(error) }
    }
}

fn read_header(decoder: &mut Decoder<'_>) -> Result<Record, Wrong> {
    if decoder.tag()? != SELF_DESCRIBED {
        return Err(Wrong::Number("another tag"));
    }
    let more = elements(decoder, 6)?;
    if decoder.str()? != MAGIC {
        return Err(Wrong::Number("another kind of file"));
    }
    let version = decoder.u64()?;
    if version > VERSION {
        return Err(Wrong::Version(version));
    }
    let arch = decoder.str()?.to_owned();
    let rest = elements(decoder, 2)?;
    let begun = (decoder.u64()?, decoder.u32()?);
    skip(decoder, rest)?;
    let mut command = Vec::new();
    for _ in 0..elements(decoder, 0)? {
        command.push(decoder.bytes()?.to_vec());
    }
    let program = decoder.str()?.to_owned();
    skip(decoder, more)?;
    Ok(Record::Header(Header { arch, begun, command, program }))
}

/// The next record; `None` for one that is of no interest to readers. Nothing is taken note of unless all of it is here.
fn read_record(
    decoder: &mut Decoder<'_>,
    texts: &mut Vec<Text>,
    last: &mut i64,
) -> Result<Option<Record>, Wrong> {
    let more = elements(decoder, 1)?;
    let kind = decoder.u64()?;
    let Some(more) = more.checked_sub(elements_of(kind)) else {
        return Err(Wrong::Number("a record with too few elements"));
    };
    let timed = matches!(kind, 2..=5 | 7);
    let at = if timed { last.wrapping_add(decoder.i64()?) } else { *last };
    let mut item = Item { decoder, texts };
    let record = match kind {
        0 => {
            let text = item.decoder.bytes()?;
            if text.len() > TEXT_MAX || texts.len() >= TEXTS_MAX {
                return Err(Wrong::Number("too much text"));
            }
            let text = text.into();
            skip(decoder, more)?;
            texts.push(text);
            return Ok(None);
        }
        1 => None,
        2 => Some(Record::Process { at, pid: item.int()?, parent: item.int()?, name: item.text()? }),
        3 => Some(Record::Call(Box::new(item.call(at)?))),
        4 => Some(Record::Request(Box::new(item.request(at)?))),
        5 => Some(Record::Ended { at, pid: item.int()?, status: item.int()? }),
        6 => Some(Record::Lost { count: item.decoder.u64()? }),
        7 => Some(Record::End { at, status: item.int()? }),
        _ => None,
    };
    skip(decoder, more)?;
    if kind == 1 {
        texts.clear();
    }
    *last = at;
    Ok(record)
}

/// Elements of a record after its kind.
fn elements_of(kind: u64) -> u64 {
    match kind {
        0 | 6 => 1,
        2 => 4,
        3 => 14,
        4 => 10,
        5 => 3,
        7 => 2,
        _ => 0,
    }
}

/// The head of an array: how many elements it has beyond the first `known`.
fn elements(decoder: &mut Decoder<'_>, known: u64) -> Result<u64, Wrong> {
    let elements = decoder.array()?.ok_or(Wrong::Number("an array of indefinite length"))?;
    elements.checked_sub(known).ok_or(Wrong::Number("an array with too few elements"))
}

/// Passes over elements that a newer writer added.
fn skip(decoder: &mut Decoder<'_>, elements: u64) -> Result<(), Wrong> {
    for _ in 0..elements {
        decoder.skip()?;
    }
    Ok(())
}

/// The elements of one record.
struct Item<'d, 'b, 't> {
    decoder: &'d mut Decoder<'b>,
    texts: &'t [Text],
}

impl Item<'_, '_, '_> {
    fn call(&mut self, at: i64) -> Result<Call, Wrong> {
        let (took, number) = (self.decoder.u64()?, self.decoder.u64()?);
        let (pid, tid, name) = (self.int()?, self.int()?, self.text()?);
        let arguments = self.each(|item| Ok(item.decoder.u64()?))?;
        let texts = self.each(|item| {
            let rest = elements(item.decoder, 3)?;
            let argument = item.decoder.u8()?.into();
            let told = Told { argument, text: item.text()?, from: item.maybe(Item::text)? };
            skip(item.decoder, rest)?;
            Ok(told)
        })?;
        let answer = self.decoder.u64()?;
        let answer = ANSWERS.get(answer as usize).ok_or(Wrong::Number("an answer that nobody gives"))?;
        let result = self.maybe(|item| Ok(item.decoder.i64()?))?;
        let places = self.each(|item| {
            let rest = elements(item.decoder, 2)?;
            let place = Place { server: item.maybe(Item::text)?, path: item.text()? };
            skip(item.decoder, rest)?;
            Ok(place)
        })?;
        let (requests, fetched, sent) = (self.decoder.u64()?, self.decoder.u64()?, self.decoder.u64()?);
        let answer = *answer;
        Ok(Call {
            at,
            took,
            number,
            pid,
            tid,
            name,
            arguments,
            texts,
            answer,
            result,
            places,
            requests,
            fetched,
            sent,
        })
    }

    fn request(&mut self, at: i64) -> Result<Request, Wrong> {
        Ok(Request {
            at,
            took: self.decoder.u64()?,
            call: self.maybe(|item| Ok(item.decoder.u64()?))?,
            server: self.text()?,
            operation: self.text()?,
            path: self.text()?,
            other: self.maybe(Item::text)?,
            error: self.maybe(Item::int)?,
            bytes: self.decoder.u64()?,
            size: self.maybe(|item| Ok(item.decoder.u64()?))?,
        })
    }

    fn int(&mut self) -> Result<i32, Wrong> {
        Ok(self.decoder.i32()?)
    }

    fn text(&mut self) -> Result<Text, Wrong> {
        let number = self.decoder.u64()?;
        let text = usize::try_from(number).ok().and_then(|number| self.texts.get(number));
        text.map(Arc::clone).ok_or(Wrong::Number("a text that was not told"))
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<Option<T>, Wrong> {
        if self.decoder.datatype()? == Type::Null {
            self.decoder.null()?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// The elements of an array. Room is made as they come: the number is anybody's.
    fn each<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
        let mut all = Vec::new();
        for _ in 0..elements(self.decoder, 0)? {
            all.push(read(self)?);
        }
        Ok(all)
    }
}
