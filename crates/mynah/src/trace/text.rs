//! Names, numbers and times as people read them.

use mynah_agent::trace::format::{Place, Told};
use mynah_vfs::Errno;

/// A text in quotes, with the bytes that are not plain ASCII escaped as strace does.
pub(super) fn quoted(text: &[u8]) -> String {
    format!("\"{}\"", escaped(text))
}

/// [`quoted`] without the quotes.
pub(super) fn escaped(text: &[u8]) -> String {
    let mut told = String::with_capacity(text.len());
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'"' | b'\\' => told.extend(['\\', char::from(byte)]),
            b'\t' => told.push_str("\\t"),
            b'\n' => told.push_str("\\n"),
            0x0b => told.push_str("\\v"),
            0x0c => told.push_str("\\f"),
            b'\r' => told.push_str("\\r"),
            b' '..=b'~' => told.push(char::from(byte)),
            // Three digits where the next byte would be taken for one more.
            _ if text.get(at + 1).is_some_and(u8::is_ascii_digit) => told.push_str(&format!("\\{byte:03o}")),
            _ => told.push_str(&format!("\\{byte:o}")),
        }
    }
    told
}

/// A command as one could type it, nearly.
pub(super) fn command(arguments: &[Vec<u8>]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(byte);
    let word = |argument: &Vec<u8>| {
        let plain = !argument.is_empty() && argument.iter().all(is_plain);
        if plain { escaped(argument) } else { quoted(argument) }
    };
    arguments.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Where something lies: a URL, or a path of this machine.
pub(super) fn place(place: &Place) -> String {
    let server = place.server.as_ref().map(|server| escaped(server)).unwrap_or_default();
    server + &escaped(&place.path)
}

/// A path with the directory that it starts from.
pub(super) fn whole(told: &Told) -> Vec<u8> {
    match &told.from {
        Some(from) => [from.strip_suffix(b"/").unwrap_or(from), b"/", &told.text].concat(),
        None => told.text.to_vec(),
    }
}

/// An error by name, if it has one here.
pub(super) fn error(number: i32) -> String {
    match Errno::new(number).and_then(|errno| Some((errno.name()?, errno.text()))) {
        Some((name, text)) => format!("{name} ({text})"),
        None => format!("errno {number}"),
    }
}

/// Seconds, to the microsecond.
pub(super) fn seconds(nanoseconds: u64) -> String {
    let micros = nanoseconds / 1000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// "HH:MM:SS.micros" of a moment since 1970-01-01 UTC.
pub(super) fn time_of_day(nanoseconds: i128) -> String {
    let micros = nanoseconds.div_euclid(1000);
    let (second, micro) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let of_day = second.rem_euclid(86400);
    format!("{:02}:{:02}:{:02}.{micro:06}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// "YYYY-MM-DD HH:MM:SS UTC".
pub(super) fn date_and_time(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86400);
    let of_day = seconds % 86400;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// The Gregorian date of a day since 1970-01-01: whole cycles of 400 years first, then years, then months.
fn date(day: u64) -> (u64, u64, u64) {
    const CYCLE: u64 = 146_097;
    // No clock of a machine is beyond the next cycle or two; counting years is quick enough.
    let (mut year, mut left) = (1970 + 400 * (day / CYCLE), day % CYCLE);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days_of = |year| if is_leap(year) { 366 } else { 365 };
    while left >= days_of(year) {
        left -= days_of(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    for (month, days) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if left < days {
            return (year, month, left + 1);
        }
        left -= days;
    }
    (year, 12, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_strace_does() {
        assert_eq!(quoted(b"plain name"), "\"plain name\"");
        assert_eq!(quoted(b"a\"b\\c\nd\te\x0bf"), r#""a\"b\\c\nd\te\vf""#);
        assert_eq!(quoted(b"\x001\x01x\xc3\xa4"), r#""\0001\1x\303\244""#);
        assert_eq!(
            command(&[b"sh".to_vec(), b"-c".to_vec(), b"a; b".to_vec(), vec![]]),
            r#"sh -c "a; b" """#
        );
    }

    #[test]
    fn moments_are_told_in_utc() {
        assert_eq!(date_and_time(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date_and_time(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(date_and_time(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date_and_time(1_795_259_074), "2026-11-21 11:04:34 UTC");
        assert_eq!(date_and_time(4_102_444_800), "2100-01-01 00:00:00 UTC");
        assert_eq!(time_of_day(1_795_259_074_123_456_789), "11:04:34.123456");
        assert_eq!(time_of_day(-1), "23:59:59.999999");
        assert_eq!(seconds(1_234_567_891), "1.234567");
    }
}
