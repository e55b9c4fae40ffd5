//! Decompressors, bounded in memory and in what they give.

use std::{
    cell::Cell,
    io::{self, BufRead, Read},
};

use liblzma::stream::{CONCATENATED, IGNORE_CHECK, Stream};

use super::Limits;

/// How a member is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Xz,
    Zstd,
}

impl Packing {
    /// What the end of a member's name says: `""`, `.gz`, `.xz`, `.zst`.
    pub(super) fn of_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "" => Self::Plain,
            ".gz" => Self::Gzip,
            ".xz" => Self::Xz,
            ".zst" => Self::Zstd,
            _ => return None,
        })
    }

    /// A reader of what is packed in `packed`. The packing's own sums need not be `checked` where a digest of the whole
    /// archive will be, and somebody vouched for it.
    pub(crate) fn unpack<'a>(
        self,
        packed: impl BufRead + 'a,
        checked: bool,
        limits: &Limits,
    ) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Plain => Box::new(packed),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Xz => {
                let flags = if checked { CONCATENATED } else { CONCATENATED | IGNORE_CHECK };
                let stream = Stream::new_stream_decoder(limits.memory, flags)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
                // A window of 2^n bytes is the decoder's only large allocation.
                decoder.window_log_max(limits.memory.ilog2().clamp(10, 31))?;
                Box::new(decoder)
            }
        })
    }
}

/// Gives at most so many bytes, and tells when there would have been more.
pub(super) struct Bounded<'a, R> {
    inner: R,
    left: u64,
    exceeded: &'a Cell<bool>,
}

impl<'a, R: Read> Bounded<'a, R> {
    /// Passes on `limit` bytes of `inner`; sets `exceeded` and fails when there are more.
    pub(super) fn new(inner: R, limit: u64, exceeded: &'a Cell<bool>) -> Self {
        Self { inner, left: limit, exceeded }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                self.exceeded.set(true);
                return Err(io::Error::other("it unpacks to more than is allowed"));
            }
        }
        Ok(read)
    }
}

/// The bytes that an archive of `packed` bytes may unpack to, given an absolute limit.
pub(super) fn allowance(packed: u64, absolute: u64, limits: &Limits) -> u64 {
    absolute.min(packed.saturating_mul(limits.ratio).max(limits.ratio_free))
}
