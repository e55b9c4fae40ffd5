//! The apt source as this host has it: configuration, lists, the prepared index, downloads.

mod debian;
mod download;
mod git;
mod index;
mod monitor;
mod original;
mod registry;
mod report;

use std::path::PathBuf;

use aleph_component::Digest;
use aleph_exchange::{
    apt::{
        config::AptConfig,
        sources::{AptSource, Kind, SourceList, read_sources, read_sources_file},
        update::{Known, Lists},
    },
    net::Fetcher,
};

pub(crate) use debian::{source_version, upstream};
pub(crate) use download::{download, fetch_again};
pub(crate) use index::{Offers, describe, offers};
pub(crate) use original::{Fresh, Newest, Original, Originals, Place};
pub(crate) use report::{list, update};

use crate::{failure::Outcome, host::Host, output::Printer};

/// The architectures that packages are wanted for.
pub(crate) struct Architectures {
    pub(crate) native: String,
    pub(crate) foreign: Vec<String>,
}

/// What the host, or the file given with `--sources`, says about apt.
pub(crate) struct Apt {
    config: AptConfig,
    sources: Vec<AptSource>,
    /// Where lists and index are kept.
    directory: PathBuf,
}

impl Apt {
    /// Reads apt's configuration and the sources.
    pub(crate) fn read(host: &Host, printer: &Printer) -> Outcome<Self> {
        let config = AptConfig::read("/".as_ref(), host.apt_config.as_deref())?;
        let (list, key) = match &host.global.sources {
            None => (read_sources(&config), "host".to_owned()),
            Some(file) => {
                let path = host.cwd.join(file);
                let sources = read_sources_file(&path, &config.source_defaults())?;
                let key = Digest::of(path.as_os_str().as_encoded_bytes()).to_string()[..16].to_owned();
                (SourceList { sources, problems: Vec::new() }, key)
            }
        };
        list.problems.iter().for_each(|problem| printer.warning(&problem.to_string()));
        let sources = list.sources.into_iter().filter(|source| source.kind == Kind::Binary).collect();
        Ok(Self { config, sources, directory: host.cache.join("apt").join(key) })
    }

    fn lists(&self) -> Lists {
        Lists::new(self.directory.join("lists"))
    }

    /// What there is of the sources as they are configured now.
    fn known(&self) -> Outcome<Known> {
        Ok(self.lists().known(&self.sources, &self.config, Host::clock())?)
    }

    fn fetcher(&self, host: &Host) -> Fetcher {
        let mut settings = self.config.network_for(&self.sources);
        settings.offline = host.global.offline;
        Fetcher::new(settings)
    }
}

/// The architectures that apt is configured for.
pub(crate) fn architectures(host: &Host) -> Outcome<Architectures> {
    let config = AptConfig::read("/".as_ref(), host.apt_config.as_deref())?;
    let foreign = config.architectures.iter().filter(|name| **name != config.architecture).cloned().collect();
    Ok(Architectures { native: config.architecture, foreign })
}

/// Whether there is any source at all.
pub(crate) fn is_empty(host: &Host, printer: &Printer) -> Outcome<bool> {
    Ok(Apt::read(host, printer)?.sources.is_empty())
}
