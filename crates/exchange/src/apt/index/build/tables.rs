//! From rows to the tables of the file.

use super::{BuildError, Row, Rows, push, text};
use crate::apt::{
    index::{
        IndexInput,
        format::{self, EntryRow, NameRow, OriginRow, ProviderRow, Section},
    },
    relation::{Qualifier, Version, parse_provides},
};

/// A name that has entries: where it is, the run of these, and the summary of the first.
struct RealName {
    name: (u32, u32),
    entries: (u32, u32),
    summary: (u32, u32),
}

/// One provision, before virtual names have rows.
struct Provision {
    name: (u32, u32),
    row: ProviderRow,
}

/// Makes the tables from the rows. The sections come in the order in which they are written.
pub(super) fn tables(rows: &mut Rows, inputs: &[IndexInput]) -> Result<Vec<(Section, Vec<u8>)>, BuildError> {
    let Rows { rows, strings, scratch, report, .. } = rows;
    sort(rows, strings);
    let mut entries = Vec::with_capacity(rows.len() * format::ENTRY);
    let mut origins = Vec::with_capacity(rows.len() * format::ORIGIN);
    let mut provisions: Vec<Provision> = Vec::new();
    let mut names: Vec<RealName> = Vec::new();
    let mut count = 0_u32;
    let chunks = rows.chunk_by(|a, b| identity(a, strings) == identity(b, strings));
    let lengths: Vec<usize> = chunks.map(<[Row]>::len).collect();
    let mut rest = &rows[..];
    for length in lengths {
        let same;
        (same, rest) = rest.split_at(length);
        let row = &same[0];
        match names.last_mut() {
            Some(last) if text(strings, last.name) == text(strings, row.name) => last.entries.1 += 1,
            _ => names.push(RealName { name: row.name, entries: (count, 1), summary: row.summary }),
        }
        let mut places: Vec<&OriginRow> = same.iter().map(|row| &row.origin).collect();
        places.sort_by_key(|origin| (-i64::from(inputs[origin.input as usize].priority), origin.input));
        places.dedup_by_key(|origin| origin.input);
        let entry = EntryRow {
            name: names.len() as u32 - 1,
            version: row.version,
            architecture: row.architecture,
            origins: ((origins.len() / format::ORIGIN) as u32, places.len() as u32),
            flags: row.flags,
            sequence: same.iter().map(|row| row.sequence).min().unwrap_or_default(),
        };
        entry.write(&mut entries);
        places.into_iter().for_each(|origin| origin.write(&mut origins));
        provide(row, count, strings, scratch, &mut provisions)?;
        count += 1;
    }
    report.candidates = u64::from(count);
    let Names { names, entries, providers, search } = name_tables(&names, entries, &mut provisions, strings, scratch)?;
    Ok(vec![
        (Section::Strings, std::mem::take(strings)),
        (Section::Names, names),
        (Section::Entries, entries),
        (Section::Origins, origins),
        (Section::Providers, providers),
        (Section::Inputs, format::write_inputs(inputs.iter())),
        (Section::Search, search),
    ])
}

/// Sorts by name, then newest version, architecture and identity, then the order of the inputs.
fn sort(rows: &mut [Row], strings: &[u8]) {
    let version = |row: &Row| Version::new(text(strings, row.version)).expect("it was checked when it was read");
    rows.sort_by(|a, b| {
        text(strings, a.name)
            .cmp(text(strings, b.name))
            .then_with(|| version(b).cmp(&version(a)))
            .then_with(|| text(strings, a.version).cmp(text(strings, b.version)))
            .then_with(|| text(strings, a.architecture).cmp(text(strings, b.architecture)))
            .then_with(|| a.identity.as_bytes().cmp(b.identity.as_bytes()))
            .then_with(|| a.sequence.cmp(&b.sequence))
    });
}

/// What two stanzas of one candidate have in common.
fn identity<'a>(row: &Row, strings: &'a [u8]) -> (&'a str, &'a str, &'a str, [u8; 32]) {
    let of = |place| text(strings, place);
    (of(row.name), of(row.version), of(row.architecture), *row.identity.as_bytes())
}

/// Adds what the entry `entry` provides. A malformed field provides nothing.
fn provide(
    row: &Row,
    entry: u32,
    strings: &mut Vec<u8>,
    scratch: &[u8],
    provisions: &mut Vec<Provision>,
) -> Result<(), BuildError> {
    if row.provides.1 == 0 {
        return Ok(());
    }
    for provided in parse_provides(text(scratch, row.provides)).unwrap_or_default() {
        let architecture = match provided.qualifier {
            Some(Qualifier::Architecture(architecture)) => push(strings, architecture)?,
            Some(Qualifier::Any) => push(strings, "any")?,
            Some(Qualifier::Native) => push(strings, "native")?,
            None => (0, 0),
        };
        let version = match provided.version {
            Some(version) => push(strings, version.as_str())?,
            None => (0, 0),
        };
        let name = push(strings, provided.name.as_str())?;
        provisions.push(Provision { name, row: ProviderRow { entry, version, architecture } });
    }
    Ok(())
}

/// The tables that need to know all names, real and virtual.
struct Names {
    names: Vec<u8>,
    entries: Vec<u8>,
    providers: Vec<u8>,
    search: Vec<u8>,
}

/// Merges real names with virtual ones, and makes entries refer to the merged rows.
fn name_tables(
    real: &[RealName],
    mut entries: Vec<u8>,
    provisions: &mut [Provision],
    strings: &[u8],
    scratch: &[u8],
) -> Result<Names, BuildError> {
    provisions.sort_by(|a, b| {
        let names = text(strings, a.name).cmp(text(strings, b.name));
        names.then_with(|| a.row.entry.cmp(&b.row.entry))
    });
    let mut out = Names { names: Vec::new(), entries: Vec::new(), providers: Vec::new(), search: Vec::new() };
    let (mut real, mut provisions) = (real.iter().peekable(), provisions.iter().peekable());
    loop {
        let real_name = real.peek().map(|real| text(strings, real.name));
        let virtual_name = provisions.peek().map(|provision| text(strings, provision.name));
        let name = match (real_name, virtual_name) {
            (Some(real), Some(other)) => real.min(other),
            (Some(name), None) | (None, Some(name)) => name,
            (None, None) => break,
        };
        let row_number = (out.names.len() / format::NAME) as u32;
        let search = u32::try_from(out.search.len()).map_err(|_| BuildError::TooLarge { what: "summaries" })?;
        let mut row = NameRow { text: (0, 0), entries: (0, 0), providers: (0, 0), search };
        if let Some(real) = real.next_if(|other| text(strings, other.name) == name) {
            (row.text, row.entries) = (real.name, real.entries);
            for entry in real.entries.0..real.entries.0 + real.entries.1 {
                let at = entry as usize * format::ENTRY;
                entries[at..at + 4].copy_from_slice(&row_number.to_le_bytes());
            }
            let line = format!("{name}\0{}\n", text(scratch, real.summary).replace(['\0', '\n'], " "));
            out.search.extend_from_slice(line.to_lowercase().as_bytes());
        }
        row.providers.0 = (out.providers.len() / format::PROVIDER) as u32;
        while let Some(provision) = provisions.next_if(|provision| text(strings, provision.name) == name) {
            row.text = if row.entries.1 > 0 { row.text } else { provision.name };
            row.providers.1 += 1;
            provision.row.write(&mut out.providers);
        }
        row.write(&mut out.names);
    }
    out.entries = entries;
    Ok(out)
}
