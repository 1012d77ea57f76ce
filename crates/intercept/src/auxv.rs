//! The auxiliary vector that the kernel gives a new program (getauxval(3)): pairs of words, AT_NULL last.

/// Puts `value` in place of each entry's with that `key`; entries that are not there are not added.
///
/// The vector may be a 64-bit program's or a 32-bit one's, whose values are cut to 32 bits.
pub fn set(auxv: &mut [u8], entries: &[(u64, u64)]) {
    let Some(bytes) = word_bytes(auxv) else { return };
    for pair in auxv.chunks_exact_mut(2 * bytes) {
        let (key, value) = pair.split_at_mut(bytes);
        let key = word(key);
        if key == AT_NULL {
            return;
        }
        if let Some((_, new)) = entries.iter().find(|(wanted, _)| *wanted == key) {
            value.copy_from_slice(&new.to_le_bytes()[..bytes]);
        }
    }
}

/// The value of the entry with that key.
#[must_use]
pub fn find(auxv: &[u8], key: u64) -> Option<u64> {
    let bytes = word_bytes(auxv)?;
    auxv.chunks_exact(2 * bytes)
        .map(|pair| (word(&pair[..bytes]), word(&pair[bytes..])))
        .take_while(|(found, _)| *found != AT_NULL)
        .find_map(|(found, value)| (found == key).then_some(value))
}

const AT_NULL: u64 = 0;

/// Bytes of one word: 4 or 8. Keys are small: read as 64-bit words, the vector of a 32-bit program begins with a key and
/// half a value.
pub(crate) fn word_bytes(auxv: &[u8]) -> Option<usize> {
    let first = word(auxv.get(..8)?);
    Some(if first > u64::from(u32::MAX) { 4 } else { 8 })
}

/// Little-endian, as all processors here are.
pub(crate) fn word(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn narrow(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn entries_are_found_in_vectors_of_both_widths() {
        assert_eq!(find(&wide(&[33, 0x7fff_0000_0000, 31, 0x1234, 0, 0]), 31), Some(0x1234));
        assert_eq!(find(&narrow(&[32, 0xf7f0_0000, 31, 0x1234, 0, 0]), 31), Some(0x1234));
        assert_eq!(find(&wide(&[33, 1, 0, 0, 31, 5]), 31), None);
        assert_eq!(find(&[], 31), None);
    }

    #[test]
    fn only_what_is_there_is_set() {
        let mut vector = wide(&[33, 0x7fff_0000_0000, 11, 1001, 0, 0, 11, 7]);
        set(&mut vector, &[(11, 42), (12, 43)]);
        assert_eq!(vector, wide(&[33, 0x7fff_0000_0000, 11, 42, 0, 0, 11, 7]));
        let mut vector = narrow(&[32, 0xf7f0_0000, 12, 1001, 0, 0]);
        set(&mut vector, &[(11, 42), (12, 43)]);
        assert_eq!(vector, narrow(&[32, 0xf7f0_0000, 12, 43, 0, 0]));
    }
}
