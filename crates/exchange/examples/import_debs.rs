//! Imports Debian packages into a store: `import_debs STORE FILE.deb...`. Prints how long the phases took.

#![expect(clippy::disallowed_macros, reason = "a program of its own, for measurements")]

use std::{error::Error, path::Path, time::Instant};

use aleph_exchange::deb::{Job, Limits, OriginInput, import_many};
use aleph_store::Store;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let store = Store::open(Path::new(&arguments.next().ok_or("which store?")?))?;
    let origin = |path: &str| OriginInput {
        file_name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        source: "local file".to_owned(),
        vouched_by: None,
        imported_by: "nobody".to_owned(),
        imported_at: 0,
    };
    let jobs: Vec<Job> = arguments.map(|path| Job { origin: origin(&path), path: path.into(), expect: None }).collect();
    let start = Instant::now();
    let mut lock = store.lock("import", |_| ())?;
    let staging = store.stage(&lock)?;
    let staged = import_many(&staging, &jobs, &Limits::default(), &|_, _| ())?;
    eprintln!("imported {} archives: {:?}", staged.len(), start.elapsed());
    let ids = store.commit(&mut lock, staged)?;
    drop(staging);
    eprintln!("committed {} components: {:?}", ids.len(), start.elapsed());
    Ok(())
}
