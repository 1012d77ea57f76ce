//! Error replies: the standard's table both ways, and the exact form of the extended dialect.

use super::Dialect;
use mynah_vfs::{Errno, Retry};

/// The standard's code for whatever has no code of its own. Existing clients take it for a lost connection and repeat the request for up to
/// an hour, so our server never sends it.
pub const UNKNOWN: i64 = -127;

/// In the extended dialect an error is this minus the errno.
const EXACT_BASE: i64 = -1000;

/// One code of the standard.
struct Row {
    code: i64,
    /// What a client makes of it.
    errno: Errno,
    retry: Retry,
    /// What a server expresses by it, the client's errno excepted.
    also: &'static [Errno],
}

const fn row(code: i64, errno: Errno, also: &'static [Errno]) -> Row {
    Row { code, errno, retry: Retry::Never, also }
}

const fn passing(code: i64, errno: Errno, also: &'static [Errno]) -> Row {
    Row { code, errno, retry: Retry::Later, also }
}

/// The standard's table. Codes that make existing clients reconnect (-18, -19, -20, -127) express nothing here: an error that
/// persists would be repeated for as long as those clients' patience lasts.
const TABLE: &[Row] = &[
    row(-1, Errno::EACCES, &[]),
    row(-2, Errno::EACCES, &[Errno::EPERM, Errno::EROFS]),
    row(-3, Errno::ENOENT, &[Errno::ESTALE]),
    row(-4, Errno::EEXIST, &[]),
    row(-5, Errno::EFBIG, &[]),
    passing(-6, Errno::ENOSPC, &[Errno::EDQUOT]),
    passing(-7, Errno::ENOMEM, &[]),
    row(-8, Errno::EINVAL, &[]),
    passing(-9, Errno::EMFILE, &[Errno::ENFILE]),
    passing(-10, Errno::EBUSY, &[Errno::ETXTBSY]),
    passing(-11, Errno::EAGAIN, &[]),
    row(-12, Errno::EBADF, &[]),
    row(-13, Errno::EISDIR, &[]),
    row(-14, Errno::ENOTDIR, &[]),
    row(-15, Errno::ENOTEMPTY, &[]),
    row(-16, Errno::EXDEV, &[]),
    passing(-17, Errno::EHOSTDOWN, &[]),
    passing(-18, Errno::ETIMEDOUT, &[]),
    passing(-19, Errno::ECONNRESET, &[]),
    passing(-20, Errno::EHOSTUNREACH, &[]),
    row(-21, Errno::ESRCH, &[]),
    row(-22, Errno::ESPIPE, &[]),
    row(-23, Errno::EOPNOTSUPP, &[]),
    row(-24, Errno::ENAMETOOLONG, &[]),
    row(UNKNOWN, Errno::EIO, &[]),
];

/// The codes that a server may send for an error that stays.
fn lasting(row: &&Row) -> bool {
    !matches!(row.code, -1 | -20..=-17 | UNKNOWN)
}

/// The reply that says `errno`. Always negative. In the standard dialect what has no code of its own is -8.
#[must_use]
pub fn encode(errno: Errno, dialect: Dialect) -> i64 {
    const INVALID: i64 = -8;
    match dialect {
        Dialect::Extended => EXACT_BASE - i64::from(errno.raw()),
        Dialect::Standard => TABLE
            .iter()
            .filter(lasting)
            .find(|row| row.errno == errno || row.also.contains(&errno))
            .map_or(INVALID, |row| row.code),
    }
}

/// What a negative reply says. `None` if it says nothing: a number that the dialect does not know.
///
/// The standard's codes are understood in both dialects.
#[must_use]
pub fn decode(code: i64, dialect: Dialect) -> Option<(Errno, Retry)> {
    if let Some(row) = TABLE.iter().find(|row| row.code == code) {
        return Some((row.errno, row.retry));
    }
    let exact = EXACT_BASE.checked_sub(code).and_then(|raw| i32::try_from(raw).ok()).and_then(Errno::new)?;
    (dialect == Dialect::Extended).then(|| (exact, retry_of(exact)))
}

/// Whether an errno that a server reports speaks of the moment.
fn retry_of(errno: Errno) -> Retry {
    TABLE
        .iter()
        .find(|row| row.errno == errno || row.also.contains(&errno))
        .map_or(Retry::Never, |row| row.retry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn standard_codes_both_ways() {
        for (errno, code, back) in [
            (Errno::ENOENT, -3, Errno::ENOENT),
            (Errno::EPERM, -2, Errno::EACCES),
            (Errno::EACCES, -2, Errno::EACCES),
            (Errno::EDQUOT, -6, Errno::ENOSPC),
            (Errno::EOPNOTSUPP, -23, Errno::EOPNOTSUPP),
            (Errno::EBADF, -12, Errno::EBADF),
            (Errno::ENODATA, -8, Errno::EINVAL),
            (Errno::ELOOP, -8, Errno::EINVAL),
            (Errno::ETXTBSY, -10, Errno::EBUSY),
            (Errno::ESTALE, -3, Errno::ENOENT),
        ] {
            assert_eq!(encode(errno, Dialect::Standard), code, "{errno:?}");
            assert_eq!(decode(code, Dialect::Standard).unwrap().0, back);
        }
    }

    #[test]
    fn an_error_that_persists_never_makes_an_existing_client_reconnect() {
        for raw in 1..4096 {
            let code = encode(Errno::new(raw).unwrap(), Dialect::Standard);
            assert!(![-127, -18, -19, -20].contains(&code), "errno {raw} gives {code}");
        }
    }

    #[test]
    fn exact_numbers_only_where_they_were_agreed_on() {
        for raw in 1..4096 {
            let errno = Errno::new(raw).unwrap();
            let code = encode(errno, Dialect::Extended);
            assert_eq!(code, -1000 - i64::from(raw));
            assert_eq!(decode(code, Dialect::Extended).unwrap().0, errno);
            assert_eq!(decode(code, Dialect::Standard), None);
        }
    }

    proptest! {
        #[test]
        fn any_number_is_judged(code: i64) {
            let _ = decode(code, Dialect::Standard);
            let _ = decode(code, Dialect::Extended);
        }
    }
}
