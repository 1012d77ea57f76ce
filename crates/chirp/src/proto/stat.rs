//! STAT and STATFS lines.

use super::line::integers;
use super::{Dialect, Malformed};
use mynah_vfs::{FileId, FileKind, FsStat, Stat, Time};
use std::fmt::Display;

const NSEC_PER_SEC: i64 = 1_000_000_000;
/// Sizes of one transfer that are believed, in bytes; others are brought to the nearer end.
const BLKSIZE: std::ops::RangeInclusive<i64> = 512..=16 << 20;

/// Appends a STAT line with its newline.
pub fn encode(stat: &Stat, dialect: Dialect, out: &mut Vec<u8>) {
    match dialect {
        Dialect::Standard => encode_standard(stat, out),
        Dialect::Extended => encode_extended(stat, out),
    }
}

/// Reads a STAT line.
///
/// # Errors
/// [`Malformed`] unless it has exactly the dialect's integers, with a kind in the mode, a size of 0 to `i64::MAX`, and all others in
/// the range of their kind.
pub fn decode(line: &[u8], dialect: Dialect) -> Result<Stat, Malformed> {
    match dialect {
        Dialect::Standard => decode_standard(line),
        Dialect::Extended => decode_extended(line),
    }
}

/// Appends a STATFS line with its newline: the same in both dialects.
pub fn encode_fs(fs: &FsStat, out: &mut Vec<u8>) {
    let figures = [fs.bsize, fs.blocks, fs.bfree, fs.bavail, fs.files, fs.ffree];
    number(fs.kind.cast_signed(), out);
    for figure in figures {
        number(i64::try_from(figure).unwrap_or(i64::MAX), out);
    }
    end(out);
}

/// Reads a STATFS line. File systems that do not count something show a negative figure: it becomes 0.
///
/// # Errors
/// [`Malformed`] unless it has exactly seven integers.
pub fn decode_fs(line: &[u8]) -> Result<FsStat, Malformed> {
    let numbers: [i64; 7] = integers(line).ok_or(Malformed("a STATFS line of 7 integers"))?;
    let [kind, figures @ ..] = numbers;
    let [bsize, blocks, bfree, bavail, files, ffree] = figures.map(|n| u64::try_from(n).unwrap_or(0));
    Ok(FsStat { kind: kind.cast_unsigned(), bsize, blocks, bfree, bavail, files, ffree })
}

fn encode_standard(stat: &Stat, out: &mut Vec<u8>) {
    number(stat.local_dev.unwrap_or(0).cast_signed(), out);
    encode_head(stat, out);
    for time in [stat.atime, stat.mtime, stat.ctime] {
        number(time.sec, out);
    }
    end(out);
}

fn encode_extended(stat: &Stat, out: &mut Vec<u8>) {
    encode_head(stat, out);
    for time in [stat.atime, stat.mtime, stat.ctime] {
        number(time.sec, out);
        number(time.nsec, out);
    }
    number(stat.btime.map_or(0, |time| time.sec), out);
    number(stat.btime.map_or(-1, |time| i64::from(time.nsec)), out);
    end(out);
}

/// The nine fields that both forms share, in the same order.
fn encode_head(stat: &Stat, out: &mut Vec<u8>) {
    number(stat.id.0.cast_signed(), out);
    number(stat.full_mode(), out);
    number(stat.nlink, out);
    number(stat.uid, out);
    number(stat.gid, out);
    number(stat.rdev.cast_signed(), out);
    number(stat.size, out);
    number(stat.blksize, out);
    number(stat.blocks, out);
}

fn number(value: impl Display, out: &mut Vec<u8>) {
    use std::io::Write;
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value} ");
}

/// Makes the last blank of a line its end.
fn end(out: &mut Vec<u8>) {
    out.pop();
    out.push(b'\n');
}

fn decode_standard(line: &[u8]) -> Result<Stat, Malformed> {
    let numbers: [i64; 13] = integers(line).ok_or(Malformed("a STAT line of 13 integers"))?;
    let [_dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, times @ ..] = numbers;
    let [atime, mtime, ctime] = times.map(|sec| Time { sec, nsec: 0 });
    let head = decode_head([ino, mode, nlink, uid, gid, rdev, size, blksize, blocks])?;
    Ok(Stat { atime, mtime, ctime, ..head })
}

fn decode_extended(line: &[u8]) -> Result<Stat, Malformed> {
    let numbers: [i64; 17] = integers(line).ok_or(Malformed("a STAT line of 17 integers"))?;
    let [ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, times @ ..] = numbers;
    let [a, a_ns, m, m_ns, c, c_ns, b, b_ns] = times;
    let head = decode_head([ino, mode, nlink, uid, gid, rdev, size, blksize, blocks])?;
    Ok(Stat {
        atime: time(a, a_ns)?,
        mtime: time(m, m_ns)?,
        ctime: time(c, c_ns)?,
        btime: if b_ns == -1 { None } else { Some(time(b, b_ns)?) },
        ..head
    })
}

