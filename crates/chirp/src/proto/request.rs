//! The requests: one row each, from which both codecs derive.

use super::argument::{Argument, Attrs, Flags, Path, Text, Word};
use super::{Dialect, XATTR_MAX, line};
use mynah_vfs::{Errno, PATH_MAX};

/// The longest digest, in bytes: that of SHA-512.
const DIGEST_MAX: usize = 64;

/// What a successful reply holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One line with a number.
    Value,
    /// A number, then a STAT line.
    Stat,
    /// A number, then a STATFS line.
    FsStat,
    /// A number, then so many bytes.
    Bytes,
    /// A number, then one name per line up to an empty line.
    Names,
    /// A number, then a name line and a STAT line per entry up to an empty line.
    LongNames,
    /// A number, then lines up to an empty line.
    Lines,
    /// A version, then the server's clock and storage instance.
    Hello,
    /// A dialogue or a stream of its own: only its first line, a number, has the common form.
    Dialogue,
}

/// What a client may do when the connection was lost before the reply came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterLoss {
    /// Send it again: done twice is as good as done once.
    Repeat,
    /// Look first whether it was done.
    Look,
}

/// What is fixed about one kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The first word of its line.
    pub verb: &'static str,
    /// What a successful reply holds.
    pub reply: Shape,
    /// What may be done after a lost reply.
    pub after_loss: AfterLoss,
}

/// Why a request cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// Its line is longer than the dialect allows.
    TooLong,
    /// The dialect has no form for one of its arguments.
    NoForm,
}

impl Unsendable {
    /// The errno that says so.
    #[must_use]
    pub const fn errno(self) -> Errno {
        match self {
            Unsendable::TooLong => Errno::ENAMETOOLONG,
            Unsendable::NoForm => Errno::EOPNOTSUPP,
        }
    }
}

/// Why a line is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// No such verb.
    UnknownVerb,
    /// Arguments are missing or are not of their kind.
    Arguments {
        /// Whether data follows whose length is not known, so that the connection is out of step.
        out_of_step: bool,
    },
}

impl BadRequest {
    /// The errno to answer.
    #[must_use]
    pub const fn errno(self) -> Errno {
        match self {
            BadRequest::UnknownVerb => Errno::ENOSYS,
            BadRequest::Arguments { .. } => Errno::EINVAL,
        }
    }

    /// Whether what follows on the connection cannot be understood.
    #[must_use]
    pub const fn out_of_step(self) -> bool {
        matches!(self, BadRequest::Arguments { out_of_step: true })
    }
}

