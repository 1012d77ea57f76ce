//! Cutting a stream of bytes into lines and words.

use super::Malformed;
use bytes::{Bytes, BytesMut};

/// Takes the next line, without its terminator, off the front of `input`. `None` if it is not complete yet.
///
/// # Errors
/// [`Malformed`] if it does not fit `max` bytes, newline included.
pub fn take(input: &mut BytesMut, max: usize) -> Result<Option<Bytes>, Malformed> {
    let window = &input[..input.len().min(max)];
    let Some(end) = window.iter().position(|&b| b == b'\n') else {
        return if window.len() == max { Err(Malformed("a shorter line")) } else { Ok(None) };
    };
    let mut line = input.split_to(end + 1);
    line.truncate(end);
    Ok(Some(line.freeze()))
}

/// As [`take`], and drops every `\r`, as the existing line reader does.
///
/// # Errors
/// As for [`take`].
pub fn take_without_returns(input: &mut BytesMut, max: usize) -> Result<Option<Bytes>, Malformed> {
    let Some(line) = take(input, max)? else { return Ok(None) };
    if !line.contains(&b'\r') {
        return Ok(Some(line));
    }
    Ok(Some(line.iter().copied().filter(|&b| b != b'\r').collect::<Vec<u8>>().into()))
}

/// The words of a line: what stands between blanks, however many.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b' ').filter(|word| !word.is_empty())
}

/// A decimal integer and nothing else.
#[must_use]
pub fn integer(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// The integers of a line, exactly `N` of them.
#[must_use]
pub fn integers<const N: usize>(line: &[u8]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut given = words(line);
    for number in &mut numbers {
        *number = integer(given.next()?)?;
    }
    given.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one() {
        let mut input = BytesMut::from(&b"ab\n\ncd\re\nfg"[..]);
        assert_eq!(take(&mut input, 4).unwrap().unwrap(), "ab");
        assert_eq!(take(&mut input, 4).unwrap().unwrap(), "");
        assert_eq!(take_without_returns(&mut input, 9).unwrap().unwrap(), "cde");
        assert_eq!(take(&mut input, 4), Ok(None));
        assert_eq!(&input[..], b"fg");
    }

    #[test]
    fn long_lines_are_refused_before_they_end() {
        assert_eq!(take(&mut BytesMut::from("abc\n"), 4).unwrap().unwrap(), "abc");
        assert!(take(&mut BytesMut::from("abcd"), 4).is_err());
        assert!(take(&mut BytesMut::from("abcd\n"), 4).is_err());
    }

    #[test]
    fn exactly_so_many_integers() {
        assert_eq!(integers(b"1  -2 3"), Some([1, -2, 3]));
        assert_eq!(integers::<2>(b"1"), None);
        assert_eq!(integers::<2>(b"1 2 3"), None);
        assert_eq!(integers::<1>(b"99999999999999999999"), None);
        assert_eq!(integers::<1>(b"1x"), None);
    }
}
