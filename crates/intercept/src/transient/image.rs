//! What a new program finds about its own path.

use super::tracee::Tracee;
use crate::memory::{self, MemoryError};
use crate::{Tid, UserPtr};

/// The auxiliary vector's entry that points to the path given to execve.
const AT_EXECFN: u64 = 31;

/// Writes `shown` over the path at AT_EXECFN, which is `path`, at least as long. The new program has not run yet.
///
/// A program whose memory is closed to us (a file that may be executed but not read) keeps the path as it is.
pub(super) fn show(tracee: &Tracee, path: &[u8], shown: &[u8]) {
    if let Err(error) = overwrite(tracee.tid(), path, shown) {
        tracing::warn!(tid = %tracee.tid(), %error, "the new program sees the path that was executed in its stead");
    }
}

fn overwrite(tid: Tid, path: &[u8], shown: &[u8]) -> Result<(), MemoryError> {
    let at = execfn(tid)?;
    let mut found = vec![0; path.len()];
    memory::read(tid, at, &mut found)?;
    if found != path {
        return Err(MemoryError::Fault);
    }
    let mut bytes = shown.to_vec();
    bytes.resize(path.len(), 0);
    memory::write(tid, at, &bytes)
}

/// Where AT_EXECFN points to, from `/proc/PID/auxv`.
fn execfn(tid: Tid) -> Result<UserPtr, MemoryError> {
    let auxv = std::fs::read(format!("/proc/{tid}/auxv")).map_err(|_| MemoryError::Denied)?;
    find_execfn(&auxv).map(UserPtr).ok_or(MemoryError::Fault)
}

fn find_execfn(auxv: &[u8]) -> Option<u64> {
    let words = |bytes: usize| {
        auxv.chunks_exact(bytes).map(|word| {
            let mut wide = [0; 8];
            wide[..word.len()].copy_from_slice(word);
            u64::from_le_bytes(wide)
        })
    };
    // Keys are small: seen as 64-bit words, the vector of a 32-bit program begins with a key and half a value.
    let word_bytes = if words(8).next()? > u64::from(u32::MAX) { 4 } else { 8 };
    let words: Vec<u64> = words(word_bytes).collect();
    words
        .chunks_exact(2)
        .take_while(|pair| pair[0] != 0)
        .find(|pair| pair[0] == AT_EXECFN)
        .map(|pair| pair[1])
}

#[cfg(test)]
mod tests {
    use super::find_execfn;

    #[test]
    fn execfn_is_found_in_vectors_of_both_widths() {
        let wide: Vec<u8> =
            [33_u64, 0x7fff_0000_0000, 31, 0x1234, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(find_execfn(&wide), Some(0x1234));
        let narrow: Vec<u8> =
            [32_u32, 0xf7f0_0000, 31, 0x1234, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(find_execfn(&narrow), Some(0x1234));
        assert_eq!(find_execfn(&[]), None);
    }
}