macro_rules! requests {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident $verb:literal ( $($field:ident : $kind:ty),* ) $(+ $data:ident)? => $reply:ident, $after:ident;
    )*) => {
        /// A request. The fields of each are those of the protocol's description, in its order.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "the fields are documented by the protocol's table")]
        pub enum Request {
            $( $(#[doc = $doc])* $name { $($field: $kind),* }, )*
        }

        /// All rows, in the order of the protocol's description.
        pub const ROWS: &[Row] =
            &[$( Row { verb: $verb, reply: Shape::$reply, after_loss: AfterLoss::$after } ),*];

        impl Request {
            /// What is fixed about this kind of request.
            #[must_use]
            pub const fn row(&self) -> Row {
                match self {
                    $( Request::$name { .. } =>
                        Row { verb: $verb, reply: Shape::$reply, after_loss: AfterLoss::$after }, )*
                }
            }

            /// The number of bytes that follow the line at once; `None` if none do.
            #[must_use]
            pub fn data_len(&self) -> Option<u64> {
                match self {
                    $($( Request::$name { $data, .. } => u64::try_from(*$data).ok(), )?)*
                    _ => None,
                }
            }

            fn fits(&self, dialect: Dialect) -> bool {
                match self {
                    $( Request::$name { $($field),* } => { let _ = dialect; true $( && $field.fits(dialect) )* } )*
                }
            }

            fn encode_arguments(&self, dialect: Dialect, out: &mut Vec<u8>) {
                match self {
                    $( Request::$name { $($field),* } => { $( $field.encode(dialect, out); )* let _ = (dialect, &out); } )*
                }
            }

            fn decode_words(
                verb: &[u8],
                dialect: Dialect,
                words: &mut dyn Iterator<Item = &[u8]>,
            ) -> Result<Request, BadRequest> {
                match std::str::from_utf8(verb) {
                    $( Ok($verb) => {
                        let bad = || BadRequest::Arguments { out_of_step: false $(|| stringify!($data) != "")? };
                        $( let $field = <$kind>::decode(dialect, words).ok_or_else(bad)?; )*
                        $( if $data < 0 { return Err(bad()); } )?
                        let _ = bad;
                        Ok(Request::$name { $($field),* })
                    } )*
                    _ => Err(BadRequest::UnknownVerb),
                }
            }
        }
    };
}

requests! {
    // Between Mynahs: see docs/formats/chirp-extensions.md.

    /// Asks for the extended dialect.
    Mynah "mynah" (version: i64) => Hello, Repeat;
    /// Changes attributes of an entry.
    Setattr "setattr" (path: Path, attrs: Attrs) => Value, Repeat;
    /// Changes attributes of an open file.
    Fsetattr "fsetattr" (fd: i64, attrs: Attrs) => Value, Repeat;
    /// Makes a special file.
    Mknod "mknod" (path: Path, mode: i64, rdev: i64) => Value, Look;
    /// Renames, with a choice of what happens to a target.
    Renameat "renameat" (old: Path, new: Path, how: i64) => Value, Look;

    // File descriptors and data. What names a descriptor dies with its connection, so that "Repeat" means: on the same file opened again.

    /// Opens a file.
    Open "open" (path: Path, flags: Flags, mode: i64) => Stat, Repeat;
    /// Closes a descriptor.
    Close "close" (fd: i64) => Value, Repeat;
    /// Reads at an offset.
    Pread "pread" (fd: i64, length: i64, offset: i64) => Bytes, Repeat;
    /// Writes at an offset.
    Pwrite "pwrite" (fd: i64, length: i64, offset: i64) + length => Value, Repeat;
    /// Reads pieces at regular distances.
    Sread "sread" (fd: i64, length: i64, stride_length: i64, stride_skip: i64, offset: i64) => Bytes, Repeat;
    /// Writes pieces at regular distances.
    Swrite "swrite" (fd: i64, length: i64, stride_length: i64, stride_skip: i64, offset: i64) + length => Value, Repeat;
    /// Attributes of an open file.
    Fstat "fstat" (fd: i64) => Stat, Repeat;
    /// Figures of the file system of an open file.
    Fstatfs "fstatfs" (fd: i64) => FsStat, Repeat;
    /// Puts an open file on stable storage.
    Fsync "fsync" (fd: i64) => Value, Repeat;
    /// Cuts or extends an open file.
    Ftruncate "ftruncate" (fd: i64, length: i64) => Value, Repeat;
    /// Changes the permission bits of an open file.
    Fchmod "fchmod" (fd: i64, mode: i64) => Value, Repeat;
    /// Changes the owner of an open file.
    Fchown "fchown" (fd: i64, uid: i64, gid: i64) => Value, Repeat;
    /// An extended attribute of an open file.
    Fgetxattr "fgetxattr" (fd: i64, name: Text) => Bytes, Repeat;
    /// The names of the extended attributes of an open file.
    Flistxattr "flistxattr" (fd: i64) => Bytes, Repeat;
    /// Sets an extended attribute of an open file.
    Fsetxattr "fsetxattr" (fd: i64, name: Text, size: i64, flags: i64) + size => Value, Look;
    /// Takes away an extended attribute of an open file.
    Fremovexattr "fremovexattr" (fd: i64, name: Text) => Value, Look;

    // Names and attributes.

    /// Attributes of what a path leads to.
    Stat "stat" (path: Path) => Stat, Repeat;
    /// Attributes of an entry.
    Lstat "lstat" (path: Path) => Stat, Repeat;
    /// Figures of a file system.
    Statfs "statfs" (path: Path) => FsStat, Repeat;
    /// Whether the server lets us.
    Access "access" (path: Path, bits: i64) => Value, Repeat;
    /// Changes permission bits.
    Chmod "chmod" (path: Path, mode: i64) => Value, Repeat;
    /// Changes the owner.
    Chown "chown" (path: Path, uid: i64, gid: i64) => Value, Repeat;
    /// Changes the owner of an entry.
    Lchown "lchown" (path: Path, uid: i64, gid: i64) => Value, Repeat;
    /// Cuts or extends a file.
    Truncate "truncate" (path: Path, length: i64) => Value, Repeat;
    /// Changes times, in whole seconds.
    Utime "utime" (path: Path, atime: i64, mtime: i64) => Value, Repeat;
    /// Takes away a name.
    Unlink "unlink" (path: Path) => Value, Look;
    /// Takes away an empty directory.
    Rmdir "rmdir" (path: Path) => Value, Look;
    /// Takes away a whole tree.
    Rmall "rmall" (path: Path) => Value, Look;
    /// Gives an object another name.
    Rename "rename" (old: Path, new: Path) => Value, Look;
    /// Gives a file one more name.
    Link "link" (old: Path, new: Path) => Value, Look;
    /// Makes a symbolic link.
    Symlink "symlink" (target: Text, new: Path) => Value, Look;
    /// The text of a symbolic link.
    Readlink "readlink" (path: Path, length: i64) => Bytes, Repeat;
    /// Makes a directory.
    Mkdir "mkdir" (path: Path, mode: i64) => Value, Look;
    /// The names in a directory.
    Getdir "getdir" (path: Path) => Names, Repeat;
    /// The names in a directory with their attributes.
    Getlongdir "getlongdir" (path: Path) => LongNames, Repeat;
    /// An extended attribute.
    Getxattr "getxattr" (path: Path, name: Text) => Bytes, Repeat;
    /// An extended attribute of the entry itself.
    Lgetxattr "lgetxattr" (path: Path, name: Text) => Bytes, Repeat;
    /// The names of the extended attributes.
    Listxattr "listxattr" (path: Path) => Bytes, Repeat;
    /// The names of the extended attributes of the entry itself.
    Llistxattr "llistxattr" (path: Path) => Bytes, Repeat;
    /// Sets an extended attribute.
    Setxattr "setxattr" (path: Path, name: Text, size: i64, flags: i64) + size => Value, Look;
    /// Sets an extended attribute of the entry itself.
    Lsetxattr "lsetxattr" (path: Path, name: Text, size: i64, flags: i64) + size => Value, Look;
    /// Takes away an extended attribute.
    Removexattr "removexattr" (path: Path, name: Text) => Value, Look;
    /// Takes away an extended attribute of the entry itself.
    Lremovexattr "lremovexattr" (path: Path, name: Text) => Value, Look;

    // Whole files, streams, copies.

    /// A whole file.
    Getfile "getfile" (path: Path) => Dialogue, Repeat;
    /// Replaces a whole file.
    Putfile "putfile" (path: Path, mode: i64, length: i64) => Dialogue, Repeat;
    /// A file up to the end of the connection.
    Getstream "getstream" (path: Path) => Dialogue, Repeat;
    /// Replaces a file by what comes up to the end of the connection.
    Putstream "putstream" (path: Path) => Dialogue, Repeat;
    /// Copies a tree to another server.
    Thirdput "thirdput" (path: Path, host: Word, newpath: Path) => Value, Repeat;
    /// A digest of a file.
    Hash "hash" (algorithm: Word, path: Path) => Bytes, Repeat;
    /// A digest of a file, in the older form.
    Md5 "md5" (path: Path) => Bytes, Repeat;
    /// Looks for names. The paths are separated by `|`.
    Search "search" (pattern: Word, paths: Path, flags: i64) => Lines, Repeat;

    // Identity, ACL, allocation, administration.

    /// Who the server thinks we are.
    Whoami "whoami" (length: i64) => Bytes, Repeat;
    /// Who another server thinks this one is.
    Whoareyou "whoareyou" (host: Word, length: i64) => Bytes, Repeat;
    /// The access control list of a directory.
    Getacl "getacl" (path: Path) => Lines, Repeat;
    /// Changes one entry of an access control list.
    Setacl "setacl" (path: Path, subject: Word, rights: Word) => Value, Repeat;
    /// Replaces an access control list.
    Resetacl "resetacl" (path: Path, rights: Word) => Value, Repeat;
    /// Makes a directory with space of its own.
    Mkalloc "mkalloc" (path: Path, size: i64, mode: i64) => Value, Look;
    /// The space allocation that holds a path.
    Lsalloc "lsalloc" (path: Path) => Dialogue, Repeat;
    /// The path on the server's own machine.
    Localpath "localpath" (path: Path) => Bytes, Repeat;
    /// Space by owner.
    Audit "audit" (path: Path) => Dialogue, Repeat;
    /// Number of copies.
    Setrep "setrep" (path: Path, copies: i64) => Value, Repeat;
    /// The server's debugging flags.
    Debug "debug" (flags: Word) => Value, Repeat;

    // Tickets and jobs.

    /// Makes a ticket known.
    TicketRegister "ticket_register" (subject: Word, seconds: i64, length: i64) + length => Value, Look;
    /// Changes what a ticket may do.
    TicketModify "ticket_modify" (name: Word, path: Path, rights: Word) => Value, Repeat;
    /// Takes a ticket away.
    TicketDelete "ticket_delete" (name: Word) => Value, Look;
    /// What a ticket may do.
    TicketGet "ticket_get" (name: Word) => Dialogue, Repeat;
    /// The names of tickets.
    TicketList "ticket_list" (subject: Word) => Dialogue, Repeat;
    /// Makes a job.
    JobCreate "job_create" (length: i64) + length => Value, Look;
    /// Lets a job begin.
    JobCommit "job_commit" (ids: Word) => Value, Look;
    /// Ends a job.
    JobKill "job_kill" (ids: Word) => Value, Look;
    /// Forgets a job.
    JobReap "job_reap" (ids: Word) => Value, Look;
    /// What became of a job.
    JobStatus "job_status" (ids: Word) => Bytes, Repeat;
    /// Waits for a job.
    JobWait "job_wait" (ids: Word, timeout: i64) => Bytes, Repeat;
}

impl Request {
    /// Appends the request line. The data that [`Request::data_len`] announces is the caller's to send.
    ///
    /// # Errors
    /// [`Unsendable`]; `out` is then as it was.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), Unsendable> {
        if !self.fits(dialect) {
            return Err(Unsendable::NoForm);
        }
        let start = out.len();
        out.extend_from_slice(self.row().verb.as_bytes());
        self.encode_arguments(dialect, out);
        out.push(b'\n');
        if out.len() - start > dialect.line_max() {
            out.truncate(start);
            return Err(Unsendable::TooLong);
        }
        Ok(())
    }

    /// The most bytes that a [`Shape::Bytes`] may bring: what was asked for, or what there can be.
    #[must_use]
    pub fn reply_max(&self) -> usize {
        match self {
            Request::Pread { length, .. }
            | Request::Sread { length, .. }
            | Request::Readlink { length, .. }
            | Request::Whoami { length }
            | Request::Whoareyou { length, .. } => usize::try_from(*length).unwrap_or(0),
            Request::Getxattr { .. }
            | Request::Lgetxattr { .. }
            | Request::Fgetxattr { .. }
            | Request::Listxattr { .. }
            | Request::Llistxattr { .. }
            | Request::Flistxattr { .. } => XATTR_MAX,
            Request::Hash { .. } | Request::Md5 { .. } => DIGEST_MAX,
            Request::Localpath { .. } => PATH_MAX,
            _ => 0,
        }
    }

    /// Reads a request line. Repeated blanks and surplus arguments are passed over.
    ///
    /// # Errors
    /// [`BadRequest`] says what is wrong.
    pub fn decode(line: &[u8], dialect: Dialect) -> Result<Request, BadRequest> {
        let mut words = line::words(line);
        let verb = words.next().ok_or(BadRequest::UnknownVerb)?;
        Request::decode_words(verb, dialect, &mut words)
    }
}

