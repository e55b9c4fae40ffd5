//! Where the crate is asked. All that the corpus knows of its interface is in here.

use std::{
    cell::RefCell,
    collections::HashMap,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use aleph_abi::{
    Around, Options, Pair, Seen, Types, Verdict, demangle, dwarf,
    elf::{self, Facts},
    exported,
    headers::Headers,
    judge as ask,
    types::{Comparison, Interface, View},
};

use crate::{
    build::{Built, Variant},
    case::{Answer, Case, Side},
};

/// What the crate says of a case.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) answer: Answer,
    /// All reasons, a line each.
    pub(crate) reasons: String,
}

/// Asks for the verdict on a consumer: the files are in `built`; headers are shown if the case says so.
pub(crate) fn judge(case: &Case, built: &Built, variant: Variant) -> Option<Judgement> {
    let debug = built.debug_directory();
    let [old, new] = [Side::Old, Side::New].map(|side| Library::read(&built.library(variant, side), &debug));
    let consumer = Library::read(&built.consumer(variant), &debug);
    let around = |side| Libraries::of(built.extra(variant, side).into_iter().collect());
    let (before, around) = (around(Side::Old), around(Side::New));
    let comparison = old.types.as_ref().zip(new.types.as_ref()).map(|(old, new)| Comparison::new(old, new));
    let public: &dyn Fn(&str) -> bool = &|name| name == "lib.h";
    let public = case.headers.then_some(public);
    let seen = comparison.as_ref().map(|comparison| Seen { comparison, view: consumer.view.as_ref(), public });
    let headers = case.headers.then(|| [Side::Old, Side::New].map(|side| public_header(&built.headers(side))));
    let opened: Vec<&[u8]> = case.opens.iter().map(String::as_bytes).collect();
    let options = Options {
        types: seen.as_ref().map(|seen| seen as &dyn Types),
        headers: headers.as_ref().map(|[old, new]| (old, new)),
        before: &before,
        around: &around,
        opened: &opened,
        ..Options::NONE
    };
    let judgement = ask(Some(&consumer.facts), &Pair::new(&old.facts, &new.facts), &options);
    let answer = match judgement.verdict {
        Verdict::Relink => Answer::Relink,
        Verdict::Rebuild => Answer::Rebuild,
        Verdict::Unknown => Answer::Unknown,
    };
    let line = |change: &aleph_abi::Change| {
        format!("{:?}: {}: {}\n", change.effect, demangle(change.symbol.as_bytes()), change.text)
    };
    Some(Judgement { answer, reasons: judgement.reasons.iter().map(line).collect() })
}

/// The header that consumers see, which is beside those that they do not.
fn public_header(directory: &Path) -> Headers {
    Headers::parse([("lib.h", fs::read(directory.join("lib.h")).expect("it was just written"))])
}

/// A binary with all that it says.
struct Library {
    facts: Facts,
    types: Option<Interface>,
    view: Option<View>,
}

impl Library {
    fn read(path: &Path, debug: &Path) -> Self {
        let bytes = fs::read(path).expect("it was just built");
        let (facts, addresses) = elf::read_with_addresses(&bytes).expect("it was just linked");
        let files = dwarf::find(path, &[debug]).ok();
        let exported = exported(&facts, &addresses);
        let types = files.as_ref().and_then(|files| files.with(|input| dwarf::read(input, &exported)).ok());
        let view = files.as_ref().and_then(|files| files.with(dwarf::view).ok());
        Self { types, view, facts }
    }
}

/// The other libraries of the process: the case's own, then the host's.
struct Libraries {
    own: Vec<PathBuf>,
    found: RefCell<HashMap<Vec<u8>, Option<Arc<Facts>>>>,
}

/// Where this host's libraries are.
const HOST: [&str; 3] = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64"];

impl Libraries {
    fn of(own: Vec<PathBuf>) -> Self {
        Self { own, found: RefCell::default() }
    }

    fn search(&self, soname: &[u8]) -> Option<Arc<Facts>> {
        let name = OsStr::from_bytes(soname);
        let own = self.own.iter().filter(|path| path.file_name() == Some(name)).cloned();
        let mut paths = own.chain(HOST.iter().map(|directory| Path::new(directory).join(name)));
        paths.find_map(|path| elf::read(&fs::read(path).ok()?).ok()).map(Arc::new)
    }
}

impl Around for Libraries {
    fn library(&self, soname: &[u8]) -> Option<Arc<Facts>> {
        if let Some(found) = self.found.borrow().get(soname) {
            return found.clone();
        }
        let found = self.search(soname);
        self.found.borrow_mut().insert(soname.to_vec(), found.clone());
        found
    }
}
