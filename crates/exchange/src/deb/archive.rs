//! The members of a Debian package, in the order and number that dpkg accepts.

use std::{
    cell::Cell,
    io::{BufRead as _, Read},
};

use aleph_component::Digest;

use super::{
    Limits, Refusal,
    ar::{ArReader, MemberHeader},
    tarball::{Item, walk},
    unpack::{Bounded, Packing, allowance},
};

/// What is called for every entry of an inner archive.
pub(super) type Visit<'a> = &'a mut dyn FnMut(Item, &mut dyn Read) -> Result<(), Refusal>;

/// A Debian package being read, once, from its beginning to its end.
pub(super) struct Archive<R> {
    ar: ArReader<R>,
    /// Whether the digest that [`Archive::finish`] gives will not be compared with one that somebody vouched for.
    checked: bool,
    limits: Limits,
}

impl<R: Read> Archive<R> {
    /// Begins a package: checks that it is one of format 2. Sums inside need not be `checked` where
    /// the digest that [`Archive::finish`] gives will be compared with one that somebody vouched for.
    pub(super) fn new(inner: R, checked: bool, limits: &Limits) -> Result<Self, Refusal> {
        let mut ar = ArReader::new(inner)?;
        let first = ar.next_member()?.ok_or(Refusal::Missing { member: "debian-binary" })?;
        if first.name != "debian-binary" {
            return Err(Refusal::Member { member: first.name, problem: "is where `debian-binary` should be" });
        }
        if first.size > 1024 {
            return Err(Refusal::Member { member: first.name, problem: "is too long" });
        }
        let mut text = String::new();
        let found = ar.content().read_to_string(&mut text);
        found.map_err(|source| Refusal::Unpack { member: first.name, source })?;
        ar.skip_content()?;
        let version = text.lines().next().unwrap_or_default();
        let minor = version.strip_prefix("2.").filter(|_| text.contains('\n'));
        if !minor.is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(Refusal::Version { found: version.chars().take(20).collect() });
        }
        Ok(Self { ar, checked, limits: limits.clone() })
    }

    /// Reads `control.tar`, which must come next. Returns the member's name.
    pub(super) fn control(&mut self, visit: Visit<'_>) -> Result<String, Refusal> {
        let limit = self.limits.control;
        self.inner("control.tar", limit, visit)
    }

    /// Reads `data.tar`, which must come after it. Returns the member's name.
    pub(super) fn data(&mut self, visit: Visit<'_>) -> Result<String, Refusal> {
        let limit = self.limits.data;
        self.inner("data.tar", limit, visit)
    }

    /// Reads the rest, in which only members that begin with `_` may be, and gives the whole archive's digest and size.
    pub(super) fn finish(mut self) -> Result<(Digest, u64), Refusal> {
        match self.next()? {
            Some(member) => Err(Refusal::Member { member: member.name, problem: "comes after `data.tar`" }),
            None => Ok(self.ar.finish()?),
        }
    }

    /// The next member that counts: dpkg skips those that begin with `_`.
    fn next(&mut self) -> Result<Option<MemberHeader>, Refusal> {
        loop {
            match self.ar.next_member()? {
                Some(member) if member.name.starts_with('_') => {}
                other => return Ok(other),
            }
        }
    }

    fn inner(&mut self, wanted: &'static str, absolute: u64, visit: Visit<'_>) -> Result<String, Refusal> {
        let member = self.next()?.ok_or(Refusal::Missing { member: wanted })?;
        let problem = |problem| Refusal::Member { member: member.name.clone(), problem };
        let suffix = member.name.strip_prefix(wanted).ok_or_else(|| match wanted {
            "control.tar" => problem("is where `control.tar` should be"),
            _ => problem("is where `data.tar` should be"),
        })?;
        let packing = Packing::of_suffix(suffix).ok_or_else(|| match suffix {
            ".bz2" | ".lzma" => problem("is packed in a way that dpkg has given up"),
            _ => problem("is packed in an unknown way"),
        })?;
        let exceeded = Cell::new(false);
        let limit = allowance(member.size, absolute, &self.limits);
        let mut packed = self.ar.content();
        let damaged = |source| Refusal::Unpack { member: member.name.clone(), source };
        let result = packing.unpack(&mut packed, self.checked, &self.limits).map_err(damaged).and_then(|reader| {
            let reader = Bounded::new(reader, limit, &exceeded);
            walk(reader, &member.name, &self.limits, visit)
        });
        if exceeded.get() {
            return Err(Refusal::TooLarge { member: member.name, limit });
        }
        let left = packed.limit();
        let at_end = left > 0 && packed.fill_buf().is_ok_and(<[u8]>::is_empty);
        if at_end {
            // Whatever was made of the bytes that are there: the rest of the member is missing.
            self.ar.skip_content()?;
        }
        result?;
        if left > 0 {
            return Err(Refusal::Member { member: member.name, problem: "goes on after its packed content" });
        }
        Ok(member.name)
    }
}