#[cfg(test)]
mod tests {
    use super::super::stat::tests::any_time;
    use super::*;
    use mynah_vfs::{NewTime, SetAttrs};
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 1..100)
    }

    fn any_attrs() -> impl Strategy<Value = Attrs> {
        let time = || prop::option::of(prop_oneof![Just(NewTime::Now), any_time().prop_map(NewTime::At)]);
        let number = || prop::option::of(any::<u32>());
        (number(), number(), number(), prop::option::of(0..=i64::MAX as u64), time(), time()).prop_map(
            |(mode, uid, gid, size, atime, mtime)| Attrs(SetAttrs { mode, uid, gid, size, atime, mtime }),
        )
    }

    fn any_request() -> impl Strategy<Value = Request> {
        prop_oneof![
            (bytes(), any_attrs()).prop_map(|(path, attrs)| Request::Setattr { path: Path(path), attrs }),
            (any::<i64>(), 0..=i64::MAX, any::<i64>()).prop_map(|(fd, length, offset)| Request::Pwrite {
                fd,
                length,
                offset
            }),
            (bytes(), any::<[bool; 7]>(), any::<i64>()).prop_map(|(path, letters, mode)| {
                let [read, write, create, truncate, append, exclusive, sync] = letters;
                // `r` is always there: an empty word cannot be told from none.
                let flags = Flags { read: true | read, write, create, truncate, append, exclusive, sync };
                Request::Open { path: Path(path), flags, mode }
            }),
            (bytes(), bytes()).prop_map(|(old, new)| Request::Rename { old: Path(old), new: Path(new) }),
            (bytes(), bytes())
                .prop_map(|(text, new)| Request::Symlink { target: Text(text), new: Path(new) }),
            (bytes(), bytes(), 0..1000i64, 0..3i64).prop_map(|(path, name, size, flags)| Request::Setxattr {
                path: Path(path),
                name: Text(name),
                size,
                flags
            }),
            any::<i64>().prop_map(|length| Request::Whoami { length }),
        ]
    }

    #[test]
    fn verbs_are_distinct() {
        assert_eq!(ROWS.iter().map(|row| row.verb).collect::<HashSet<_>>().len(), ROWS.len());
    }

    #[test]
    fn lines_of_existing_clients() {
        let read = |line: &str| Request::decode(line.as_bytes(), Dialect::Standard);
        let flags = Flags { read: true, ..Flags::default() };
        assert_eq!(
            read("open /a%20b r 420"),
            Ok(Request::Open { path: Path(b"/a b".to_vec()), flags, mode: 420 })
        );
        assert_eq!(
            read("symlink a%20b /n"),
            Ok(Request::Symlink { target: Text(b"a%20b".to_vec()), new: Path(b"/n".to_vec()) })
        );
        assert_eq!(read("  whoami   1024  surplus"), Ok(Request::Whoami { length: 1024 }));
        assert_eq!(read("pwrite 3 8192 0").unwrap().data_len(), Some(8192));
        assert_eq!(read("pread 3 8192 0").unwrap().data_len(), None);
    }

    #[test]
    fn bad_lines() {
        let read = |line: &str| Request::decode(line.as_bytes(), Dialect::Standard);
        assert_eq!(read("frobnicate 1"), Err(BadRequest::UnknownVerb));
        assert_eq!(read("stat/x"), Err(BadRequest::UnknownVerb));
        assert_eq!(read("stat"), Err(BadRequest::Arguments { out_of_step: false }));
        assert_eq!(read("pwrite 3 -1 0"), Err(BadRequest::Arguments { out_of_step: true }));
        assert_eq!(read("pwrite 3 many 0"), Err(BadRequest::Arguments { out_of_step: true }));
        assert_eq!(read("lsetxattr / n"), Err(BadRequest::Arguments { out_of_step: true }));
    }

    #[test]
    fn a_line_that_is_too_long_is_not_sent() {
        let request = Request::Stat { path: Path(vec![b'x'; 1019]) };
        let mut out = b"before".to_vec();
        assert_eq!(request.encode(Dialect::Standard, &mut out), Err(Unsendable::TooLong));
        assert_eq!(out, b"before");
        assert!(request.encode(Dialect::Extended, &mut out).is_ok());
        let longest = Path(vec![0xff; mynah_vfs::PATH_MAX]);
        let request = Request::Renameat { old: longest.clone(), new: longest, how: 2 };
        assert!(request.encode(Dialect::Extended, &mut Vec::new()).is_ok());
    }

    #[test]
    fn what_the_standard_has_no_form_for_is_not_sent() {
        let path = |bytes: &[u8]| Path(bytes.to_vec());
        for request in [
            Request::Unlink { path: path(b"/a\nb") },
            Request::Symlink { target: Text(b"a b".to_vec()), new: path(b"/n") },
        ] {
            assert_eq!(request.encode(Dialect::Standard, &mut Vec::new()), Err(Unsendable::NoForm));
            assert_eq!(request.encode(Dialect::Extended, &mut Vec::new()), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn every_request_comes_back(request in any_request()) {
            let mut line = Vec::new();
            prop_assert!(request.encode(Dialect::Extended, &mut line).is_ok());
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert_eq!(Request::decode(&line, Dialect::Extended), Ok(request));
        }

        #[test]
        fn any_line_is_judged(
            verb in prop::sample::select(ROWS.iter().map(|row| row.verb).collect::<Vec<_>>()),
            rest: Vec<u8>,
        ) {
            let line = [verb.as_bytes(), b" ", &rest].concat();
            for dialect in [Dialect::Standard, Dialect::Extended] {
                let _ = Request::decode(&rest, dialect);
                if let Ok(request) = Request::decode(&line, dialect) {
                    prop_assert_eq!(request.row().verb, verb);
                }
            }
        }
    }
}
