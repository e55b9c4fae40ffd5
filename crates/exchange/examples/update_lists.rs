//! Updates the lists of the host's apt sources in a directory: `update_lists DIRECTORY [SOURCES-FILE]`.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "an example is a program")]

use std::{
    path::Path,
    time::{Instant, SystemTime},
};

use aleph_exchange::{
    apt::{config::AptConfig, sources, update::Lists},
    net::{Event, Fetcher, Monitor},
};

struct Print;

impl Monitor for Print {
    fn event(&self, event: &Event<'_>) {
        if !matches!(event, Event::Advanced { .. }) {
            eprintln!("{event:?}");
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("a directory");
    let start = Instant::now();
    let config = AptConfig::read(Path::new("/"), None).expect("apt's configuration");
    let sources = match arguments.next() {
        Some(file) => sources::read_sources_file(Path::new(&file), &config.source_defaults()).expect("sources"),
        None => sources::read_sources(&config).sources,
    };
    eprintln!("{:?} {:?}", config.architectures, config.warnings);
    let fetcher = Fetcher::new(config.network.clone());
    let lists = Lists::new(directory);
    for report in lists.update(&sources, &config, &fetcher, SystemTime::now(), &Print).expect("lists") {
        println!("{report:#?}");
    }
    for suite in lists.known(&sources, &config, SystemTime::now()).expect("state").suites {
        println!("{suite:#?}");
    }
    eprintln!("{:?}", start.elapsed());
}
