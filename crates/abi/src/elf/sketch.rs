//! A set of names that says quickly, and of few bytes, that a name is not in it: a Bloom filter, as `.gnu.hash` has one for
//! a dynamic linker (`dl_new_hash` and `do_lookup_x` in glibc's `elf/dl-lookup.c`).

/// The bits that each name is given.
const BITS_PER_NAME: usize = 12;
/// Where in its hash a name's second bit is found.
const SHIFT: u32 = 17;

/// What may be in a list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sketch {
    /// As many bytes as a power of two; none for no names.
    pub(crate) bytes: Vec<u8>,
}

impl Sketch {
    pub(crate) fn of<'a>(names: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        if names.len() == 0 {
            return Self::default();
        }
        let mut bytes = vec![0; (names.len() * BITS_PER_NAME).div_ceil(8).next_power_of_two()];
        for name in names {
            for (byte, bit) in places(name, bytes.len()) {
                bytes[byte] |= bit;
            }
        }
        Self { bytes }
    }

    /// `false` only if the name is not in the list.
    pub(crate) fn may_have(&self, name: &[u8]) -> bool {
        let mut places = places(name, self.bytes.len());
        !self.bytes.is_empty() && places.all(|(byte, bit)| self.bytes.get(byte).is_some_and(|found| found & bit != 0))
    }
}

/// A name's two bits in so many bytes.
fn places(name: &[u8], length: usize) -> impl Iterator<Item = (usize, u8)> {
    let hash = name.iter().fold(5381_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add((*byte).into()));
    [hash, hash.rotate_right(SHIFT)].into_iter().map(move |hash| {
        let bit = hash as usize & (length * 8).saturating_sub(1);
        (bit / 8, 1 << (bit % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::Sketch;

    #[test]
    fn what_is_in_is_found_and_most_else_is_not() {
        for count in [0, 1, 3, 100, 5000] {
            let names: Vec<String> = (0..count).map(|number| format!("symbol_{number}")).collect();
            let sketch = Sketch::of(names.iter().map(String::as_bytes));
            assert!(names.iter().all(|name| sketch.may_have(name.as_bytes())));
            let others = (0..1000).filter(|number| sketch.may_have(format!("other_{number}").as_bytes())).count();
            assert!(others < 100, "{others} of 1000 among {count}");
        }
    }
}