fn decode_head(fields: [i64; 9]) -> Result<Stat, Malformed> {
    let [ino, mode, nlink, uid, gid, rdev, size, blksize, blocks] = fields;
    let mode = u32::try_from(mode).map_err(|_| Malformed("a mode"))?;
    Ok(Stat {
        kind: FileKind::of_mode(mode).ok_or(Malformed("a mode with a kind"))?,
        mode: mode & 0o7777,
        id: FileId(ino.cast_unsigned()),
        nlink: u64::try_from(nlink).map_err(|_| Malformed("a number of links"))?,
        uid: account(uid)?,
        gid: account(gid)?,
        rdev: rdev.cast_unsigned(),
        size: u64::try_from(size).map_err(|_| Malformed("a size of 0 or more"))?,
        blksize: blksize.clamp(*BLKSIZE.start(), *BLKSIZE.end()) as u32,
        blocks: u64::try_from(blocks).map_err(|_| Malformed("a number of blocks"))?,
        atime: Time::default(),
        mtime: Time::default(),
        ctime: Time::default(),
        btime: None,
        local_dev: None,
    })
}

/// A user or group number. Some servers print the one for nobody as -1 or -2.
fn account(number: i64) -> Result<u32, Malformed> {
    u32::try_from(number)
        .or_else(|_| i32::try_from(number).map(i32::cast_unsigned))
        .map_err(|_| Malformed("a user or group number"))
}

fn time(sec: i64, nsec: i64) -> Result<Time, Malformed> {
    match u32::try_from(nsec) {
        Ok(small) if nsec < NSEC_PER_SEC => Ok(Time { sec, nsec: small }),
        _ => Err(Malformed("nanoseconds below 1000000000")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        pub(crate) fn any_time()(sec: i64, nsec in 0u32..1_000_000_000) -> Time { Time { sec, nsec } }
    }

    prop_compose! {
        pub(crate) fn any_stat()(
            kind in prop::sample::select(vec![
                FileKind::Regular, FileKind::Directory, FileKind::Symlink, FileKind::Fifo, FileKind::Socket,
                FileKind::CharDevice, FileKind::BlockDevice,
            ]),
            mode in 0u32..=0o7777, id: u64, nlink in 0..=i64::MAX as u64, uid: u32, gid: u32, rdev: u64,
            size in 0..=i64::MAX as u64, blksize in 512u32..=16 << 20, blocks in 0..=i64::MAX as u64,
            (atime, mtime, ctime, btime) in (any_time(), any_time(), any_time(), prop::option::of(any_time())),
        ) -> Stat {
            Stat {
                kind, mode, id: FileId(id), nlink, uid, gid, rdev, size, blksize, blocks, atime, mtime, ctime, btime,
                local_dev: None,
            }
        }
    }

    fn line(stat: &Stat, dialect: Dialect) -> Vec<u8> {
        let mut out = Vec::new();
        encode(stat, dialect, &mut out);
        assert_eq!(out.pop(), Some(b'\n'));
        out
    }

    #[test]
    fn thirteen_integers() {
        let text = b"64769 131 33188 1 1000 1000 0 6 4096 8 1700000000 1700000001 1700000002";
        let stat = decode(text, Dialect::Standard).unwrap();
        assert_eq!((stat.kind, stat.mode, stat.size, stat.id), (FileKind::Regular, 0o644, 6, FileId(131)));
        assert_eq!(stat.ctime, Time { sec: 1_700_000_002, nsec: 0 });
        assert_eq!(line(&Stat { local_dev: Some(64769), ..stat }, Dialect::Standard), text);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "1 2 3",
            "1 131 33188 1 1000 1000 0 -6 4096 8 1 1 1",
            "1 131 33188 1 1000 1000 0 9223372036854775808 4096 8 1 1 1",
            "1 131 420 1 1000 1000 0 6 4096 8 1 1 1",
            "1 131 -1 1 1000 1000 0 6 4096 8 1 1 1",
            "1 131 33188 1 99999999999 1000 0 6 4096 8 1 1 1",
            "1 131 33188 1 1000 1000 0 6 4096 8 1 1 1 1",
            "x 131 33188 1 1000 1000 0 6 4096 8 1 1 1",
        ] {
            assert!(decode(text.as_bytes(), Dialect::Standard).is_err(), "{text}");
        }
        assert!(decode(b"1 33188 1 0 0 0 6 4096 8 1 1000000000 1 0 1 0 0 -1", Dialect::Extended).is_err());
    }

    #[test]
    fn odd_but_harmless_numbers_are_taken() {
        let stat = decode(b"-1 131 33188 1 -1 -2 0 6 0 8 -5 1 1", Dialect::Standard).unwrap();
        assert_eq!((stat.uid, stat.gid, stat.blksize), (u32::MAX, u32::MAX - 1, 512));
        assert_eq!(decode_fs(b"1 4096 10 9 8 -1 -1").unwrap().files, 0);
    }

    proptest! {
        #[test]
        fn every_stat_comes_back(stat in any_stat()) {
            prop_assert_eq!(decode(&line(&stat, Dialect::Extended), Dialect::Extended), Ok(stat));
            let whole = |time: Time| Time { nsec: 0, ..time };
            let coarse = Stat {
                atime: whole(stat.atime), mtime: whole(stat.mtime), ctime: whole(stat.ctime), btime: None, ..stat
            };
            prop_assert_eq!(decode(&line(&stat, Dialect::Standard), Dialect::Standard), Ok(coarse));
        }

        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>, text in "[-0-9 ]{0,200}") {
            for given in [&bytes[..], text.as_bytes()] {
                let _ = decode(given, Dialect::Standard);
                let _ = decode(given, Dialect::Extended);
                let _ = decode_fs(given);
            }
        }
    }
}
